//! A key whose signatures are counted and timed.  From: `credential_files`, `managed_responder`, around each key that is put in
//! use.  To: the issuer's counts.  The monotonic clock is read here, at the edge: core has none.

use std::sync::Arc;
use std::time::Instant;

use ocspry_core::{IssuerCounts, SignError, Signer, SigningSpeed};
use ocspry_wire::x509::SignatureAlgorithm;

/// Signs as the key does.
pub(crate) struct MeteredSigner<S> {
    signer: S,
    counts: Arc<IssuerCounts>,
}

impl<S: Signer> MeteredSigner<S> {
    /// Counts into `counts`.
    pub(crate) fn new(signer: S, counts: &Arc<IssuerCounts>) -> MeteredSigner<S> {
        MeteredSigner {
            signer,
            counts: Arc::clone(counts),
        }
    }
}

impl<S: Signer> Signer for MeteredSigner<S> {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.signer.algorithm()
    }

    fn signs_with(&self, algorithm: SignatureAlgorithm) -> bool {
        self.signer.signs_with(algorithm)
    }

    fn public_key_info(&self) -> &[u8] {
        self.signer.public_key_info()
    }

    fn speed(&self) -> SigningSpeed {
        self.signer.speed()
    }

    fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        let started = Instant::now();
        let result = self.signer.sign(algorithm, message, signature);
        let elapsed = started.elapsed();
        self.counts.signed(algorithm, result.is_ok(), elapsed);
        result
    }
}
