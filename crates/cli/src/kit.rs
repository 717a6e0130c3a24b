//! The recovery kit: a standard age identity file whose comment lines say what else a bare machine needs.

use crate::ui;
use vow_agent::plan::Place;
use vow_base::Fingerprint;
use vow_base::clock::{Clock, SystemClock};
use vow_base::id::{from_hex, hex};
use vow_base::sign::PublicKey;
use vow_store::session::Recipient;
use zeroize::Zeroizing;

/// Enough that the text is never moved while it is written, which would leave copies of the secret.
const TEXT_BYTES: usize = 16 << 10;
const HEAD: &str = "# vow recovery kit";

/// What a kit says besides its identity.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Kit {
    /// The hosts, by name, with the keys that verify their manifests.
    pub(crate) hosts: Vec<(String, PublicKey)>,
    /// The vaults.
    pub(crate) vaults: Vec<KitVault>,
}

/// A vault as a kit names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KitVault {
    /// Its name in the plan.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) place: Place,
    /// Which one it is.
    pub(crate) fingerprint: Fingerprint,
}

impl Kit {
    /// The text of a kit with this identity.
    pub(crate) fn text(&self, secret: &str, recipient: &Recipient) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES));
        let now = SystemClock.now() / 1_000_000_000 * 1_000_000_000;
        text.push_str(&format!("{HEAD}\n# created: {}\n", ui::rfc3339(now)));
        text.push_str(
            "# Keep it offline: whoever has this file can read the backups; without it nobody can.\n",
        );
        text.push_str(&format!("# public key: {}\n", recipient.text()));
        for (name, key) in &self.hosts {
            text.push_str(&format!("# host {name} {}\n", hex(&key.0)));
        }
        for KitVault { name, place, fingerprint } in &self.vaults {
            // A name with a line break would end the comment.
            text.push_str(&format!("# vault {name} {} {fingerprint}\n", ui::plain(&place.to_string())));
        }
        if !self.vaults.is_empty() {
            text.push_str("# look:    vow snapshots --identity THIS_FILE\n");
            text.push_str("# restore: vow restore SOURCE@latest --identity THIS_FILE --target DIR\n");
        }
        text.push_str(secret.trim_end());
        text.push('\n');
        text
    }

    /// What the comment lines of an identity file say.
    pub(crate) fn parse(text: &str) -> Self {
        let mut kit = Self::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# host ")
                && let Some((name, key)) = rest.trim().split_once(' ')
                && let Some(key) = from_hex::<32>(key)
            {
                kit.hosts.push((name.to_owned(), PublicKey(key)));
            }
            if let Some(rest) = line.strip_prefix("# vault ")
                && let Some((name, rest)) = rest.trim().split_once(' ')
                && let Some((place, fingerprint)) = rest.rsplit_once(' ')
                && let Ok(fingerprint) = fingerprint.parse()
            {
                kit.vaults.push(KitVault {
                    name: name.to_owned(),
                    place: Place::of_text(place),
                    fingerprint,
                });
            }
        }
        kit
    }

    /// The fingerprint on record for a vault at this place.
    pub(crate) fn fingerprint_of(&self, place: &Place) -> Option<Fingerprint> {
        self.vaults.iter().find(|vault| vault.place == *place).map(|vault| vault.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kit_reads_as_it_was_written_and_is_an_identity_file() {
        let (secret, recipient) = vow_store::session::new_identity();
        let kit = Kit {
            hosts: vec![("web-1".into(), PublicKey([7; 32]))],
            vaults: [
                "/var/lib/my vault",
                "https://vault.example.net:8443",
                "https://[::1]:9000",
                "s3://backups/acme/vault",
            ]
            .map(|place| KitVault {
                name: "local".into(),
                place: Place::of_text(place),
                fingerprint: Fingerprint([0xab; 32]),
            })
            .into(),
        };
        let text = kit.text(&secret, &recipient);
        assert_eq!(Kit::parse(&text), kit);
        assert!(matches!(kit.vaults[1].place, Place::Address(_)));
        assert_eq!(kit.vaults[3].place, Place::Bucket("s3://backups/acme/vault".into()));
        assert!(vow_store::session::Identities::parse(&text).is_ok());
        assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("AGE-SECRET-KEY-")));
    }
}
