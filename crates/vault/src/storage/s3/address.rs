//! Which bucket, and where in it: `s3://bucket/prefix`.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use vow_base::disk::DiskError;

/// A bucket, and the prefix that all of a vault's keys begin with.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    bucket: String,
    /// Empty, or ending in `/`.
    prefix: String,
}

impl Address {
    /// Reads a URL. The error says what is wrong with it and never repeats it: people put credentials into URLs.
    pub(super) fn parse(url: &str) -> Result<Self, &'static str> {
        let Some(rest) = url.strip_prefix("s3://") else {
            return Err("it does not begin with s3://");
        };
        if rest.contains('@') {
            return Err("credentials do not belong into a URL; they come from the environment");
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let in_bucket_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(in_bucket_name) {
            return Err("what follows s3:// is not the name of a bucket");
        }
        if !prefix.is_empty() && !is_plain(prefix) {
            return Err("a prefix consists of letters, digits, '-', '_', '.' and '/' between them");
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { bucket: bucket.to_owned(), prefix })
    }

    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The address of the bucket itself, at a store that is not Amazon's or is.
    pub(super) fn endpoint(&self, store: Option<&str>, region: &str, virtual_hosted: bool) -> String {
        match (store, virtual_hosted) {
            // The bucket's name is a part of what was given.
            (Some(store), true) => store.trim_end_matches('/').to_owned(),
            (Some(store), false) => format!("{}/{}", store.trim_end_matches('/'), self.bucket()),
            // A name with dots does not fit Amazon's certificate.
            (None, _) if self.bucket().contains('.') => {
                format!("https://s3.{region}.amazonaws.com/{}", self.bucket())
            }
            (None, _) => format!("https://{}.s3.{region}.amazonaws.com", self.bucket()),
        }
    }

    /// The key of a name.
    pub(super) fn key(&self, name: &str) -> Result<String, DiskError> {
        if is_plain(name) {
            return Ok(format!("{}{name}", self.prefix));
        }
        let error = Error::new(ErrorKind::InvalidInput, "this is not a name that a vault gives");
        Err(DiskError { action: "name", path: self.path(name), source: error })
    }

    /// What the keys of everything in a folder begin with; the empty name is the vault's top.
    pub(super) fn folder(&self, name: &str) -> Result<String, DiskError> {
        if name.is_empty() { Ok(self.prefix.clone()) } else { Ok(format!("{}/", self.key(name)?)) }
    }

    /// The name that a key stands for.
    pub(super) fn name<'a>(&self, key: &'a str) -> &'a str {
        key.strip_prefix(&self.prefix).unwrap_or(key)
    }

    /// A name as errors show it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("{self}/{name}"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        match self.prefix.strip_suffix('/') {
            Some(prefix) => write!(f, "/{prefix}"),
            None => Ok(()),
        }
    }
}

/// Whether this needs no encoding anywhere, so that all stores understand it alike. But for the `=` in the names of grants, which all of them know
/// from the folders of data sets.
fn is_plain(name: &str) -> bool {
    name.len() <= 900
        && name.split('/').all(|part| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=');
            !matches!(part, "" | "." | "..") && part.chars().all(plain)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let address = Address::parse("s3://my-bucket/some/where/").expect("good");
        assert_eq!(address.to_string(), "s3://my-bucket/some/where");
        assert_eq!(address.key("ledger/1").expect("good"), "some/where/ledger/1");
        assert_eq!(
            address.key("grants/ab/restore=host=ab").expect("good"),
            "some/where/grants/ab/restore=host=ab"
        );
        assert_eq!(address.folder("").expect("good"), "some/where/");
        assert_eq!(address.folder("hosts").expect("good"), "some/where/hosts/");
        assert_eq!(address.name("some/where/hosts/a"), "hosts/a");
        let top = Address::parse("s3://my-bucket").expect("good");
        assert_eq!(
            (top.key("VOW").expect("good").as_str(), top.folder("").expect("good").as_str()),
            ("VOW", "")
        );
        for bad in [
            "https://my-bucket/x",
            "s3://",
            "s3://My_Bucket",
            "s3://ab",
            "s3://key:secret@bucket/x",
            "s3://bucket/a//b",
            "s3://bucket/../b",
            "s3://bucket/a?x=y",
            "s3://bucket/a%2Fb",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_that_a_vault_never_gives_are_refused() {
        let address = Address::parse("s3://bucket/p").expect("good");
        for bad in ["", "/a", "a/", "a//b", "../a", "a/..", "a b", "a%2Fb", "a\0", "ä", "a?b"] {
            assert!(address.key(bad).is_err(), "{bad:?}");
        }
    }
}
