//! A key that may not leave the module leaves it in no way: its bytes are looked for in every output of random sequences of
//! calls, which have keys of known value to work with, and take what comes out as what goes in again: wrap and decrypt, derive
//! and sign, copy with wider attributes, unwrap into a key that is shown.
//!
//! A piece of 8 bytes is enough to be found. Keys that are let go show that the search can find something.

#[path = "client/mod.rs"]
mod client;
mod stage;

use std::cell::OnceCell;
use std::collections::HashSet;

use cryptoki_sys::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use client::{Attribute, GcmMessage, Mechanism, Oaep, Outcome, Parameter, Session, Token, attribute};

/// How long a piece of a key has to be to be looked for.
const PIECE: usize = 8;

/// How a canary is kept.
#[derive(Clone, Copy, Debug)]
enum Guard {
    /// Neither shown nor wrapped.
    Kept,
    /// Not wrapped, and not sensitive: still not shown (`CKA_EXTRACTABLE` is false).
    NotExtractable,
    /// May be wrapped by a trusted key, of which there is none.
    ForTrusted,
    /// May be wrapped by any key.
    Wrappable,
    /// May be read.
    Shown,
}

impl Guard {
    fn attributes(self) -> Vec<Attribute> {
        let (sensitive, extractable) = match self {
            Self::Kept => (true, false),
            Self::NotExtractable => (false, false),
            Self::ForTrusted | Self::Wrappable => (true, true),
            Self::Shown => (false, true),
        };
        vec![
            attribute(CKA_SENSITIVE, sensitive),
            attribute(CKA_EXTRACTABLE, extractable),
            attribute(CKA_WRAP_WITH_TRUSTED, matches!(self, Self::ForTrusted)),
            attribute(CKA_PRIVATE, true),
        ]
    }
}

/// How many canaries there are: the first keys of an [`Attack`].
const CANARIES: usize = 5;

/// A step of a sequence: a call, and what its arguments are chosen by.
type Step = [u8; 5];

const RSA_PARTS: [CK_ATTRIBUTE_TYPE; 8] = [
    CKA_MODULUS,
    CKA_PUBLIC_EXPONENT,
    CKA_PRIVATE_EXPONENT,
    CKA_PRIME_1,
    CKA_PRIME_2,
    CKA_EXPONENT_1,
    CKA_EXPONENT_2,
    CKA_COEFFICIENT,
];
const P256: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const IV: [u8; 16] = [9; 16];
const OAEP: Oaep<'static> = Oaep { hash: CKM_SHA256, mgf: CKG_MGF1_SHA256, label: &[] };

/// The token, and the parts of an RSA key: making one takes a while.
struct Host {
    token: Token,
    rsa: OnceCell<Vec<Attribute>>,
}

impl Host {
    fn new() -> Self {
        Self { token: Token::new(&stage::module()), rsa: OnceCell::new() }
    }

    fn rsa(&self, session: Session<'_>) -> &[Attribute] {
        self.rsa.get_or_init(|| {
            let shown = [attribute(CKA_SENSITIVE, false), attribute(CKA_EXTRACTABLE, true)];
            let public = [attribute(CKA_MODULUS_BITS, 2048u64)];
            let (_, private) = session.generate_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &shown).unwrap();
            RSA_PARTS.iter().map(|part| (*part, session.get(private, *part).unwrap())).collect()
        })
    }

    /// Runs a sequence with canaries that are kept so. The first call whose output holds a piece of one, if any does.
    fn run(&self, guard: Guard, steps: &[Step]) -> Option<String> {
        let session = self.token.user_session();
        let mut attack = Attack::new(session, guard, self.rsa(session));
        let found = steps.iter().find_map(|step| attack.step(*step)).or_else(|| attack.last_tries());
        attack.clear();
        session.close().unwrap();
        found
    }
}

/// A sequence under way.
struct Attack<'m> {
    session: Session<'m>,
    pieces: HashSet<[u8; PIECE]>,
    /// Canaries first.
    keys: Vec<CK_OBJECT_HANDLE>,
    outputs: Vec<Vec<u8>>,
}

