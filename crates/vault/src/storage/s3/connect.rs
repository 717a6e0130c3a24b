//! From a URL and the usual AWS_ variables to a client.

use super::S3Error;
use super::address::Address;
use super::admin::Admin;
use super::signing::Connector;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Key, S3ConditionalPut};
use object_store::client::ClientConfigKey;
use object_store::{BackoffConfig, RetryConfig};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Where variables come from when nobody says a region.
const DEFAULT_REGION: &str = "us-east-1";
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Tries are bounded by time, not by number.
const TRIES_LIMIT: usize = 1000;

/// Everything that requests are made with.
pub(super) struct Connection {
    pub(super) store: AmazonS3,
    pub(super) admin: Admin,
    /// How far the store's clock is ahead of ours, in nanoseconds.
    pub(super) skew: Arc<AtomicI64>,
}

/// Connects, without a request yet.
pub(super) fn connect(
    address: &Address,
    env: impl IntoIterator<Item = (String, String)>,
    patience: Duration,
) -> Result<Connection, S3Error> {
    let builder = with_environment(AmazonS3Builder::new(), env)?.with_bucket_name(address.bucket());
    let retry = RetryConfig {
        backoff: BackoffConfig { max_backoff: LONGEST_PAUSE, ..BackoffConfig::default() },
        max_retries: TRIES_LIMIT,
        retry_timeout: patience,
    };
    let region = builder.get_config_value(&Key::Region).unwrap_or_else(|| DEFAULT_REGION.to_owned());
    let store_url = builder.get_config_value(&Key::S3Endpoint).or(builder.get_config_value(&Key::Endpoint));
    let virtual_hosted = builder.get_config_value(&Key::VirtualHostedStyleRequest).as_deref() == Some("true");
    let endpoint = address.endpoint(store_url.as_deref(), &region, virtual_hosted);
    let builder = builder
        // How long a request may take is known where it is sent.
        .with_config(Key::Client(ClientConfigKey::Timeout), "1 day")
        .with_config(Key::Client(ClientConfigKey::ConnectTimeout), "10 seconds")
        .with_retry(retry)
        // The bucket's address is made in one place, for the crate's requests and for ours.
        .with_config(Key::S3Endpoint, &endpoint)
        .with_virtual_hosted_style_request(true);
    // Providers of credentials talk to services of their own, which must not see our signatures: so they get a client of their own.
    let plain = builder.clone().build().map_err(|error| S3Error::Settings(settings(&error)))?;
    let credentials = plain.credentials().clone();
    let (skew, made) = (Arc::new(AtomicI64::new(0)), Arc::new(OnceLock::new()));
    let connector =
        Connector { credentials: credentials.clone(), region, skew: skew.clone(), made: made.clone() };
    let store = builder
        .with_credentials(credentials)
        .with_skip_signature(true)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_http_connector(connector)
        .build()
        .map_err(|error| S3Error::Settings(settings(&error)))?;
    let client = made.get().ok_or_else(|| S3Error::Settings("no client could be made".into()))?.clone();
    Ok(Connection { store, admin: Admin { client, endpoint, patience }, skew })
}

/// What the crate says about settings: never a value, which could be a secret.
fn settings(error: &object_store::Error) -> String {
    match error {
        object_store::Error::Generic { source, .. } if source.to_string().contains("Missing") => {
            source.to_string()
        }
        _ => "the AWS_ variables do not fit together".to_owned(),
    }
}

/// Takes the variables that matter here. Any of the three secrets may be in a file instead: `AWS_SECRET_ACCESS_KEY_FILE` and so on.
fn with_environment(
    mut builder: AmazonS3Builder,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<AmazonS3Builder, S3Error> {
    // Sorted, so that AWS_DEFAULT_REGION comes before AWS_REGION, which wins.
    let given: BTreeMap<String, String> =
        env.into_iter().filter(|(name, _)| name.starts_with("AWS_")).collect();
    for (name, value) in &given {
        let (plain, value) = match name.strip_suffix("_FILE").filter(|plain| is_secret(plain)) {
            Some(plain) => (plain, from_file(name, value)?),
            None => (name.as_str(), value.clone()),
        };
        let Ok(key) = plain.to_ascii_lowercase().parse::<Key>() else { continue };
        if is_secret(plain) && !value.chars().all(|c| c.is_ascii_graphic()) {
            return Err(S3Error::Variable { name: name.clone(), reason: "it holds more than a key".into() });
        }
        if matters(&key) && !value.is_empty() {
            builder = builder.with_config(key, value);
        }
    }
    Ok(builder)
}

fn is_secret(name: &str) -> bool {
    matches!(name, "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN")
}

fn from_file(name: &str, path: &str) -> Result<String, S3Error> {
    let text = std::fs::read_to_string(path);
    let text = text
        .map_err(|error| S3Error::Variable { name: name.to_owned(), reason: format!("{path}: {error}") })?;
    Ok(text.trim().to_owned())
}

/// Whether a setting is the operator's. What a vault depends on (signatures, create-only, the bucket) is not.
fn matters(key: &Key) -> bool {
    use ClientConfigKey::{AllowHttp, ProxyCaCertificate, ProxyExcludes, ProxyUrl};
    matches!(
        key,
        Key::AccessKeyId
            | Key::SecretAccessKey
            | Key::Token
            | Key::Region
            | Key::DefaultRegion
            | Key::Endpoint
            | Key::S3Endpoint
            | Key::VirtualHostedStyleRequest
            | Key::ImdsV1Fallback
            | Key::MetadataEndpoint
            | Key::ContainerCredentialsRelativeUri
            | Key::ContainerCredentialsFullUri
            | Key::ContainerAuthorizationTokenFile
            | Key::WebIdentityTokenFile
            | Key::RoleArn
            | Key::RoleSessionName
            | Key::StsEndpoint
            | Key::Encryption(_)
            | Key::Client(AllowHttp | ProxyUrl | ProxyCaCertificate | ProxyExcludes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(env: &[(&str, &str)], key: Key) -> Option<String> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        with_environment(AmazonS3Builder::new(), env).expect("good").get_config_value(&key)
    }

    #[test]
    fn variables() {
        let env = [
            ("AWS_REGION", "eu-1"),
            ("AWS_DEFAULT_REGION", "us-1"),
            ("AWS_SKIP_SIGNATURE", "true"),
            ("HOME", "/"),
        ];
        assert_eq!(value(&env, Key::Region).as_deref(), Some("eu-1"));
        assert_eq!(value(&env, Key::SkipSignature).as_deref(), Some("false"));
        assert_eq!(value(&[("AWS_DEFAULT_REGION", "us-1")], Key::Region).as_deref(), Some("us-1"));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        std::fs::write(&file, "s3cr3t\n").expect("written");
        let file = file.display().to_string();
        assert_eq!(
            value(&[("AWS_SECRET_ACCESS_KEY_FILE", &file)], Key::SecretAccessKey).as_deref(),
            Some("s3cr3t")
        );
    }

    #[test]
    fn a_broken_secret_is_refused_without_showing_it() {
        let env = [("AWS_SESSION_TOKEN".to_owned(), "se\ncret".to_owned())];
        let error = with_environment(AmazonS3Builder::new(), env).expect_err("bad").to_string();
        assert!(
            error.contains("AWS_SESSION_TOKEN") && !error.contains("cret\"") && !error.contains("se\n"),
            "{error}"
        );
    }
}
