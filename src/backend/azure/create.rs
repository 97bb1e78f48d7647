//! Making and importing keys and secrets there.
//!
//! A name that is taken would get another version at the service, which is never what `C_GenerateKeyPair` means: the name is
//! asked for first, and one that isn't free gives way to a derived one. A key comes with both halves, so that a public key
//! alone is one that is there already, or none.

use std::sync::Arc;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use super::AzureVault;
use super::attributes::{self, Half, LOCAL_TAG};
use super::listing::Noted;
use super::objects::{self, AES_LEN_TAG, Shape, curve_name};
use super::refusal::is_missing;
use super::session::{Repeat, Reply};
use super::wire::{CreateParameters, Item, KeyBundle, Tags, WantedAttributes, invalid, is_of, read};
use crate::crypto::{self, PrivateKey, PrivateParts, PublicKey};
use crate::vault::{
    Ability, Class, Collection, Content, Draft, KeyAlgorithm, Name, Naming, Object, Result, Usage, Vault, VaultError,
};

/// The content type of a secret whose value is bytes, in base64.
pub const OCTETS: &str = "application/octet-stream";

impl AzureVault {
    /// One draft after the other: the service has no transactions.
    pub(super) fn create_all(&self, drafts: Vec<Draft>) -> Result<Vec<Arc<Object>>> {
        if let [private, public] = &drafts[..]
            && private.content.class == Class::PrivateKey
            && public.content.class == Class::PublicKey
            && public_of(&private.content) == public_of(&public.content)
        {
            return self.import_pair(private, &public.content).map(Vec::from);
        }
        drafts.iter().map(|draft| self.create_one(draft)).collect()
    }

    fn create_one(&self, draft: &Draft) -> Result<Arc<Object>> {
        match draft.content.class {
            Class::PrivateKey => {
                let public = self.usual_public(draft)?;
                self.import_pair(draft, &public).map(|[private, _]| private)
            }
            Class::SecretKey => self.import_secret_key(draft),
            Class::PublicKey => self.existing_public(&draft.content),
            Class::Data if self.service.hsm => Err(VaultError::Unsupported("secrets, which a Managed HSM has none of")),
            Class::Data if draft.content.private && self.config.secrets => self.set_secret(draft),
            Class::Data => {
                Err(VaultError::Unsupported("data that isn't a secret, or secrets without `secrets = true`"))
            }
            Class::Certificate => {
                Err(VaultError::Unsupported("a certificate without its key: Key Vault imports both together"))
            }
            Class::Service | Class::CertificateRequest | Class::Other(_) => {
                Err(VaultError::Unsupported("an object of a kind that Key Vault doesn't have"))
            }
        }
    }

    /// `POST /keys/NAME/create`.
    pub(super) fn make_pair(
        &self,
        algorithm: KeyAlgorithm,
        private: &Draft,
        public: &Draft,
    ) -> Result<[Arc<Object>; 2]> {
        let halves = [(&private.content, Half::Private), (&public.content, Half::Public)];
        let (key_size, crv) = match algorithm {
            KeyAlgorithm::Rsa { bits } if self.offers_making(algorithm) => (Some(bits), None),
            KeyAlgorithm::Ec(curve) => (None, Some(curve_name(curve))),
            _ => return Err(VaultError::Unsupported("a key pair of this kind or size")),
        };
        let bundle = self.make(self.kty(algorithm), (key_size, crv), &private.naming, &halves, Tags::new())?;
        pair(self.adopt(Collection::Keys, objects::of_key(&bundle))?)
    }

    /// The same for an AES key.
    pub(super) fn make_secret(&self, algorithm: KeyAlgorithm, draft: &Draft) -> Result<Arc<Object>> {
        let KeyAlgorithm::Aes { bits } = algorithm else {
            return Err(VaultError::Unsupported("a secret key that isn't AES"));
        };
        let halves = [(&draft.content, Half::Private)];
        let tags = Tags::from([(AES_LEN_TAG.to_owned(), (bits / 8).to_string())]);
        let bundle = self.make(self.kty(algorithm), (Some(bits), None), &draft.naming, &halves, tags)?;
        first(self.adopt(Collection::Keys, objects::of_key(&bundle))?)
    }