fn secret(key_type: CK_KEY_TYPE, value: &[u8], uses: &[CK_ATTRIBUTE_TYPE]) -> Vec<Attribute> {
    let mut template =
        vec![attribute(CKA_CLASS, CKO_SECRET_KEY), attribute(CKA_KEY_TYPE, key_type), attribute(CKA_VALUE, value)];
    let every = [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE];
    template.extend(every.map(|number| attribute(number, uses.contains(&number))));
    template
}

fn private(key_type: CK_KEY_TYPE, parts: &[Attribute], uses: &[CK_ATTRIBUTE_TYPE]) -> Vec<Attribute> {
    let mut template = vec![attribute(CKA_CLASS, CKO_PRIVATE_KEY), attribute(CKA_KEY_TYPE, key_type)];
    template.extend(uses.iter().map(|number| attribute(*number, true)));
    template.extend(parts.iter().cloned());
    template
}

const CIPHER: &[CK_ATTRIBUTE_TYPE] = &[CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_DERIVE];
const WRAP: &[CK_ATTRIBUTE_TYPE] = &[CKA_WRAP, CKA_UNWRAP];
const MAC: &[CK_ATTRIBUTE_TYPE] = &[CKA_SIGN, CKA_VERIFY, CKA_DERIVE];

impl<'m> Attack<'m> {
    fn new(session: Session<'m>, guard: Guard, rsa: &[Attribute]) -> Self {
        let mut attack = Self { session, pieces: HashSet::new(), keys: Vec::new(), outputs: vec![vec![0x61; 32]] };
        let random = |len| session.random(len).unwrap();
        let (aes, wrapping, generic) = (random(32), random(32), random(32));
        let ec = [0x11].into_iter().chain(random(31)).collect::<Vec<_>>();
        let curve = [attribute(CKA_EC_PARAMS, P256), attribute(CKA_VALUE, &ec)];
        let rsa_uses = [CKA_DECRYPT, CKA_SIGN, CKA_SIGN_RECOVER, CKA_UNWRAP];
        for value in [&aes, &wrapping, &generic, &ec].into_iter().chain(rsa[2..].iter().map(|(_, value)| value)) {
            attack.pieces.extend(value.windows(PIECE).map(|piece| <[u8; PIECE]>::try_from(piece).unwrap()));
        }
        let canaries = [
            secret(CKK_AES, &aes, CIPHER),
            secret(CKK_AES, &wrapping, WRAP),
            secret(CKK_GENERIC_SECRET, &generic, MAC),
            private(CKK_EC, &curve, &[CKA_SIGN, CKA_DERIVE]),
            private(CKK_RSA, rsa, &rsa_uses),
        ];
        for (index, canary) in canaries.into_iter().enumerate() {
            // One of them lies on the token, which takes time; the next sequence puts another one there.
            let place = attribute(CKA_TOKEN, index == usize::from(aes[0]) % CANARIES);
            let template = [canary, guard.attributes(), vec![place]].concat();
            attack.keys.push(session.create(&template).unwrap());
        }
        attack.make_known_keys(rsa);
        attack
    }

    /// Keys whose values the caller knows, or whose halves do everything: the same value once for wrapping and once for
    /// decrypting.
    fn make_known_keys(&mut self, rsa: &[Attribute]) {
        let known = [0x42u8; 32];
        let shown = [attribute(CKA_SENSITIVE, false), attribute(CKA_EXTRACTABLE, true)];
        let mut rsa_public = vec![attribute(CKA_CLASS, CKO_PUBLIC_KEY), attribute(CKA_KEY_TYPE, CKK_RSA)];
        rsa_public.extend([CKA_ENCRYPT, CKA_WRAP, CKA_VERIFY].map(|number| attribute(number, true)));
        rsa_public.extend(rsa[..2].iter().cloned());
        for template in
            [secret(CKK_AES, &known, WRAP), secret(CKK_AES, &known, CIPHER), secret(CKK_GENERIC_SECRET, &known, MAC)]
        {
            self.keys.push(self.session.create(&[template, shown.to_vec()].concat()).unwrap());
        }
        self.keys.push(self.session.create(&rsa_public).unwrap());
        let pair = self.session.generate_pair(
            CKM_EC_KEY_PAIR_GEN,
            &[attribute(CKA_EC_PARAMS, P256)],
            &[attribute(CKA_DERIVE, true), attribute(CKA_SIGN, true)],
        );
        let (public, private) = pair.unwrap();
        self.outputs.push(self.session.get(public, CKA_EC_POINT).unwrap());
        self.keys.extend([public, private]);
    }

