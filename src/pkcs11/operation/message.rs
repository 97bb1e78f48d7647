//! Message-based encryption and decryption (PKCS#11 v3.2 §5.9, §5.11): a key that is taken into use once, and messages with
//! an initialisation vector and a tag each.
//!
//! Whatever a message ends with, the process goes on until `C_MessageEncryptFinal` or `C_MessageDecryptFinal`, or until it
//! is cancelled; the key's state is asked for with every call. Decrypted bytes come out only when the tag was checked: a
//! message in parts is kept until its last one, as by `C_DecryptUpdate`.

use std::sync::Arc;

use cryptoki_sys::*;
use zeroize::Zeroize;

use super::cipher::usage;
use super::{Kind, Operation, Step};
use crate::crypto::{CryptoError, Direction, GcmMessages, GcmWork, Ivs, Text};
use crate::pkcs11::abi::{CallerBytes, Exchange, GcmMessage};
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::MessageRequest;
use crate::pkcs11::session::Session;
use crate::vault::{SecretKey, UsableKey};

/// The most of a message in parts that is kept until its tag.
const MOST_KEPT: usize = 64 << 20;

/// Encryption or decryption of messages that was begun.
pub struct Messages {
    key: Arc<dyn SecretKey>,
    gcm: GcmMessages,
    ivs: Ivs,
    /// The message that came in parts so far: of one that is decrypted, its ciphertext.
    under_way: Option<Vec<u8>>,
}

impl Session {
    /// `C_MessageEncryptInit` and `C_MessageDecryptInit`.
    pub fn messages_init(
        &mut self,
        direction: Direction,
        mechanism: MessageRequest,
        key: CK_OBJECT_HANDLE,
    ) -> Result<(), Rv> {
        let kind = kind(direction);
        self.expect_free(kind)?;
        mechanism.check(kind.flag())?;
        self.slot.mechanisms.find_for(mechanism.number, kind.flag())?;
        let (object, algorithm) = self.slot.key_for(mechanism.number, key, usage(direction))?;
        mechanism.check_key(kind.flag(), algorithm)?;
        let key = self.slot.secret_key(&object)?;
        let gcm = key.usable().and_then(UsableKey::here).map_err(Rv::at_init)?.gcm_messages(direction)?;
        let messages = Messages { key, gcm, ivs: Ivs::default(), under_way: None };
        self.operation = Operation::Messages(Box::new(messages));
        Ok(())
    }

    /// `C_EncryptMessage` and `C_DecryptMessage`.
    pub fn message(
        &mut self,
        direction: Direction,
        message: GcmMessage<'_>,
        aad: &CallerBytes<'_>,
        text: Exchange<'_, '_>,
    ) -> Result<Step, Rv> {
        self.messages(direction)?.between()?.whole(message, aad, text)
    }

    /// `C_EncryptMessageBegin` and `C_DecryptMessageBegin`.
    pub fn message_begin(
        &mut self,
        direction: Direction,
        message: GcmMessage<'_>,
        aad: &CallerBytes<'_>,
    ) -> Result<(), Rv> {
        self.messages(direction)?.between()?.first(message, aad)
    }

    /// `C_EncryptMessageNext` and `C_DecryptMessageNext`: the last part comes with the message's parameter.
    pub fn message_next(
        &mut self,
        direction: Direction,
        last: Option<GcmMessage<'_>>,
        text: Exchange<'_, '_>,
    ) -> Result<Step, Rv> {
        let messages = self.messages(direction)?;
        match direction {
            Direction::Encrypt => messages.seal_part(last, text),
            Direction::Decrypt => messages.open_part(last, text),
        }
    }

    /// `C_MessageEncryptFinal` and `C_MessageDecryptFinal`.
    pub fn messages_final(&mut self, direction: Direction) -> Result<(), Rv> {
        self.messages(direction)?.between()?;
        self.operation = Operation::Idle;
        Ok(())
    }