    fn make(
        &self,
        kty: &'static str,
        (key_size, crv): (Option<u32>, Option<&'static str>),
        naming: &Naming,
        halves: &[(&Content, Half)],
        extra: Tags,
    ) -> Result<KeyBundle> {
        let key_ops = operations(halves)?;
        let attributes = wanted(halves[0].0);
        let mut extra = extra;
        extra.insert(LOCAL_TAG.0.to_owned(), LOCAL_TAG.1.to_owned());
        self.named(Collection::Keys, naming, halves[0].0, |name| {
            let tags = tags(name, halves, &extra)?;
            let (key_ops, attributes, tags) = (&key_ops[..], attributes.given(), given(&tags));
            let body = CreateParameters { kty, key_size, key_ops, attributes, tags, crv };
            let body = serde_json::to_vec(&body).map_err(|_| VaultError::Unsupported("a request that isn't JSON"))?;
            let reply = self.session.call("POST", &format!("/keys/{name}/create"), Some(&body), Repeat::Never)?;
            self.key_called(name, &reply)
        })
    }

    fn import_pair(&self, draft: &Draft, public: &Content) -> Result<[Arc<Object>; 2]> {
        let secret = draft.secret.as_ref().ok_or(VaultError::NotFound)?;
        let parts = PrivateKey::parts_from_pkcs8(secret.expose())?;
        let halves = [(&draft.content, Half::Private), (public, Half::Public)];
        let spki = PublicKey::from_spki(public_of(&draft.content).ok_or(VaultError::NotFound)?)?;
        let kty = self.kty(spki.algorithm());
        let bundle = self.import(&draft.naming, &halves, Tags::new(), |body| {
            body.text("kty", kty);
            match &parts {
                PrivateParts::Rsa { modulus, public_exponent, private_exponent, primes } => {
                    body.bytes("n", modulus);
                    body.bytes("e", public_exponent);
                    body.bytes("d", private_exponent.expose());
                    let primes = primes.iter().flatten();
                    ["p", "q", "dp", "dq", "qi"]
                        .iter()
                        .zip(primes)
                        .for_each(|(name, part)| body.bytes(name, part.expose()));
                    Ok(())
                }
                PrivateParts::Ec(curve, scalar) => {
                    let (x, y) = spki.value()[1..].split_at(curve.field_len());
                    body.text("crv", curve_name(*curve));
                    body.bytes("x", x);
                    body.bytes("y", y);
                    body.bytes("d", scalar.expose());
                    Ok(())
                }
                PrivateParts::Ed25519(_) | PrivateParts::X25519(_) => {
                    Err(VaultError::Unsupported("a key on another curve than P-256, P-384, P-521 and secp256k1"))
                }
            }
        })?;
        let is_the_same = |object: &Object| public_of(&object.content) == Some(spki.spki());
        let shape = objects::of_key(&bundle).filter(|shape| shape.objects.iter().all(is_the_same));
        pair(self.adopt(Collection::Keys, shape)?)
    }

    fn import_secret_key(&self, draft: &Draft) -> Result<Arc<Object>> {
        let algorithm = draft.content.key.as_ref().map(|key| key.algorithm);
        let (Some(KeyAlgorithm::Aes { bits }), Some(value)) = (algorithm, &draft.secret) else {
            return Err(VaultError::Unsupported("a secret key that isn't AES"));
        };
        if !self.offers_making(KeyAlgorithm::Aes { bits }) {
            return Err(VaultError::Unsupported("AES keys, which only Managed HSM and a server of ours have"));
        }
        let halves = [(&draft.content, Half::Private)];
        let tags = Tags::from([(AES_LEN_TAG.to_owned(), (bits / 8).to_string())]);
        let bundle = self.import(&draft.naming, &halves, tags, |body| {
            body.text("kty", self.kty(KeyAlgorithm::Aes { bits }));
            body.bytes("k", value.expose());
            Ok(())
        })?;
        first(self.adopt(Collection::Keys, objects::of_key(&bundle))?)
    }

    /// `PUT /keys/NAME`.
    fn import(
        &self,
        naming: &Naming,
        halves: &[(&Content, Half)],
        extra: Tags,
        material: impl Fn(&mut Body) -> Result<()>,
    ) -> Result<KeyBundle> {
        let key_ops = operations(halves)?;
        let attributes = wanted(halves[0].0);
        self.named(Collection::Keys, naming, halves[0].0, |name| {
            let tags = tags(name, halves, &extra)?;
            let mut body = Body::new();
            body.open("key");
            material(&mut body)?;
            body.json("key_ops", &key_ops)?;
            body.close();
            body.given("attributes", attributes.given())?;
            body.given("tags", given(&tags))?;
            if self.service.hsm {
                body.json("Hsm", &true)?;
            }
            let body = body.finish();
            let reply = self.session.call("PUT", &format!("/keys/{name}"), Some(&body), Repeat::Never)?;
            self.key_called(name, &reply)
        })
    }

    /// `PUT /secrets/NAME`.
    fn set_secret(&self, draft: &Draft) -> Result<Arc<Object>> {
        let value = draft.secret.as_ref().ok_or(VaultError::NotFound)?;
        let shape = self.named(Collection::Secrets, &draft.naming, &draft.content, |name| {
            let mut body = Body::new();
            body.base64("value", value.expose());
            body.text("contentType", OCTETS);
            body.given("tags", given(&tags(name, &[(&draft.content, Half::Private)], &Tags::new())?))?;
            let body = body.finish();
            let reply = self.session.call("PUT", &format!("/secrets/{name}"), Some(&body), Repeat::Never)?;
            let item: Item = read(&self.location, &reply.body)?;
            self.expect_called(Collection::Secrets, name, item.id())?;
            Ok(objects::of_secret(&item))
        })?;
        first(self.adopt(Collection::Secrets, shape)?)
    }

    /// The key that was made, if it has the name that it was to have.
    fn key_called(&self, name: &Name, reply: &Reply) -> Result<KeyBundle> {
        let bundle: KeyBundle = read(&self.location, &reply.body)?;
        self.expect_called(Collection::Keys, name, &bundle.key.kid)?;
        Ok(bundle)
    }

    fn expect_called(&self, collection: Collection, name: &Name, id: &str) -> Result<()> {
        match is_of(id, collection.segment(), name.as_str(), None) {
            true => Ok(()),
            false => Err(invalid(&self.location, format!("it made something else than {name}"))),
        }
    }

    /// A public key that is to be written where its key pair is already, as clients do that write both halves.
    fn existing_public(&self, content: &Content) -> Result<Arc<Object>> {
        let wanted = public_of(content);
        let image = self.image();
        let mut same = image.with_class(Class::PublicKey).filter(|object| public_of(&object.content) == wanted);
        let alone = VaultError::Unsupported("a public key alone: Key Vault has it with its private key only");
        same.next().cloned().ok_or(alone)
    }

    /// What the public half is like when only the private one was given.
    fn usual_public(&self, draft: &Draft) -> Result<Content> {
        let private = &draft.content;
        let both = [(Usage::SIGN, Usage::VERIFY), (Usage::DECRYPT, Usage::ENCRYPT), (Usage::UNWRAP, Usage::WRAP)];
        let usage = both.iter().filter(|(half, _)| private.usage.contains(*half)).map(|(_, other)| *other).collect();
        let (label, id, key) = (private.label.clone(), private.id.clone(), private.key.clone());
        Ok(Content { label, id, key, usage, ..Content::new(Class::PublicKey) })
    }

    /// Runs `make` with a name that is free. One that something deleted still holds gives way as one does that is taken.
    fn named<T>(
        &self,
        collection: Collection,
        naming: &Naming,
        content: &Content,
        make: impl Fn(&Name) -> Result<T>,
    ) -> Result<T> {
        let by_label = || std::str::from_utf8(&content.label).ok().and_then(|label| Name::new(label).ok());
        match naming {
            Naming::FromLabel | Naming::None => {
                if let Some(name) = by_label()
                    && self.is_surely_free(collection, &name)?
                {
                    match make(&name) {
                        Err(error) if is_taken(&error) => {}
                        made => return made,
                    }
                }
                let mut unique = [0; 16];
                crypto::random(&mut unique)?;
                make(&Name::derived(&content.label, &unique))
            }
            Naming::New(name) if !self.is_free(collection, name)? => Err(VaultError::NameTaken(name.to_string())),
            Naming::New(name) => make(name),
            _ => Err(VaultError::Unsupported("a further version: rotate the key there")),
        }
    }

    fn is_free(&self, collection: Collection, name: &Name) -> Result<bool> {
        // The slash is the SDKs': the current version is the one with no name.
        match self.session.call("GET", &format!("/{}/{name}/", collection.segment()), None, Repeat::Safe) {
            Ok(_) => Ok(false),
            Err(error) if is_missing(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The same of a name that another one may stand for. Who may make keys need not be one who may read them: then nobody
    /// knows, and what is taken would get another version.
    fn is_surely_free(&self, collection: Collection, name: &Name) -> Result<bool> {
        match self.is_free(collection, name) {
            Err(VaultError::NotPermitted { .. }) => Ok(false),
            known => known,
        }
    }

    /// Makes what was just made known here, and gives it back.
    fn adopt(&self, collection: Collection, shape: Option<Shape>) -> Result<Vec<Arc<Object>>> {
        let shape = shape.ok_or_else(|| invalid(&self.location, "what it made isn't what was asked for"))?;
        let made: Vec<_> = shape.objects.iter().cloned().map(Arc::new).collect();
        self.note(Noted::Version(collection, shape));
        Ok(made)
    }

    fn offers_making(&self, algorithm: KeyAlgorithm) -> bool {
        self.service.offers(&Ability::Generate(algorithm))
    }

    fn kty(&self, algorithm: KeyAlgorithm) -> &'static str {
        match (algorithm, self.service.hsm) {
            (KeyAlgorithm::Rsa { .. }, false) => "RSA",
            (KeyAlgorithm::Rsa { .. }, true) => "RSA-HSM",
            (KeyAlgorithm::Ec(_), false) => "EC",
            (KeyAlgorithm::Ec(_), true) => "EC-HSM",
            _ => "oct-HSM",
        }
    }
}

fn public_of(content: &Content) -> Option<&[u8]> {
    content.key.as_ref().map(|key| &*key.public).filter(|public| !public.is_empty())
}

fn first(objects: Vec<Arc<Object>>) -> Result<Arc<Object>> {
    objects.into_iter().next().ok_or(VaultError::NotFound)
}

fn pair(objects: Vec<Arc<Object>>) -> Result<[Arc<Object>; 2]> {
    objects.try_into().map_err(|_| VaultError::NotFound)
}

fn is_taken(error: &VaultError) -> bool {
    matches!(
        error,
        VaultError::NameTaken(_) | VaultError::NameDeleted(_) | VaultError::RefusedThere { status: 409, .. }
    )
}

/// `key_ops` of both halves. A value that may leave is more than a key there can promise.
fn operations(halves: &[(&Content, Half)]) -> Result<Vec<&'static str>> {
    if halves.iter().any(|(content, _)| content.exportable) {
        return Err(VaultError::Unsupported("a key whose value may leave (CKA_EXTRACTABLE)"));
    }
    let mut usage = halves.iter().fold(Usage::empty(), |all, (content, _)| all | content.usage);
    // What isn't said is everything, and an AES key makes no MAC there.
    if halves[0].0.class == Class::SecretKey {
        usage.remove(Usage::SIGN | Usage::VERIFY);
    }
    let key_ops = attributes::key_ops(usage);
    if key_ops.is_empty() {
        return Err(VaultError::Unsupported("a key that does nothing of what the interface has"));
    }
    Ok(key_ops)
}

fn wanted(content: &Content) -> WantedAttributes {
    let enabled = (!content.enabled).then_some(false);
    WantedAttributes { enabled, nbf: content.not_before, exp: content.expires }
}

/// What the contents say beside what follows from the name.
fn tags(name: &Name, halves: &[(&Content, Half)], extra: &Tags) -> Result<Tags> {
    let mut tags = extra.clone();
    for (content, half) in halves {
        tags.extend(content.tags.clone());
        // What isn't said is what it is without a tag; nobody knows a key's own id before it is made.
        let mut plain = Content::new(content.class);
        plain.private |= content.class == Class::Data;
        if !content.label.is_empty() {
            plain.label = name.as_str().into();
        }
        if let Some(public) = public_of(content).filter(|_| !content.id.is_empty()) {
            plain.id = PublicKey::from_spki(public)?.key_id().to_vec();
        }
        attributes::write(content, &plain, *half, &mut tags)?;
    }
    Ok(tags)
}

fn given(tags: &Tags) -> Option<&Tags> {
    Some(tags).filter(|tags| !tags.is_empty())
}

/// A JSON object that holds secret values: written into memory that is wiped, once more where it has to grow.
struct Body {
    bytes: Zeroizing<Vec<u8>>,
    first: bool,
}

/// Room for the largest key there is.
const BODY_ROOM: usize = 64 << 10;

impl Body {
    fn new() -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(BODY_ROOM));
        bytes.push(b'{');
        Self { bytes, first: true }
    }

