//! From a URL and an environment to a client.

use super::S3Error;
use super::address::Address;
use super::admin::Admin;
use super::settings::Settings;
use super::signing::Connector;
use object_store::aws::{AmazonS3, AmazonS3ConfigKey as Key, S3ConditionalPut};
use object_store::{BackoffConfig, RetryConfig};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Tries are bounded by time, not by number.
const TRIES_LIMIT: usize = 1000;
/// How long whoever gives credentials is asked again.
const CREDENTIALS_PATIENCE: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
    let settings = Settings::of(env)?;
    let region = settings.region();
    let endpoint = address.endpoint(settings.store()?.as_deref(), &region, settings.is_virtual_hosted());
    let retry = RetryConfig {
        backoff: BackoffConfig { max_backoff: LONGEST_PAUSE, ..BackoffConfig::default() },
        max_retries: TRIES_LIMIT,
        retry_timeout: patience,
    };
    let for_credentials = RetryConfig { retry_timeout: CREDENTIALS_PATIENCE, ..retry.clone() };
    // How long a whole request may take depends on what is sent; that is seen to where it is signed.
    let client = settings.client.with_timeout_disabled().with_connect_timeout(CONNECT_TIMEOUT);
    let builder = settings
        .builder
        .with_bucket_name(address.bucket())
        .with_client_options(client)
        // The bucket's address is made in one place, for the crate's requests and for ours.
        .with_config(Key::S3Endpoint, &endpoint)
        .with_virtual_hosted_style_request(true);
    // Providers of credentials talk to services of their own, which must not see our signatures: so they get a client of their own.
    let plain = builder.clone().with_retry(for_credentials).build().map_err(|error| refused(&error))?;
    let credentials = plain.credentials().clone();
    let (skew, made) = (Arc::new(AtomicI64::new(0)), Arc::new(OnceLock::new()));
    let connector =
        Connector { credentials: credentials.clone(), region, skew: skew.clone(), made: made.clone() };
    let store = builder
        .with_credentials(credentials)
        .with_retry(retry)
        .with_skip_signature(true)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_http_connector(connector)
        .build()
        .map_err(|error| refused(&error))?;
    let client = made.get().ok_or_else(|| S3Error::Settings("no client could be made".into()))?.clone();
    Ok(Connection { store, admin: Admin { client, endpoint, patience }, skew })
}

/// What the crate says about settings: never a value, which could be a secret.
fn refused(error: &object_store::Error) -> S3Error {
    let text = error.to_string();
    let known =
        ["Missing AccessKeyId", "Missing SecretAccessKey"].into_iter().find(|known| text.contains(known));
    S3Error::Settings(known.unwrap_or("the AWS_ variables do not fit together").to_owned())
}
