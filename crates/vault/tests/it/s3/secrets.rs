//! No credential in any error or in what is printed for debugging.

use crate::double::{Double, SECRET, TOKEN, options};
use std::sync::atomic::Ordering::SeqCst;
use vow_vault::storage::Storage;
use vow_vault::storage::s3::S3Storage;

fn assert_clean(text: &str) {
    for secret in [SECRET, TOKEN, "another-secret"] {
        assert!(!text.contains(secret), "{text}");
    }
}

fn all(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(" {cause} {cause:?}"));
        next = cause.source();
    }
    text
}

#[test]
fn errors_and_debug_output_hold_no_credential() {
    let double = Double::start();
    let storage = double.storage("a");
    assert_clean(&format!("{storage:?}"));
    assert_eq!(format!("{storage:?}"), "S3Storage(s3://vow-test/a)");
    // Its answers repeat the token, as some stores do.
    double.faults.slow_down.store(usize::MAX, SeqCst);
    assert_clean(&all(&storage.read("x", 1).unwrap_err()));
    assert_clean(&all(&storage.create("x", b"x", None).unwrap_err()));
    assert_clean(&all(&storage.list("x").unwrap_err()));
    assert_clean(&all(&storage.probe().unwrap_err()));
    double.faults.slow_down.store(0, SeqCst);
    double.faults.hang_up.store(usize::MAX, SeqCst);
    assert_clean(&all(&storage.stat("x").unwrap_err()));
}

#[test]
fn a_wrong_secret_is_said_and_not_shown() {
    let double = Double::start();
    let mut env = double.env();
    env.retain(|(name, _)| name != "AWS_SECRET_ACCESS_KEY");
    env.push(("AWS_SECRET_ACCESS_KEY".into(), "another-secret".into()));
    let error = S3Storage::open(&Double::url("a"), env, options()).unwrap_err();
    assert_clean(&all(&error));
    assert!(error.to_string().contains("SignatureDoesNotMatch"), "{error}");
}

#[test]
fn urls_and_variables_that_are_wrong_are_not_repeated() {
    let double = Double::start();
    let error = S3Storage::open("s3://key:another-secret@bucket/a", double.env(), options()).unwrap_err();
    assert_clean(&all(&error));
    let mut env = double.env();
    env.retain(|(name, _)| name != "AWS_ACCESS_KEY_ID");
    let error = S3Storage::open(&Double::url("a"), env, options()).unwrap_err();
    assert_clean(&all(&error));
    let mut env = double.env();
    env.push(("AWS_SECRET_ACCESS_KEY".into(), "another-secret\nAWS_X".into()));
    let error = S3Storage::open(&Double::url("a"), env, options()).unwrap_err();
    assert_clean(&all(&error));
    assert!(error.to_string().contains("AWS_SECRET_ACCESS_KEY"), "{error}");
}