    fn key(&self, choice: u8) -> CK_OBJECT_HANDLE {
        self.keys[usize::from(choice) % self.keys.len()]
    }

    fn output(&self, choice: u8) -> Vec<u8> {
        // The newest is likely the one to go on with.
        let back = usize::from(choice) % self.outputs.len().min(6);
        self.outputs[self.outputs.len() - 1 - back].clone()
    }

    /// Makes one call. What it did, if a piece of a canary came out.
    fn step(&mut self, [call, a, b, c, d]: Step) -> Option<String> {
        let (session, key, input) = (self.session, self.key(a), self.output(c));
        let (cipher, signing) = (cipher(b), signing(b));
        let made = |made: Outcome<CK_OBJECT_HANDLE>| made.map(Made::Key);
        let bytes = |bytes: Outcome<Vec<u8>>| bytes.map(Made::Bytes);
        let wrapping = wrapping(b);
        let (name, outcome) = match call % 16 {
            // Half of all keys that are wrapped are canaries, and half of those that wrap are known.
            0 | 1 => {
                let wrapped = if c < 128 { self.keys[usize::from(c) % CANARIES] } else { self.key(c) };
                let wrapping_key = if a < 128 { self.keys[CANARIES] } else { key };
                ("C_WrapKey", bytes(session.wrap(wrapping, wrapping_key, wrapped)))
            }
            2 => ("C_UnwrapKey", made(session.unwrap(wrapping, key, &input, &wanted(d)))),
            3 => ("C_DeriveKey", made(self.derive(b, key, &input, &wanted(d)))),
            4 => ("C_CopyObject", made(session.copy(key, &change(b, c)))),
            5 => ("C_SetAttributeValue", session.set(key, &change(b, c)).map(|()| Made::Nothing)),
            6 | 7 => return self.read(key),
            8 => ("C_Encrypt", bytes(session.encrypt_init(cipher, key).and_then(|()| session.encrypt_once(&input)))),
            9 | 10 => {
                ("C_Decrypt", bytes(session.decrypt_init(cipher, key).and_then(|()| session.decrypt_once(&input))))
            }
            11 => ("C_Sign", bytes(session.sign_init(signing, key).and_then(|()| session.sign_once(&input)))),
            12 => ("C_DigestKey", bytes(self.digest_key(key))),
            13 => ("C_GenerateKey", made(session.generate(CKM_AES_KEY_GEN, &generated(b)))),
            14 => ("C_GetOperationState", bytes(self.state(key))),
            15 if d % 2 == 0 => ("a message", bytes(self.message(key, &input, d % 4 == 0))),
            _ => ("C_DecryptUpdate", bytes(self.decrypt_in_parts(cipher, key, &input))),
        };
        // A call that failed half-way leaves nothing under way.
        let _ = session.cancel(CK_FLAGS::MAX);
        self.take(name, outcome.ok()?)
    }

    /// Encrypts or decrypts a message whose tag is what comes last of it.
    fn message(&self, key: CK_OBJECT_HANDLE, input: &[u8], opens: bool) -> Outcome<Vec<u8>> {
        let session = self.session;
        let (text, tag) = input.split_at(input.len().saturating_sub(16));
        if opens {
            session.message_decrypt_init(CKM_AES_GCM, key)?;
            return session.decrypt_message(&mut GcmMessage::with_tag(&[5; 12], tag), &[], text);
        }
        session.message_encrypt_init(CKM_AES_GCM, key)?;
        let mut message = GcmMessage::given(&[5; 12], 16);
        session.encrypt_message(&mut message, &[], input).map(|sealed| [sealed, message.tag].concat())
    }

