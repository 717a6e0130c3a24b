//! Handshakes in memory: who gets through, and what the other side then knows.

use super::certificate::chain_and_key;
use super::*;
use rustls::pki_types::ServerName;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConnection, HandshakeKind, ServerConnection};
use std::io;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn pin(seed: u8) -> Fingerprint {
    Fingerprint::of(&key(seed).public())
}

/// What the client and the server say of a handshake that failed.
type Refusals = Box<(Option<rustls::Error>, Option<rustls::Error>)>;

/// Carries bytes to and fro until both are content, or one refuses: the client's view, the server's view.
fn shake(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), Refusals> {
    let name = ServerName::try_from("vault.example.net").expect("a name");
    let mut client = ClientConnection::new(client.clone(), name).expect("a client");
    let mut server = ServerConnection::new(server.clone()).expect("a server");
    let (mut at_client, mut at_server) = (None, None);
    for _ in 0..20 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).expect("memory");
        }
        let mut wire = &wire[..];
        while !wire.is_empty() && at_server.is_none() {
            server.read_tls(&mut wire).expect("memory");
            at_server = server.process_new_packets().err();
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).expect("memory");
        }
        let mut wire = &wire[..];
        while !wire.is_empty() && at_client.is_none() {
            client.read_tls(&mut wire).expect("memory");
            at_client = client.process_new_packets().err();
        }
    }
    match (at_client, at_server) {
        (None, None) if !client.is_handshaking() && !server.is_handshaking() => Ok((client, server)),
        errors => Err(Box::new(errors)),
    }
}

#[test]
fn both_sides_know_whom_they_talk_to() {
    let server = server_config(&key(1)).expect("a vault");
    let client = client_config(pin(1), Some(&key(2))).expect("a client");
    let (client, server) = shake(&client, &server).expect("a connection");
    assert_eq!(peer_key(server.peer_certificates()), Some(key(2).public()));
    assert_eq!(peer_key(client.peer_certificates()), Some(key(1).public()));
    assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(client.alpn_protocol(), Some(ALPN));
}

#[test]
fn a_client_may_show_no_key() {
    let server = server_config(&key(1)).expect("a vault");
    let (_, server) = shake(&client_config(pin(1), None).expect("a client"), &server).expect("a connection");
    assert_eq!(peer_key(server.peer_certificates()), None);
}

#[test]
fn another_vault_is_told_by_both_fingerprints() {
    let server = server_config(&key(3)).expect("a vault");
    let client = client_config(pin(1), Some(&key(2))).expect("a client");
    let (at_client, _) = *shake(&client, &server).expect_err("another vault");
    let error = io::Error::new(io::ErrorKind::InvalidData, at_client.expect("refused by the client"));
    assert_eq!(wrong_key(&error), Some(WrongKey { found: pin(3), expected: pin(1) }));
    assert_eq!(wrong_key(&io::Error::other("something else")), None);
}

#[test]
fn every_connection_proves_both_keys_anew() {
    let server = server_config(&key(1)).expect("a vault");
    let client = client_config(pin(1), Some(&key(2))).expect("a client");
    for _ in 0..2 {
        let (client, server) = shake(&client, &server).expect("a connection");
        assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(client.tls13_tickets_received(), 0);
        assert!(server.peer_certificates().is_some());
    }
}

/// Shows a certificate of one key and signs with another.
#[derive(Debug)]
struct Thief(Arc<CertifiedKey>);

impl Thief {
    fn new(shown: &SigningKey, own: &SigningKey) -> Self {
        let (chain, _) = chain_and_key(shown).expect("a certificate");
        let (_, own) = chain_and_key(own).expect("a key");
        let own = rustls::crypto::aws_lc_rs::sign::any_supported_type(&own).expect("a key");
        Self(Arc::new(CertifiedKey::new(chain, own)))
    }
}

impl ResolvesServerCert for Thief {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

impl rustls::client::ResolvesClientCert for Thief {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[test]
fn the_certificate_of_a_vault_is_no_proof_without_its_key() {
    let mut server = ServerConfig::clone(&server_config(&key(1)).expect("a vault"));
    server.cert_resolver = Arc::new(Thief::new(&key(1), &key(9)));
    let client = client_config(pin(1), Some(&key(2))).expect("a client");
    let (at_client, _) = *shake(&client, &Arc::new(server)).expect_err("a thief");
    assert!(matches!(at_client, Some(rustls::Error::InvalidCertificate(_))), "{at_client:?}");
}

#[test]
fn the_certificate_of_a_client_is_no_proof_without_its_key() {
    let server = server_config(&key(1)).expect("a vault");
    let mut client = ClientConfig::clone(&client_config(pin(1), Some(&key(2))).expect("a client"));
    client.client_auth_cert_resolver = Arc::new(Thief::new(&key(2), &key(9)));
    let (_, at_server) = *shake(&Arc::new(client), &server).expect_err("a thief");
    assert!(matches!(at_server, Some(rustls::Error::InvalidCertificate(_))), "{at_server:?}");
}

#[test]
fn keys_of_other_kinds_are_refused_on_both_sides() {
    let pair = rcgen::KeyPair::generate().expect("a P-256 key");
    let made = rcgen::CertificateParams::default().self_signed(&pair).expect("a certificate");
    let foreign = || rustls::pki_types::PrivatePkcs8KeyDer::from(pair.serialize_der()).into();

    let client = client_config(pin(1), Some(&key(2))).expect("a client");
    let server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], foreign())
        .expect("a server");
    assert!(shake(&client, &Arc::new(server)).is_err());

    let verifier = Arc::new(PinnedVault::new(pin(1), &provider()));
    let client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(vec![made.der().clone()], foreign())
        .expect("a client");
    // No scheme in common: it shows no certificate, and is a client without a key.
    let (_, server) = shake(&Arc::new(client), &server_config(&key(1)).expect("a vault")).expect("no key");
    assert_eq!(peer_key(server.peer_certificates()), None);
    assert_eq!(peer_key(Some(&[made.der().clone()])), None);
    assert_eq!(peer_key(Some(&[CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])])), None);
}