    /// Runs one call for a part of a message, and ends the message as the specification says: it goes on only after a
    /// length query, a buffer that was too small, or a part that isn't the last.
    pub fn message_step(
        &mut self,
        direction: Direction,
        body: impl FnOnce(&mut Self) -> Result<Step, Rv>,
    ) -> Result<(), Rv> {
        let outcome = body(self);
        if !matches!(outcome, Ok(Step::Pending) | Err(Rv(CKR_BUFFER_TOO_SMALL)))
            && let Ok(messages) = self.messages(direction)
        {
            messages.under_way = None;
        }
        outcome.map(|_| ())
    }

    /// Fails before anything of a message is looked at, if there can't be one.
    pub fn expect_messages(&mut self, direction: Direction) -> Result<(), Rv> {
        self.messages(direction).map(|_| ())
    }

    fn messages(&mut self, direction: Direction) -> Result<&mut Messages, Rv> {
        match &mut self.operation {
            Operation::Messages(messages) if messages.gcm.direction() == direction => Ok(messages),
            _ => Err(Rv(CKR_OPERATION_NOT_INITIALIZED)),
        }
    }
}

fn kind(direction: Direction) -> Kind {
    match direction {
        Direction::Encrypt => Kind::MessageEncrypt,
        Direction::Decrypt => Kind::MessageDecrypt,
    }
}

impl Messages {
    /// Which one it is.
    pub fn kind(&self) -> Kind {
        kind(self.gcm.direction())
    }

    /// Fails in the middle of a message.
    fn between(&mut self) -> Result<&mut Self, Rv> {
        if self.under_way.is_some() { Err(Rv(CKR_OPERATION_ACTIVE)) } else { Ok(self) }
    }

    fn whole(
        &mut self,
        mut message: GcmMessage<'_>,
        aad: &CallerBytes<'_>,
        mut text: Exchange<'_, '_>,
    ) -> Result<Step, Rv> {
        self.key.usable().map_err(Rv::at_use)?;
        let tag_len = tag_len(&message)?;
        if !text.has_room(text.input_len())? {
            return Ok(Step::Pending);
        }
        let made = self.make_iv(&mut message)?;
        let direction = self.gcm.direction();
        let mut work = self.gcm.at_work();
        work.begin(iv(&made, &message), aad.read())?;
        if direction == Direction::Encrypt {
            text.pass(|text| Ok(work.pass(text)?))?;
            give_tag(work, &mut message, tag_len)?;
            return Ok(Step::Done);
        }
        let tag = given_tag(&message, tag_len);
        let opened = text.pass(|text| work.pass(text).and_then(|()| work.check(&tag[..tag_len])).map_err(wrong));
        if opened.is_err() {
            text.output(text.input_len())?.zeroize();
        }
        opened.map(|()| Step::Done)
    }

    fn first(&mut self, mut message: GcmMessage<'_>, aad: &CallerBytes<'_>) -> Result<(), Rv> {
        self.key.usable().map_err(Rv::at_use)?;
        message.numbers.tag_len()?;
        let made = self.make_iv(&mut message)?;
        self.gcm.at_work().begin(iv(&made, &message), aad.read())?;
        self.under_way = Some(Vec::new());
        Ok(())
    }

    fn seal_part(&mut self, last: Option<GcmMessage<'_>>, mut text: Exchange<'_, '_>) -> Result<Step, Rv> {
        self.under_way.as_ref().ok_or(Rv(CKR_OPERATION_NOT_INITIALIZED))?;
        self.key.usable().map_err(Rv::at_use)?;
        let tag_len = last.as_ref().map(tag_len).transpose()?;
        if !text.has_room(text.input_len())? {
            return Ok(Step::Pending);
        }
        let mut work = self.gcm.at_work();
        text.pass(|text| Ok(work.pass(text)?))?;
        let (Some(mut last), Some(tag_len)) = (last, tag_len) else { return Ok(Step::Pending) };
        give_tag(work, &mut last, tag_len)?;
        Ok(Step::Done)
    }

