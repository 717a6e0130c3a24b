//! `docs/openapi.json` against the running server: schemathesis asks everything it describes, in every way it can think of.

use crate::stand::{Party, Stand, snapshot};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::{Path, PathBuf};
use std::process::Command;
use vow_base::vault::Kind;
use vow_testkit::shell::is_soak;

const DOCUMENT: &str = include_str!("../../../../../docs/openapi.json");

/// PKCS #8 of an Ed25519 key (RFC 8410, section 7), up to the seed.
const PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Files with a client's key and its certificate, as other programs take them.
fn credential(party: &Party, folder: &Path) -> (PathBuf, PathBuf) {
    let key = [&PKCS8[..], &party.key.seed()[..]].concat();
    let pair = rcgen::KeyPair::try_from(key.as_slice()).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
    let write = |name: &str, label: &str, bytes: &[u8]| {
        let path = folder.join(name);
        let lines: Vec<_> = STANDARD
            .encode(bytes)
            .into_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let text = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
        std::fs::write(&path, text).unwrap();
        path
    };
    (write("cert.pem", "CERTIFICATE", certificate.der()), write("key.pem", "PRIVATE KEY", &key))
}

/// The document, in which hosts and objects are often ones that exist: else nearly every answer would be the same 404.
fn document(host: &Party, folder: &Path) -> PathBuf {
    let own = snapshot(1, 1);
    let ids: Vec<_> = own.objects.iter().chain([&own.manifest]).map(|object| object.id.to_string()).collect();
    let mut document: serde_json::Value = serde_json::from_str(DOCUMENT).unwrap();
    let parameters = &mut document["components"]["parameters"];
    let any = serde_json::json!({"type": "string", "pattern": "^[0-9a-f]{64}$"});
    parameters["Host"]["schema"] =
        serde_json::json!({"anyOf": [{"type": "string", "enum": [host.id().to_string()]}, any]});
    parameters["Id"]["schema"] = serde_json::json!({"anyOf": [{"type": "string", "enum": ids}, any]});
    // These are asked first, however slow the machine is: one part of one pack.
    let pack = own.of_kind(Kind::Pack)[0].id.to_string();
    for (parameter, example) in [
        ("Host", host.id().to_string()),
        ("Kind", "packs".into()),
        ("Id", pack),
        ("Range", "bytes=0-1".into()),
    ] {
        parameters[parameter]["example"] = example.into();
    }
    let path = folder.join("openapi.json");
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

#[test]
fn every_answer_is_one_that_the_document_describes() {
    let Some(python) = std::env::var_os("VOW_TEST_PYTHON") else {
        eprintln!("SKIPPED, needs VOW_TEST_PYTHON: schemathesis");
        return;
    };
    let stand = Stand::new("[limits]\njoins_per_minute = 100000\n");
    let host = stand.host(1, "acme");
    assert_eq!(host.commit(&snapshot(1, 1)).status, 200);
    let folder = tempfile::tempdir().unwrap();
    let document = document(&host, folder.path());
    let seconds = if is_soak() { "300" } else { "12" };
    let parties = [
        ("host", host),
        ("reader", stand.with(2, "restore=all")),
        ("replica", stand.with(3, "replicate")),
        ("console", stand.with(4, "console")),
    ];
    for (name, party) in parties {
        let (certificate, key) = credential(&party, folder.path());
        let output = Command::new(&python)
            .current_dir(folder.path())
            .args(["-m", "schemathesis.cli", "run"])
            .arg(&document)
            .args(["--url", &format!("https://{}", stand.address), "--tls-verify", "false"])
            .arg("--request-cert")
            .arg(certificate)
            .arg("--request-cert-key")
            .arg(key)
            .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"])
            .args(["--phases", "examples,coverage,fuzzing", "--max-time", seconds, "--continue-on-failure", "--warnings", "off"])
            .args(["--suppress-health-check", "all", "--no-color", "--seed", "1"])
            .env("PYTHONWARNINGS", "ignore")
            .output()
            .unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "as {name}:\n{said}");
        assert!(said.contains(" generated, "), "as {name}: nothing was asked\n{said}");
        println!(
            "as {name}: {}",
            said.lines().filter(|line| line.contains(" generated, ")).collect::<Vec<_>>().join(" ")
        );
    }
    let log = stand.log();
    for status in ["200", "201", "204", "206", "400", "404", "409"] {
        assert!(log.contains(&format!("\"status\":{status},")), "no answer had status {status}");
    }
}
