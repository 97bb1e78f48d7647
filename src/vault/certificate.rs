//! What follows from the DER of an X.509 certificate (RFC 5280 §4.1), as slices of it.

use der::{Reader, SliceReader, Tag, TagNumber};

/// Fields of a certificate, each with its DER tag and length, as `CKA_SUBJECT` and its kin hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateFields<'a> {
    /// `CKA_SERIAL_NUMBER`
    pub serial_number: &'a [u8],
    /// `CKA_ISSUER`
    pub issuer: &'a [u8],
    /// `CKA_SUBJECT`
    pub subject: &'a [u8],
    /// `CKA_PUBLIC_KEY_INFO`
    pub public_key: &'a [u8],
}

impl<'a> CertificateFields<'a> {
    /// Reads them; `None` if `der` is no certificate.
    pub fn of(der: &'a [u8]) -> Option<Self> {
        let mut reader = SliceReader::new(der).ok()?;
        let fields = reader.sequence(|certificate| -> der::Result<_> {
            let fields = certificate.sequence(Self::of_signed_part)?;
            certificate.tlv_bytes()?;
            certificate.tlv_bytes()?;
            Ok(fields)
        });
        reader.finish().ok()?;
        fields.ok()
    }

    fn of_signed_part(signed: &mut SliceReader<'a>) -> der::Result<Self> {
        let version = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
        if Tag::peek(signed)? == version {
            signed.tlv_bytes()?;
        }
        let serial_number = signed.tlv_bytes()?;
        let _signature_algorithm = signed.tlv_bytes()?;
        let issuer = signed.tlv_bytes()?;
        let _validity = signed.tlv_bytes()?;
        let subject = signed.tlv_bytes()?;
        let public_key = signed.tlv_bytes()?;
        while !signed.is_finished() {
            signed.tlv_bytes()?;
        }
        Ok(Self { serial_number, issuer, subject, public_key })
    }
}