    fn open_part(&mut self, last: Option<GcmMessage<'_>>, mut text: Exchange<'_, '_>) -> Result<Step, Rv> {
        let kept = self.under_way.as_mut().ok_or(Rv(CKR_OPERATION_NOT_INITIALIZED))?;
        self.key.usable().map_err(Rv::at_use)?;
        let tag_len = last.as_ref().map(tag_len).transpose()?;
        if text.input_len() > MOST_KEPT - kept.len() {
            return Err(Rv(CKR_ENCRYPTED_DATA_LEN_RANGE));
        }
        let whole = kept.len() + text.input_len();
        if !text.has_room(if last.is_some() { whole } else { 0 })? {
            return Ok(Step::Pending);
        }
        kept.try_reserve(text.input_len()).map_err(|_| Rv(CKR_HOST_MEMORY))?;
        kept.extend_from_slice(text.input());
        let (Some(last), Some(tag_len)) = (last, tag_len) else { return Ok(Step::Pending) };
        let tag = given_tag(&last, tag_len);
        let out = text.output(whole)?;
        let mut work = self.gcm.at_work();
        let opened = work.pass(Text::Beside(kept, out)).and_then(|()| work.check(&tag[..tag_len]));
        if opened.is_err() {
            out.zeroize();
        }
        opened.map(|()| Step::Done).map_err(wrong)
    }

    /// Makes the initialisation vector for a message that is encrypted, if it shall be made, and gives it back.
    fn make_iv(&mut self, message: &mut GcmMessage<'_>) -> Result<Option<MadeIv>, Rv> {
        if self.gcm.direction() == Direction::Decrypt {
            return Ok(None);
        }
        let Some(form) = message.numbers.iv_form()? else { return Ok(None) };
        let mut made = MadeIv { bytes: [0; _], len: message.iv.read().len() };
        let iv = made.bytes.get_mut(..made.len).ok_or(Rv(CKR_MECHANISM_PARAM_INVALID))?;
        iv.copy_from_slice(message.iv.read());
        self.ivs.next(form, iv)?;
        message.iv.write(iv);
        Ok(Some(made))
    }
}

/// An initialisation vector that was made. It isn't read again from where it was given back to: there it could be changed.
struct MadeIv {
    bytes: [u8; Ivs::LONGEST],
    len: usize,
}

/// The one that was made, or the caller's.
fn iv<'a>(made: &'a Option<MadeIv>, message: &'a GcmMessage<'_>) -> &'a [u8] {
    match made {
        Some(made) => &made.bytes[..made.len],
        None => message.iv.read(),
    }
}

fn give_tag(mut work: GcmWork<'_>, message: &mut GcmMessage<'_>, len: usize) -> Result<(), Rv> {
    let mut tag = [0; GcmMessages::TAG];
    work.tag(&mut tag[..len])?;
    message.tag.write(&tag[..len]);
    Ok(())
}

/// Bytes of the tag, if there is a place for it.
fn tag_len(message: &GcmMessage<'_>) -> Result<usize, Rv> {
    let len = message.numbers.tag_len()?;
    if message.tag.read().len() == len { Ok(len) } else { Err(Rv(CKR_MECHANISM_PARAM_INVALID)) }
}

/// The tag, which is compared when the output may lie over it.
fn given_tag(message: &GcmMessage<'_>, len: usize) -> [u8; GcmMessages::TAG] {
    let mut tag = [0; GcmMessages::TAG];
    tag[..len].copy_from_slice(message.tag.read());
    tag
}

/// What is wrong with a message that is decrypted.
fn wrong(error: CryptoError) -> Rv {
    match error {
        CryptoError::CiphertextInvalid => Rv(CKR_AEAD_DECRYPT_FAILED),
        CryptoError::TooLong => Rv(CKR_ENCRYPTED_DATA_LEN_RANGE),
        other => other.into(),
    }
}