    /// Takes a result in, and looks through it.
    fn take(&mut self, name: &str, made: Made) -> Option<String> {
        match made {
            Made::Nothing => None,
            Made::Key(key) => {
                self.keys.push(key);
                self.read(key)
            }
            Made::Bytes(bytes) => {
                let found = bytes.windows(PIECE).any(|piece| self.pieces.contains(piece));
                self.outputs.push(bytes);
                found.then(|| name.to_owned())
            }
        }
    }

    /// Asks for every part of a key.
    fn read(&mut self, key: CK_OBJECT_HANDLE) -> Option<String> {
        let parts = [CKA_VALUE, CKA_CHECK_VALUE, CKA_LABEL, CKA_ID, CKA_PUBLIC_KEY_INFO, CKA_EC_POINT];
        parts.iter().chain(&RSA_PARTS).find_map(|part| {
            let value = self.session.get(key, *part).ok()?;
            self.take(&format!("C_GetAttributeValue of {part:#x}"), Made::Bytes(value))
        })
    }

    fn derive(
        &self,
        choice: u8,
        base: CK_OBJECT_HANDLE,
        input: &[u8],
        template: &[Attribute],
    ) -> Outcome<CK_OBJECT_HANDLE> {
        let hkdf = |extract, expand| Parameter::Hkdf { extract, expand, hash: CKM_SHA256, salt: None, info: b"info" };
        let number = |number, parameter| Mechanism::with(number, parameter);
        let mechanism = match choice % 12 {
            0 => number(CKM_ECDH1_DERIVE, Parameter::Ecdh { kdf: CKD_NULL, shared: &[], public: input }),
            1 => number(CKM_ECDH1_DERIVE, Parameter::Ecdh { kdf: CKD_SHA256_KDF, shared: &[], public: input }),
            2 => number(CKM_HKDF_DERIVE, hkdf(true, true)),
            3 => number(CKM_HKDF_DERIVE, hkdf(true, false)),
            4 => number(CKM_HKDF_DERIVE, hkdf(false, true)),
            5 => number(CKM_HKDF_DATA, hkdf(false, true)),
            6 => number(CKM_EXTRACT_KEY_FROM_KEY, Parameter::Number(CK_ULONG::from(choice) / 12 * 8)),
            7 => number(CKM_XOR_BASE_AND_DATA, Parameter::Derivation(&[0; 32])),
            8 => number(CKM_CONCATENATE_BASE_AND_DATA, Parameter::Derivation(b"more")),
            9 => number(CKM_CONCATENATE_DATA_AND_BASE, Parameter::Derivation(b"more")),
            10 => number(CKM_CONCATENATE_BASE_AND_KEY, Parameter::Number(self.key(choice))),
            _ => number(CKM_AES_ECB_ENCRYPT_DATA, Parameter::Derivation(&[0; 32])),
        };
        self.session.derive(mechanism, base, template)
    }

    fn digest_key(&self, key: CK_OBJECT_HANDLE) -> Outcome<Vec<u8>> {
        self.session.digest_init(CKM_SHA256)?;
        self.session.digest_key(key)?;
        self.session.digest_final()
    }

    /// The state of operations that hold a key.
    fn state(&self, key: CK_OBJECT_HANDLE) -> Outcome<Vec<u8>> {
        self.session.sign_init(CKM_SHA256_HMAC, key)?;
        self.session.sign_update(b"text")?;
        self.session.operation_state()
    }

    fn decrypt_in_parts(&self, mechanism: Mechanism<'_>, key: CK_OBJECT_HANDLE, input: &[u8]) -> Outcome<Vec<u8>> {
        self.session.decrypt_init(mechanism, key)?;
        let mut all = self.session.decrypt_update(input)?;
        all.extend(self.session.decrypt_final()?);
        Ok(all)
    }

