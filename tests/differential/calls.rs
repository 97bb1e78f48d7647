//! Random calls, in logical numbers of sessions and objects so that both modules are given the same, and the start objects.
//! Choices lean to what makes sense: most calls go on with what is under way, and most templates are whole.

use cryptoki_sys::*;

use crate::client::{Attribute, Mechanism, Oaep, Parameter, attribute};
use crate::random::Random;
use crate::start::{self, Kind};

/// A call.
#[derive(Debug)]
pub struct Call {
    pub session: usize,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    Object(ObjectCall),
    Key(KeyCall),
    /// Without a mechanism: NULL.
    Init(Operation, Option<Mechanism<'static>>, usize),
    Once(Operation, Bytes, Room),
    Update(Operation, Bytes, Room),
    Final(Operation, Bytes, Room),
    Other(OtherCall),
}

#[derive(Debug)]
pub enum ObjectCall {
    Create(Vec<Attribute>),
    Copy(usize, Vec<Attribute>),
    Destroy(usize),
    Size(usize),
    Get(usize, CK_ATTRIBUTE_TYPE),
    Set(usize, Vec<Attribute>),
    FindInit(Vec<Attribute>),
    Find(usize),
    FindFinal,
}

#[derive(Debug)]
pub enum KeyCall {
    Generate(Mechanism<'static>, Vec<Attribute>),
    Pair(Mechanism<'static>, Vec<Attribute>, Vec<Attribute>),
    Wrap(Mechanism<'static>, usize, usize),
    Unwrap(Mechanism<'static>, usize, Bytes, Vec<Attribute>),
    Derive(Mechanism<'static>, usize, Vec<Attribute>),
    Digest(usize),
}

#[derive(Debug)]
pub enum OtherCall {
    Info,
    Open(CK_FLAGS),
    Close,
    Login(CK_USER_TYPE, &'static [u8]),
    Random(usize),
    MechanismInfo(CK_MECHANISM_TYPE),
    TokenInfo(Option<CK_SLOT_ID>),
    Status,
    Cancel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Encrypt,
    Decrypt,
    Sign,
    Verify,
    Digest,
}

impl Operation {
    pub const COUNT: usize = 5;
    const ALL: [Self; Self::COUNT] = [Self::Encrypt, Self::Decrypt, Self::Sign, Self::Verify, Self::Digest];
}

/// An input.
#[derive(Clone, Copy, Debug)]
pub enum Bytes {
    Filled(usize),
    /// What the opposite operation gave.
    Result,
}

/// Where an output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Enough,
    TooSmall,
    /// NULL instead of a buffer.
    Question,
    /// NULL instead of its length.
    Nowhere,
}

impl Room {
    pub fn len(self) -> usize {
        if self == Self::TooSmall { 1 } else { 8192 }
    }
}

const LENGTHS: [usize; 14] = [0, 1, 15, 16, 17, 20, 31, 32, 48, 64, 100, 245, 256, 1000];
const IV: [u8; 16] = [7; 16];
const OAEP: Oaep<'static> = Oaep { hash: CKM_SHA_1, mgf: CKG_MGF1_SHA1, label: &[] };

fn with(number: CK_MECHANISM_TYPE, parameter: Parameter<'static>) -> Mechanism<'static> {
    Mechanism { number, parameter }
}

/// Mechanisms that both modules have, for the operation, with the kind of key that each needs.
fn mechanisms(operation: Operation) -> Vec<(Mechanism<'static>, Kind)> {
    let plain = |numbers: &[CK_MECHANISM_TYPE], kind| -> Vec<(Mechanism<'static>, Kind)> {
        numbers.iter().map(|number| ((*number).into(), kind)).collect()
    };
    let pss = |hash, mgf, salt_len| Parameter::Pss { hash, mgf, salt_len };
    match operation {
        Operation::Encrypt | Operation::Decrypt => vec![
            (CKM_AES_ECB.into(), Kind::Aes),
            (with(CKM_AES_CBC, Parameter::Bytes(&IV)), Kind::Aes),
            (with(CKM_AES_CBC_PAD, Parameter::Bytes(&IV)), Kind::Aes),
            (with(CKM_AES_CTR, Parameter::Ctr { bits: 128, block: IV }), Kind::Aes),
            (with(CKM_AES_GCM, Parameter::Gcm { iv: &[7; 12], aad: b"aad", tag_bits: 128 }), Kind::Aes),
            (CKM_RSA_PKCS.into(), Kind::Rsa),
            (with(CKM_RSA_PKCS_OAEP, Parameter::Oaep(OAEP)), Kind::Rsa),
            (CKM_RSA_X_509.into(), Kind::Rsa),
        ],
        Operation::Sign | Operation::Verify => {
            let rsa = [CKM_RSA_PKCS, CKM_RSA_X_509, CKM_SHA1_RSA_PKCS, CKM_SHA256_RSA_PKCS, CKM_SHA512_RSA_PKCS];
            let mac = [CKM_SHA_1_HMAC, CKM_SHA224_HMAC, CKM_SHA256_HMAC, CKM_SHA384_HMAC, CKM_SHA512_HMAC];
            let mut all = [plain(&rsa, Kind::Rsa), plain(&mac, Kind::Generic)].concat();
            all.push((CKM_ECDSA.into(), Kind::Ec));
            all.push((CKM_AES_CMAC.into(), Kind::Aes));
            all.push((with(CKM_RSA_PKCS_PSS, pss(CKM_SHA256, CKG_MGF1_SHA256, 32)), Kind::Rsa));
            all.push((with(CKM_SHA256_RSA_PKCS_PSS, pss(CKM_SHA256, CKG_MGF1_SHA256, 20)), Kind::Rsa));
            all
        }
        Operation::Digest => plain(&[CKM_SHA_1, CKM_SHA224, CKM_SHA256, CKM_SHA384, CKM_SHA512], Kind::Data),
    }
}

const WRAPPING: [(CK_MECHANISM_TYPE, Kind); 3] =
    [(CKM_AES_KEY_WRAP, Kind::Wrapping), (CKM_AES_KEY_WRAP_PAD, Kind::Wrapping), (CKM_RSA_PKCS, Kind::Rsa)];

/// What is drawn from, and what is known of the state: the operation that both have under way in each session.
pub struct Calls {
    pub random: Random,
    pub active: [Option<Active>; 3],
    /// The mechanism of the operation that was begun last in each session.
    pub begun: [CK_MECHANISM_TYPE; 3],
    pub objects: Vec<Kind>,
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Active {
    Find,
    Operation(Operation),
}

impl Calls {
    pub fn next(&mut self) -> Call {
        loop {
            let call = self.draw();
            if !self.ends_softhsm(&call) {
                return call;
            }
        }
    }

    /// Calls that SoftHSM 2.6.1 doesn't survive: it is not asked.
    fn ends_softhsm(&self, call: &Call) -> bool {
        let begun = self.begun.get(call.session).copied().unwrap_or_default();
        match call.what {
            // Raw RSA with more bytes than the modulus has: exit(5).
            What::Once(_, Bytes::Filled(len), _) => begun == CKM_RSA_X_509 && len > 256,
            _ => false,
        }
    }

    fn draw(&mut self) -> Call {
        let session = if self.random.one_in(50) { 9 } else { self.random.below(3) };
        let active = self.active.get(session).copied().flatten();
        let what = match active {
            Some(Active::Operation(operation)) if !self.random.one_in(4) => self.go_on(operation),
            Some(Active::Find) if !self.random.one_in(4) => {
                let room = self.random.below(4);
                What::Object(if room == 3 { ObjectCall::FindFinal } else { ObjectCall::Find(room) })
            }
            _ => match self.random.below(100) {
                0..=44 => self.init(),
                45..=54 => {
                    let operation = self.random.choose(&Operation::ALL);
                    self.go_on(operation)
                }
                55..=79 => What::Object(self.object_call()),
                80..=89 => What::Key(self.key_call()),
                _ => What::Other(self.other_call()),
            },
        };
        Call { session, what }
    }

    /// A key of this kind mostly, private or secret if that is asked for.
    fn object(&mut self, kind: Kind, private: bool) -> usize {
        if self.random.one_in(12) {
            return self.random.below(self.objects.len() + 1);
        }
        let fitting: Vec<_> = (0..self.objects.len()).filter(|at| self.objects[*at] == kind.half(private)).collect();
        if fitting.is_empty() { 999 } else { self.random.choose(&fitting) }
    }

    fn any_object(&mut self) -> usize {
        self.random.below(self.objects.len() + 1)
    }

    fn init(&mut self) -> What {
        let operation = self.random.choose(&Operation::ALL);
        let private = matches!(operation, Operation::Decrypt | Operation::Sign);
        if self.random.one_in(40) {
            let other = self.random.choose(&Operation::ALL);
            let (mechanism, _) = self.random.choose(&mechanisms(other));
            let key = self.any_object();
            return What::Init(operation, Some(mechanism), key);
        }
        let (mut mechanism, kind) = self.random.choose(&mechanisms(operation));
        match self.random.below(60) {
            0 => mechanism.number = 0xFFFF,
            1 if !matches!(mechanism.parameter, Parameter::None) => mechanism.parameter = Parameter::None,
            2 if matches!(mechanism.parameter, Parameter::Bytes(_)) => mechanism.parameter = Parameter::Bytes(&IV[..8]),
            3 => {
                let key = self.object(kind, private);
                return What::Init(operation, None, key);
            }
            _ => {}
        }
        What::Init(operation, Some(mechanism), self.object(kind, private))
    }

    fn go_on(&mut self, operation: Operation) -> What {
        let input = match operation {
            Operation::Decrypt if !self.random.one_in(3) => Bytes::Result,
            Operation::Verify if !self.random.one_in(3) => Bytes::Result,
            _ => Bytes::Filled(self.random.choose(&LENGTHS)),
        };
        let room = match self.random.below(20) {
            0 | 1 => Room::TooSmall,
            2 | 3 => Room::Question,
            4 => Room::Nowhere,
            _ => Room::Enough,
        };
        match self.random.below(5) {
            0 | 1 => What::Once(operation, input, room),
            2 | 3 => What::Update(operation, input, room),
            _ => What::Final(operation, input, room),
        }
    }

    fn object_call(&mut self) -> ObjectCall {
        match self.random.below(9) {
            0 => ObjectCall::Create(self.template(&start::templates())),
            1 => ObjectCall::Copy(self.any_object(), self.change()),
            // Start objects stay; what calls made goes.
            2 => ObjectCall::Destroy(start::COUNT + self.random.below(12)),
            3 => ObjectCall::Size(self.any_object()),
            4 | 5 => ObjectCall::Get(self.any_object(), self.random.choose(start::ATTRIBUTES).0),
            6 => ObjectCall::Set(start::COUNT + self.random.below(12), self.change()),
            7 => ObjectCall::FindInit(self.change()),
            _ => match self.random.below(4) {
                3 => ObjectCall::FindFinal,
                room => ObjectCall::Find(room),
            },
        }
    }

    /// One of these templates, seldom changed.
    fn template(&mut self, choices: &[Vec<Attribute>]) -> Vec<Attribute> {
        let mut template = self.random.choose(choices);
        match self.random.below(6) {
            0 => {
                let place = self.random.below(template.len());
                template.remove(place);
            }
            1 => template.extend(self.change()),
            _ => {}
        }
        template
    }

    /// An attribute, or none.
    fn change(&mut self) -> Vec<Attribute> {
        if self.random.one_in(6) {
            return Vec::new();
        }
        let (number, values) = self.random.choose(start::ATTRIBUTES);
        let value = self.random.choose(values);
        vec![(number, value.to_vec())]
    }

    fn key_call(&mut self) -> KeyCall {
        let secret = |len: CK_ULONG| vec![attribute(CKA_VALUE_LEN, len)];
        match self.random.below(8) {
            0 => KeyCall::Generate(CKM_AES_KEY_GEN.into(), self.key_template(&[secret(16), secret(32), secret(17)])),
            1 => KeyCall::Generate(CKM_GENERIC_SECRET_KEY_GEN.into(), self.key_template(&[secret(32), secret(20)])),
            2 => {
                let public = self.template(&[vec![attribute(CKA_EC_PARAMS, start::P256), attribute(CKA_TOKEN, false)]]);
                KeyCall::Pair(CKM_EC_KEY_PAIR_GEN.into(), public, start::private_uses(false))
            }
            3 | 4 => {
                let (mechanism, kind) = self.random.choose(&WRAPPING);
                let wrapped = self.random.choose(&[Kind::Generic, Kind::Aes]);
                let (wrapping, wrapped) = (self.object(kind, false), self.object(wrapped, true));
                KeyCall::Wrap(mechanism.into(), wrapping, wrapped)
            }
            5 => {
                let (mechanism, kind) = self.random.choose(&WRAPPING);
                let input = if self.random.one_in(3) { Bytes::Filled(40) } else { Bytes::Result };
                let unwrapping = self.object(kind, true);
                KeyCall::Unwrap(mechanism.into(), unwrapping, input, self.template(&start::unwrapped()))
            }
            6 => {
                let public = start::PEER;
                let ecdh = with(CKM_ECDH1_DERIVE, Parameter::Ecdh { kdf: CKD_NULL, shared: &[], public });
                let base = self.object(Kind::Ec, true);
                KeyCall::Derive(ecdh, base, self.template(&start::derived()))
            }
            _ => KeyCall::Digest(self.any_object()),
        }
    }

    /// A template of a secret key that is to be generated, with its uses written out.
    fn key_template(&mut self, choices: &[Vec<Attribute>]) -> Vec<Attribute> {
        let whole: Vec<_> = choices.iter().map(|lens| [lens.clone(), start::secret_uses()].concat()).collect();
        self.template(&whole)
    }

    fn other_call(&mut self) -> OtherCall {
        match self.random.below(9) {
            0 => OtherCall::Info,
            1 => OtherCall::Open(self.random.choose(&[CKF_SERIAL_SESSION, CKF_RW_SESSION | CKF_SERIAL_SESSION, 0])),
            2 => OtherCall::Close,
            3 => {
                OtherCall::Login(self.random.choose(&[CKU_USER, CKU_SO, CKU_CONTEXT_SPECIFIC, 77]), crate::client::PIN)
            }
            4 => OtherCall::Random(self.random.choose(&LENGTHS)),
            5 => OtherCall::MechanismInfo(self.random.choose(&[CKM_AES_CBC, CKM_ECDSA, CKM_SHA256, 0xFFFF])),
            6 => OtherCall::TokenInfo(self.random.choose(&[None, Some(0x7777_7777)])),
            7 => OtherCall::Status,
            _ => OtherCall::Cancel,
        }
    }
}
