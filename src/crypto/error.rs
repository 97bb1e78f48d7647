//! Why the cryptography refused.

/// A reason. None of them carries key material or tells more about a padding than the operation's own rules allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The bytes are no key of the kind, or the key is not sound (a point off its curve, primes that don't match).
    #[error("the key is damaged or of another kind: {0}")]
    KeyInvalid(&'static str),
    /// A size or kind that is not supported, e.g. an RSA key under 2048 bits.
    #[error("this key size or kind is not supported: {0}")]
    KeyUnsupported(&'static str),
    /// The scheme doesn't fit the key.
    #[error("this algorithm doesn't fit the key")]
    SchemeMismatch,
    /// The scheme's parameters are not possible, e.g. a PSS salt longer than the key allows.
    #[error("the algorithm's parameters are not possible with this key")]
    ParametersInvalid,
    /// The input is too long or too short for the scheme.
    #[error("the input has a length that the algorithm doesn't take")]
    InputLength,
    /// The output buffer is too short.
    #[error("the output buffer is too short")]
    OutputLength,
    /// The signature has another length than the key's.
    #[error("the signature has a wrong length")]
    SignatureLength,
    /// The signature is not one of this key over this input.
    #[error("the signature doesn't match")]
    SignatureInvalid,
    /// The ciphertext wasn't made with this key and these parameters, or was changed since. Says nothing more.
    #[error("the ciphertext is damaged, or made with another key or other parameters")]
    CiphertextInvalid,
    /// More bytes than the algorithm, or this implementation, takes in one operation.
    #[error("the message is too long")]
    TooLong,
    /// Every IV that the caller left room for was used under this key.
    #[error("every IV of this form was used: begin anew, with another fixed part or another key")]
    IvsUsedUp,
    /// What the input asks for can't be had.
    #[error("there is not enough memory")]
    NoMemory,
    /// AWS-LC failed where it shouldn't.
    #[error("internal failure in {0}")]
    Internal(&'static str),
}
