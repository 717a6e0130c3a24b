//! What travels over the local socket, in JSON.

use crate::access::{AdmittedHost, Grant};
use serde::{Deserialize, Serialize};
use vow_base::HostId;
use vow_base::clock::Nanos;
use vow_base::sign::PublicKey;
use vow_protocol::JoinSecret;
use vow_protocol::wire::Hex;

/// `POST /v1/join-token`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewJoinToken {
    /// `write`, `restore=host=ID`, `restore=tenant=NAME`, `restore=all`, `replicate` or `console`.
    pub right: String,
    /// Of a host: the customer it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The name it must join with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How long it can be used, in seconds; a day when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term_secs: Option<u64>,
}

/// Its answer: the only time that the secret is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// The secret.
    pub secret: JoinSecret,
    /// The vault's fingerprint, which stands in the token beside it.
    pub fingerprint: String,
}

/// One of `GET /v1/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminHost {
    /// Its id.
    pub host: Hex<HostId>,
    /// Its signing key.
    pub key: Hex<PublicKey>,
    /// The customer it belongs to; may be empty.
    pub tenant: String,
    /// Its name; may be empty.
    pub name: String,
    /// Whether it was shut out.
    pub revoked: bool,
}

/// One of `GET /v1/grants`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminGrant {
    /// The id of the key: what a revocation names.
    pub key_id: Hex<HostId>,
    /// The key.
    pub key: Hex<PublicKey>,
    /// What it may do.
    pub right: String,
    /// Who it is, as they said.
    pub name: String,
    /// Since when it may no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Nanos>,
}

/// `POST /v1/revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// The id of the key: of a host, or from `GET /v1/grants`.
    pub key: Hex<HostId>,
    /// What is taken away; everything when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<String>,
    /// Why, for people.
    #[serde(default)]
    pub note: String,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// What was taken away.
    pub rights: Vec<String>,
}

impl From<AdmittedHost> for AdminHost {
    fn from(host: AdmittedHost) -> Self {
        let AdmittedHost { key, tenant, name, revoked } = host;
        Self { host: Hex(key.host_id()), key: Hex(key), tenant, name, revoked }
    }
}

impl From<Grant> for AdminGrant {
    fn from(grant: Grant) -> Self {
        let Grant { key, right, name, revoked } = grant;
        Self { key_id: Hex(key.host_id()), key: Hex(key), right: right.to_string(), name, revoked }
    }
}
