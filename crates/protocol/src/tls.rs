//! TLS 1.3 in which both sides prove an Ed25519 key, and nothing else counts: no names, no dates, no issuers.
//!
//! Sessions are never resumed: every connection proves both keys anew, so a key that was revoked has no session to come back with.

mod certificate;
mod verify;

pub use verify::{WrongKey, wrong_key};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ServerConfig};
use std::sync::Arc;
use verify::{AnyClient, PinnedVault};
use vow_base::Fingerprint;
use vow_base::sign::{PublicKey, SigningKey};

/// What is spoken inside TLS.
const ALPN: &[u8] = b"http/1.1";

/// Why no TLS can be spoken with a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate can be made around the key.
    #[error("no certificate can be made around the key: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The library refuses the key or the settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// TLS of a client that talks to the vault with this fingerprint only, and shows `key` when there is one.
pub fn client_config(pin: Fingerprint, key: Option<&SigningKey>) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = provider();
    let verifier = Arc::new(PinnedVault::new(pin, &provider));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match key {
        Some(key) => {
            let (chain, key) = certificate::chain_and_key(key)?;
            builder.with_client_auth_cert(chain, key)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    config.enable_early_data = false;
    Ok(Arc::new(config))
}

/// TLS of a vault with this key. A client may show a key or none; [`peer_key`] says which.
pub fn server_config(key: &SigningKey) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = provider();
    let verifier = Arc::new(AnyClient::new(&provider));
    let (chain, key) = certificate::chain_and_key(key)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// The key that the other side proved in the handshake: of `peer_certificates()` of a connection whose handshake is done.
pub fn peer_key(certificates: Option<&[CertificateDer<'_>]>) -> Option<PublicKey> {
    certificate::ed25519_key(certificates?.first()?)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests;
