//! The certificates above one: kept in order with each version, and once in the vault for programs to find.

use base64ct::{Base64, Encoding};

use crate::certificate::Certificate;
use crate::server::error::Result;
use crate::vault::{Change, Content, Draft, Image, Naming};

/// Longest certificate of a chain, in bytes.
pub const MAX_CERTIFICATE: usize = 64 * 1024;

/// Keeps the chain with a version.
pub fn note(content: &mut Content, chain: &[Certificate]) {
    let parts: Vec<_> = chain.iter().map(|above| (text(above), Base64::encode_string(above.der()))).collect();
    content.set_chain(&parts);
}

/// The chain that a version keeps, in DER.
pub fn of(content: &Content) -> Vec<Vec<u8>> {
    content.chain().filter_map(|(_, value)| Base64::decode_vec(value).ok()).collect()
}

/// What of a chain the vault doesn't hold yet.
pub fn missing(image: &Image, chain: &[Certificate]) -> Result<Vec<Change>> {
    let is_absent = |above: &&Certificate| {
        let id = above.key_id();
        let mut alike = image.with_id(&id);
        !alike.any(|object| object.content.value.as_deref() == Some(above.der()))
    };
    chain.iter().filter(is_absent).map(|above| Ok(Change::Create(member(above)?))).collect()
}

fn member(above: &Certificate) -> Result<Draft> {
    let label = above.common_name().unwrap_or_default();
    let mut content = above.content(label.into_bytes(), above.key_id().to_vec()).map_err(super::refused)?;
    content.set_chain_member(&text(above));
    Ok(Draft { content, naming: Naming::None, secret: None })
}

/// By which one is told from others.
fn text(certificate: &Certificate) -> String {
    certificate.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect()
}
