//! The receipt: a vault's countersigned answer to a manifest. Section 7 of `docs/format.md`.

use crate::clock::Nanos;
use crate::id::{HostId, ObjectId};
use crate::manifest::{VERSION, id, optional_id};
use crate::sign::{Envelope, PublicKey, SignError, SigningKey};
use minicbor::{Decode, Encode};

/// How receipts are wrapped and signed.
pub const ENVELOPE: Envelope = Envelope { magic: "VOWRCPT1", domain: "vow receipt v1", limit_bytes: 4096 };

/// What a vault says it accepted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// Version of the format.
    #[n(0)]
    pub version: u8,
    /// The vault's public key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub vault_key: [u8; 32],
    /// Position in the ledger, from 1.
    #[n(2)]
    pub position: u64,
    /// The receipt before it.
    #[cbor(n(3), with = "optional_id")]
    pub previous: Option<ObjectId>,
    /// The host, as the SHA-256 of its key; zeros when the event is about no single host.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub host: [u8; 32],
    /// The manifest accepted. Of other events the subject: the id of a [`Detail`](crate::detail::Detail), or zeros.
    #[cbor(n(5), with = "id")]
    pub manifest: ObjectId,
    /// Its sequence number. Of other events: how many things it is about.
    #[n(6)]
    pub sequence: u64,
    /// Received or happened, by the vault's clock.
    #[n(7)]
    pub received: Nanos,
    /// What happened.
    #[n(8)]
    pub event: Event,
}

/// What a ledger entry says happened. `docs/vault.md` says what each one means and what its subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Event {
    /// A manifest was committed: this entry is its receipt.
    #[n(0)]
    Committed,
    /// Retention no longer keeps these manifests.
    #[n(1)]
    Expired,
    /// Nothing kept names these objects; a commit does not accept them until they are sent again.
    #[n(2)]
    Condemned,
    /// Condemned objects were sent again.
    #[n(3)]
    Revived,
    /// Condemned objects are being removed.
    #[n(4)]
    Deleting,
    /// The objects of an earlier [`Event::Deleting`] are gone.
    #[n(5)]
    Deleted,
    /// The rules of retention from now on.
    #[n(6)]
    Rules,
    /// A mark on a manifest.
    #[n(7)]
    Marked,
    /// A person has looked at the clock.
    #[n(8)]
    Clock,
    /// A sweep has looked at everything.
    #[n(9)]
    Pass,
    /// What another vault showed as its head.
    #[n(10)]
    Witnessed,
    /// Damaged objects were replaced by good copies.
    #[n(11)]
    Healed,
}

impl Receipt {
    /// The stored bytes, signed with the vault's key.
    pub fn seal(&self, key: &SigningKey) -> Vec<u8> {
        key.seal_envelope(&ENVELOPE, &crate::cbor::encode(self))
    }

    /// Reads stored bytes and checks that the key named in them signed them.
    pub fn open(stored: &[u8]) -> Result<Self, SignError> {
        let receipt: Self = crate::cbor::decode(ENVELOPE.payload(stored)?)?;
        if receipt.version != VERSION {
            let message = format!("version {} is not known here", receipt.version);
            return Err(SignError::Payload(message));
        }
        ENVELOPE.verify(stored, &PublicKey(receipt.vault_key))?;
        Ok(receipt)
    }

    /// The host whose manifest it is.
    pub fn host_id(&self) -> HostId {
        HostId(self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(key: &SigningKey) -> Receipt {
        Receipt {
            version: VERSION,
            vault_key: key.public().0,
            position: 1,
            previous: None,
            host: [2; 32],
            manifest: ObjectId([3; 32]),
            sequence: 7,
            received: 5,
            event: Event::Committed,
        }
    }

    #[test]
    fn a_receipt_of_an_unknown_version_is_refused_by_name() {
        let key = SigningKey::from_seed(&[1; 32]);
        let error = Receipt::open(&Receipt { version: 2, ..sample(&key) }.seal(&key)).expect_err("version 2");
        assert!(error.to_string().contains("version 2"), "{error}");
    }

    #[test]
    fn a_receipt_reads_as_it_was_written_and_only_by_its_own_vault() {
        let key = SigningKey::from_seed(&[1; 32]);
        let receipt = sample(&key);
        assert_eq!(Receipt::open(&receipt.seal(&key)), Ok(receipt.clone()));
        let forged = receipt.seal(&SigningKey::from_seed(&[9; 32]));
        assert_eq!(Receipt::open(&forged), Err(SignError::Signature));
    }
}