    /// Whatever came out is decrypted with every key there is, and unwrapped into keys that are shown.
    fn last_tries(&mut self) -> Option<String> {
        let (keys, outputs) = (self.keys.clone(), self.outputs.clone());
        for output in outputs.iter().filter(|output| output.len() >= 16) {
            for (key, choice) in keys.iter().flat_map(|key| (0..CIPHERS).map(move |choice| (*key, choice))) {
                let init = self.session.decrypt_init(cipher(choice), key);
                let decrypted = init.and_then(|()| self.session.decrypt_once(output)).map(Made::Bytes);
                let unwrapped = self.session.unwrap(wrapping(choice), key, output, &wanted(0)).map(Made::Key);
                let found = [("C_Decrypt", decrypted), ("C_UnwrapKey", unwrapped)]
                    .into_iter()
                    .find_map(|(name, outcome)| self.take(name, outcome.ok()?));
                if found.is_some() {
                    return found;
                }
            }
        }
        keys.iter().find_map(|key| self.read(*key))
    }

    fn clear(&mut self) {
        for key in std::mem::take(&mut self.keys) {
            let _ = self.session.destroy(key);
        }
    }
}

/// What a call gave.
enum Made {
    Nothing,
    Key(CK_OBJECT_HANDLE),
    Bytes(Vec<u8>),
}

const CIPHERS: u8 = 8;

fn cipher(choice: u8) -> Mechanism<'static> {
    match choice % CIPHERS {
        0 => Mechanism::with(CKM_AES_CBC_PAD, Parameter::Bytes(&IV)),
        1 => Mechanism::with(CKM_AES_CBC, Parameter::Bytes(&IV)),
        2 => CKM_AES_ECB.into(),
        3 => Mechanism::with(CKM_AES_CTR, Parameter::Ctr { bits: 128, block: IV }),
        4 => Mechanism::with(CKM_AES_GCM, Parameter::Gcm { iv: &IV[..12], aad: &[], tag_bits: 128 }),
        5 => CKM_RSA_PKCS.into(),
        6 => Mechanism::with(CKM_RSA_PKCS_OAEP, Parameter::Oaep(OAEP)),
        _ => CKM_AES_KEY_WRAP.into(),
    }
}

fn wrapping(choice: u8) -> Mechanism<'static> {
    match choice % 8 {
        0 | 1 => Mechanism::with(CKM_AES_CBC_PAD, Parameter::Bytes(&IV)),
        2 => CKM_AES_KEY_WRAP.into(),
        3 => CKM_AES_KEY_WRAP_KWP.into(),
        4 => CKM_RSA_PKCS.into(),
        5 => Mechanism::with(CKM_RSA_PKCS_OAEP, Parameter::Oaep(OAEP)),
        6 => Mechanism::with(CKM_RSA_AES_KEY_WRAP, Parameter::RsaAesWrap { aes_bits: 256, oaep: OAEP }),
        _ => CKM_AES_ECB.into(),
    }
}

fn signing(choice: u8) -> Mechanism<'static> {
    let number = [CKM_SHA256_HMAC, CKM_AES_CMAC, CKM_ECDSA, CKM_RSA_PKCS, CKM_RSA_X_509, CKM_SHA256_RSA_PKCS];
    number[usize::from(choice) % number.len()].into()
}

/// What a key that is unwrapped or derived is wanted to be: something that is shown.
fn wanted(choice: u8) -> Vec<Attribute> {
    let (class, key_type) = match choice % 6 {
        0 | 1 => (CKO_SECRET_KEY, CKK_GENERIC_SECRET),
        2 => (CKO_SECRET_KEY, CKK_AES),
        3 => (CKO_PRIVATE_KEY, CKK_RSA),
        4 => (CKO_PRIVATE_KEY, CKK_EC),
        _ => (CKO_DATA, 0),
    };
    let mut template = vec![attribute(CKA_CLASS, class)];
    if class != CKO_DATA {
        template.extend([
            attribute(CKA_KEY_TYPE, key_type),
            attribute(CKA_SENSITIVE, false),
            attribute(CKA_EXTRACTABLE, true),
        ]);
    }
    // Short ones are guessed byte by byte.
    if let Some(len) = [None, Some(32u64), Some(16), Some(1)][usize::from(choice / 6) % 4] {
        template.push(attribute(CKA_VALUE_LEN, len));
    }
    template
}

