//! The certificate that a side makes itself around its key, and reading the key of the other side's.

use super::TlsError;
use rcgen::{CertificateParams, DistinguishedName, DnType, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ParsedCertificate;
use vow_base::sign::{PublicKey, SigningKey};
use zeroize::Zeroizing;

/// PKCS #8 of an Ed25519 key (RFC 8410, section 7), up to the seed.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410, section 4), up to the key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A certificate that the key signs for itself, and the key as rustls takes it.
pub(super) fn chain_and_key(
    key: &SigningKey,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let pkcs8 = Zeroizing::new([&PKCS8_PREFIX[..], &key.seed()[..]].concat());
    let private = PrivatePkcs8KeyDer::from(pkcs8.to_vec());
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&private, &PKCS_ED25519)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "vow");
    let certificate = params.self_signed(&pair)?;
    Ok((vec![certificate.der().clone()], private.into()))
}

/// The Ed25519 key in a certificate; `None` when it is not one, or a key for which anybody can make signatures.
pub(super) fn ed25519_key(certificate: &CertificateDer<'_>) -> Option<PublicKey> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let info = parsed.subject_public_key_info();
    let key = PublicKey(info.strip_prefix(&SPKI_PREFIX)?.try_into().ok()?);
    key.is_sound().then_some(key)
}
