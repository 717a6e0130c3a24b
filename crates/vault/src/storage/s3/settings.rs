//! The AWS_ variables of an environment, as far as they matter to a vault.

use super::S3Error;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};
use object_store::client::ClientConfigKey;
use object_store::{Certificate, ClientOptions};
use std::collections::BTreeMap;

/// Where a store is, when nobody says a region.
const DEFAULT_REGION: &str = "us-east-1";

/// What an operator has set.
pub(super) struct Settings {
    pub(super) builder: AmazonS3Builder,
    pub(super) client: ClientOptions,
    allow_http: bool,
}

impl Settings {
    /// Takes what matters. Any of the three secrets may be in a file instead: `AWS_SECRET_ACCESS_KEY_FILE` and so on.
    pub(super) fn of(env: impl IntoIterator<Item = (String, String)>) -> Result<Self, S3Error> {
        // Sorted, so that AWS_DEFAULT_REGION comes before AWS_REGION, which wins.
        let given: BTreeMap<String, String> =
            env.into_iter().filter(|(name, value)| name.starts_with("AWS_") && !value.is_empty()).collect();
        let (builder, client) = (AmazonS3Builder::new(), ClientOptions::new());
        let mut settings = Self { builder, client, allow_http: false };
        for (name, value) in &given {
            settings.take(name, value)?;
        }
        Ok(settings)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), S3Error> {
        if name == "AWS_CA_BUNDLE" {
            return self.trust(name, value);
        }
        let (plain, value) = match name.strip_suffix("_FILE").filter(|plain| is_secret(plain)) {
            Some(plain) => (plain, from_file(name, value)?.trim().to_owned()),
            None => (name, value.to_owned()),
        };
        if is_secret(plain) && !value.chars().all(|c| c.is_ascii_graphic()) {
            return Err(S3Error::Variable {
                name: name.to_owned(),
                reason: "it holds more than a key".into(),
            });
        }
        match plain.to_ascii_lowercase().parse() {
            Ok(Key::Client(key)) if is_clients(&key) => {
                self.allow_http |= matches!(key, ClientConfigKey::AllowHttp) && value == "true";
                let client = std::mem::take(&mut self.client);
                self.client = client.with_config(key, value);
            }
            Ok(key) if is_operators(&key) => {
                let builder = std::mem::take(&mut self.builder);
                self.builder = builder.with_config(key, value);
            }
            _ => {}
        }
        Ok(())
    }

    /// Certificates that are trusted beside the system's.
    fn trust(&mut self, name: &str, path: &str) -> Result<(), S3Error> {
        let bundle = Certificate::from_pem_bundle(from_file(name, path)?.as_bytes());
        let bundle = bundle.ok().filter(|bundle| !bundle.is_empty()).ok_or_else(|| S3Error::Variable {
            name: name.to_owned(),
            reason: format!("{path} holds no certificates"),
        })?;
        for certificate in bundle {
            self.client = std::mem::take(&mut self.client).with_root_certificate(certificate);
        }
        Ok(())
    }

    pub(super) fn region(&self) -> String {
        self.builder.get_config_value(&Key::Region).unwrap_or_else(|| DEFAULT_REGION.to_owned())
    }

    /// Where the store is, when it is not Amazon's; refused when what is sent there could be read on the way.
    pub(super) fn store(&self) -> Result<Option<String>, S3Error> {
        let special = self.builder.get_config_value(&Key::S3Endpoint);
        let store = special.or_else(|| self.builder.get_config_value(&Key::Endpoint));
        let is_fine =
            |url: &String| url.starts_with("https://") || self.allow_http && url.starts_with("http://");
        match &store {
            Some(url) if !is_fine(url) => {
                let reason =
                    "the store's address does not begin with https:// (AWS_ALLOW_HTTP=true allows http://)";
                Err(S3Error::Settings(reason.into()))
            }
            _ => Ok(store),
        }
    }

    /// Whether the bucket's name is a part of the store's address.
    pub(super) fn is_virtual_hosted(&self) -> bool {
        self.builder.get_config_value(&Key::VirtualHostedStyleRequest).as_deref() == Some("true")
    }
}

fn is_secret(name: &str) -> bool {
    matches!(name, "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN")
}

fn from_file(name: &str, path: &str) -> Result<String, S3Error> {
    std::fs::read_to_string(path)
        .map_err(|error| S3Error::Variable { name: name.to_owned(), reason: format!("{path}: {error}") })
}

/// Whether a setting is the operator's. What a vault depends on (signatures, create-only, the bucket) is not.
fn is_operators(key: &Key) -> bool {
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
    )
}

fn is_clients(key: &ClientConfigKey) -> bool {
    use ClientConfigKey::{AllowHttp, ProxyCaCertificate, ProxyExcludes, ProxyUrl};
    matches!(key, AllowHttp | ProxyUrl | ProxyCaCertificate | ProxyExcludes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(env: &[(&str, &str)]) -> Result<Settings, S3Error> {
        Settings::of(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    fn value(env: &[(&str, &str)], key: Key) -> Option<String> {
        of(env).expect("good").builder.get_config_value(&key)
    }

    #[test]
    fn variables() {
        let env = [
            ("AWS_REGION", "eu-1"),
            ("AWS_DEFAULT_REGION", "us-1"),
            ("AWS_SKIP_SIGNATURE", "true"),
            ("AWS_BUCKET", "another"),
            ("HOME", "/"),
        ];
        assert_eq!(of(&env).expect("good").region(), "eu-1");
        assert_eq!(value(&env, Key::SkipSignature).as_deref(), Some("false"));
        assert_eq!(value(&env, Key::Bucket), None);
        assert_eq!(of(&[("AWS_DEFAULT_REGION", "us-1")]).expect("good").region(), "us-1");
        assert_eq!(of(&[("AWS_REGION", "")]).expect("good").region(), DEFAULT_REGION);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        std::fs::write(&file, "s3cr3t\n").expect("written");
        let file = file.display().to_string();
        let env = [("AWS_SECRET_ACCESS_KEY_FILE", file.as_str())];
        assert_eq!(value(&env, Key::SecretAccessKey).as_deref(), Some("s3cr3t"));
        assert!(of(&[("AWS_CA_BUNDLE", &file)]).is_err(), "no certificates");
        assert!(of(&[("AWS_SESSION_TOKEN_FILE", "/nowhere")]).is_err());
    }

    #[test]
    fn a_store_is_reached_in_the_clear_only_when_that_was_said() {
        let store = |env: &[(&str, &str)]| of(env).expect("good").store();
        assert_eq!(store(&[]).expect("Amazon's"), None);
        let http = ("AWS_ENDPOINT_URL", "http://store:9000");
        assert!(store(&[http]).is_err());
        assert!(store(&[http, ("AWS_ALLOW_HTTP", "false")]).is_err());
        assert!(store(&[http, ("AWS_ALLOW_HTTP", "true")]).expect("allowed").is_some());
        assert!(store(&[("AWS_ENDPOINT_URL", "ftp://store"), ("AWS_ALLOW_HTTP", "true")]).is_err());
        let both = [("AWS_ENDPOINT_URL", "https://a"), ("AWS_ENDPOINT_URL_S3", "https://b")];
        assert_eq!(store(&both).expect("good").as_deref(), Some("https://b"));
    }

    #[test]
    fn a_broken_secret_is_refused_without_showing_it() {
        let Err(error) = of(&[("AWS_SESSION_TOKEN", "se\ncret")]) else { panic!("it was taken") };
        let error = error.to_string();
        assert!(error.contains("AWS_SESSION_TOKEN") && !error.contains("se\n"), "{error}");
    }
}