/// Attributes that would open a key.
fn change(choice: u8, value: u8) -> Vec<Attribute> {
    let number = [
        CKA_SENSITIVE,
        CKA_EXTRACTABLE,
        CKA_WRAP_WITH_TRUSTED,
        CKA_TRUSTED,
        CKA_WRAP,
        CKA_UNWRAP,
        CKA_ENCRYPT,
        CKA_DECRYPT,
        CKA_DERIVE,
        CKA_PRIVATE,
        CKA_TOKEN,
        CKA_MODIFIABLE,
        CKA_COPYABLE,
    ];
    let one = attribute(number[usize::from(choice) % number.len()], value.is_multiple_of(2));
    match value % 5 {
        0 => vec![one, attribute(CKA_ALLOWED_MECHANISMS, &[CKM_EXTRACT_KEY_FROM_KEY, CKM_XOR_BASE_AND_DATA][..])],
        1 => vec![one, attribute(CKA_KEY_TYPE, CKK_GENERIC_SECRET)],
        2 => vec![one, attribute(CKA_CLASS, CKO_DATA)],
        _ => vec![one],
    }
}

fn generated(choice: u8) -> Vec<Attribute> {
    let uses = if choice.is_multiple_of(2) { WRAP } else { CIPHER };
    let mut template = vec![attribute(CKA_VALUE_LEN, 32u64), attribute(CKA_SENSITIVE, false)];
    template.push(attribute(CKA_EXTRACTABLE, true));
    template.extend(uses.iter().map(|number| attribute(*number, true)));
    template
}

fn sequences() -> impl Strategy<Value = Vec<Step>> {
    vec(any::<Step>(), 1..60)
}

fn nothing_leaves(guard: Guard) {
    if !stage::is_ours() {
        return;
    }
    let host = Host::new();
    let mut runner = TestRunner::new(Config { cases: 128, failure_persistence: None, ..Config::default() });
    runner
        .run(&sequences(), |steps| {
            prop_assert_eq!(host.run(guard, &steps), None, "a piece of a key came out");
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_piece_of_a_key_that_is_kept_comes_out() {
    nothing_leaves(Guard::Kept);
}

#[test]
fn no_piece_of_a_key_that_is_not_extractable_comes_out() {
    nothing_leaves(Guard::NotExtractable);
}

#[test]
fn no_piece_of_a_key_for_trusted_wrapping_comes_out() {
    nothing_leaves(Guard::ForTrusted);
}

/// The search finds what it looks for: the same sequences, with keys that may leave.
fn share_found(host: &Host, guard: Guard) -> usize {
    let mut runner = TestRunner::deterministic();
    let sequence = |runner: &mut TestRunner| sequences().new_tree(runner).unwrap().current();
    (0..30).filter(|_| host.run(guard, &sequence(&mut runner)).is_some()).count()
}

#[test]
fn a_key_that_is_shown_is_found_in_the_output() {
    assert_eq!(share_found(&Host::new(), Guard::Shown), 30);
}

#[test]
fn a_sensitive_key_is_found_when_it_is_wrapped_and_decrypted() {
    let host = Host::new();
    // The canary AES key, wrapped by the known AES key with CBC, and decrypted by its twin.
    let [canary, wrapping, decrypting] = [0, 5, 6];
    let steps = [[0, canary, 0, wrapping, 0], [9, decrypting, 0, 0, 0]];
    assert_eq!(host.run(Guard::Wrappable, &steps), Some("C_Decrypt".to_owned()));
    assert_eq!(host.run(Guard::Kept, &steps), None);
    assert!(share_found(&host, Guard::Wrappable) > 0);
}