    fn member(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.push(b",");
        }
        self.push(b"\"");
        self.push(name.as_bytes());
        self.push(b"\":");
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            let mut grown = Zeroizing::new(Vec::with_capacity(2 * (self.bytes.len() + bytes.len())));
            grown.extend_from_slice(&self.bytes);
            self.bytes = grown;
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn open(&mut self, name: &str) {
        self.member(name);
        self.push(b"{");
        self.first = true;
    }

    fn close(&mut self) {
        self.push(b"}");
        self.first = false;
    }

    fn finish(mut self) -> Zeroizing<Vec<u8>> {
        self.push(b"}");
        self.bytes
    }

    /// A word that needs no escape.
    fn text(&mut self, name: &str, text: &str) {
        self.member(name);
        self.push(b"\"");
        self.push(text.as_bytes());
        self.push(b"\"");
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        let text = Zeroizing::new(Base64UrlUnpadded::encode_string(bytes));
        self.text(name, &text);
    }

    fn base64(&mut self, name: &str, bytes: &[u8]) {
        let text = Zeroizing::new(Base64::encode_string(bytes));
        self.text(name, &text);
    }

    /// A member that is left out where there is nothing to say.
    fn given(&mut self, name: &str, value: Option<&impl serde::Serialize>) -> Result<()> {
        value.map_or(Ok(()), |value| self.json(name, value))
    }

    fn json(&mut self, name: &str, value: &impl serde::Serialize) -> Result<()> {
        let text = serde_json::to_vec(value).map_err(|_| VaultError::Unsupported("a request that isn't JSON"))?;
        self.member(name);
        self.push(&text);
        Ok(())
    }
}
