//! Keys that sign.
//!
//! From: `responder`, with the octets of a ResponseData.  To: a [`Signer`], at once when it is fast (`signing_turns` says
//! when that is), on the threads of `signing_pool` when it is slow or may block.

use ocspry_wire::x509::SignatureAlgorithm;

use crate::Excess;

/// A private key that signs.
///
/// Callers may use it from any thread, several at once.  It may block if [`Signer::speed`] says so; it does not retry.
pub trait Signer: Send + Sync {
    /// The algorithm of its signatures unless another is asked for.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// Can it make signatures of this algorithm?
    fn signs_with(&self, algorithm: SignatureAlgorithm) -> bool {
        algorithm == self.algorithm()
    }

    /// The public key that belongs to it, as DER SubjectPublicKeyInfo.
    fn public_key_info(&self) -> &[u8];

    /// Where it may be called.
    fn speed(&self) -> SigningSpeed;

    /// Signs `message` (not a digest of it) with one of its algorithms, and appends the signature's octets (ECDSA: the
    /// DER form) to `signature`.
    ///
    /// # Errors
    /// The key or its device failed, or cannot sign so; nothing is known about the certificate because of it.
    fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &mut Vec<u8>,
    ) -> Result<(), SignError>;
}

/// How long a signature takes, by kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningSpeed {
    /// Tens of microseconds: signed on the worker that holds the request.
    Inline,
    /// Longer, or blocking: signed on the pool's threads.
    Queued,
}

/// Why a key did not sign.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SignError {
    /// The key or its device failed.
    #[error("the key failed to sign: {0}")]
    Failed(String),
    /// More was asked for than can be signed.
    #[error("more was asked for than can be signed")]
    Excess(Excess),
}

/// What is said when a job ended without a word: its key's code panicked.
pub(crate) fn gave_up() -> SignError {
    SignError::Failed("the key's code panicked".to_owned())
}
