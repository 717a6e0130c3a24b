//! What makes two occurrences the same problem: whose it is, the rule that speaks, and what it speaks about.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Everything that could end a part of a key, or be mistaken for one, is written as `%XX`.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// The rules by name. The word never changes: keys of tickets, settings and documents use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleName {
    /// The run made no snapshot.
    Failed,
    /// The snapshot is not whole.
    Partial,
    /// No receipt came when one was due: late first, missing after a whole interval more.
    Missing,
    /// The source had no bytes.
    ZeroLength,
    /// A dump did not end as it must.
    EndMarker,
    /// It took much longer or shorter than usual.
    Duration,
    /// It is much larger or smaller than usual.
    Size,
    /// Much more or less is new than usual.
    NewBytes,
    /// Top trees vanished or are new.
    Trees,
    /// A much larger share of the files changed or went than usual.
    Changed,
    /// The content of files is not what their names say.
    Types,
    /// New data looks random.
    Entropy,
    /// Objects of a database went.
    Objects,
    /// One level is behind the others.
    OutOfStep,
    /// A vault fills up.
    VaultFilling,
    /// A vault does not answer the console.
    VaultSilent,
    /// The ledger of a vault contradicts what was read of it before.
    VaultSetBack,
    /// A vault itself has found something.
    VaultFinding,
    /// A host is not heard of.
    HostSilent,
    /// A host's clock is wrong.
    ClockSkew,
    /// A host runs an old version.
    VersionOld,
    /// A drill found something wrong with a snapshot.
    DrillFailed,
    /// A source was not proven within its term.
    DrillOverdue,
    /// The drill itself passes what it must not.
    DrillBroken,
    /// Restoring takes longer than the plan allows.
    RestoreSlow,
    /// The daily synthetic fault.
    SelfTest,
    /// A channel delivers nothing.
    ChannelDown,
    /// The audit of a host found something.
    Audit,
    /// The policy of a tenant is not kept.
    Policy,
}

impl RuleName {
    /// Every rule.
    pub const ALL: [RuleName; 29] = [
        Self::Failed,
        Self::Partial,
        Self::Missing,
        Self::ZeroLength,
        Self::EndMarker,
        Self::Duration,
        Self::Size,
        Self::NewBytes,
        Self::Trees,
        Self::Changed,
        Self::Types,
        Self::Entropy,
        Self::Objects,
        Self::OutOfStep,
        Self::VaultFilling,
        Self::VaultSilent,
        Self::HostSilent,
        Self::ClockSkew,
        Self::VersionOld,
        Self::DrillFailed,
        Self::DrillOverdue,
        Self::DrillBroken,
        Self::RestoreSlow,
        Self::SelfTest,
        Self::ChannelDown,
        Self::VaultSetBack,
        Self::VaultFinding,
        Self::Audit,
        Self::Policy,
    ];

    /// Whether it compares with what was before: then a person can say that a change is how it is from now on.
    pub fn learns(self) -> bool {
        matches!(
            self,
            Self::ZeroLength
                | Self::Duration
                | Self::Size
                | Self::NewBytes
                | Self::Trees
                | Self::Changed
                | Self::Types
                | Self::Entropy
                | Self::Objects
        )
    }

    /// The word, as in keys and settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Partial => "partial",
            Self::Missing => "missing",
            Self::ZeroLength => "zero-length",
            Self::EndMarker => "end-marker",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::NewBytes => "new-bytes",
            Self::Trees => "trees",
            Self::Changed => "changed",
            Self::Types => "types",
            Self::Entropy => "entropy",
            Self::Objects => "objects",
            Self::OutOfStep => "out-of-step",
            Self::VaultFilling => "vault-filling",
            Self::VaultSilent => "vault-silent",
            Self::VaultSetBack => "vault-set-back",
            Self::VaultFinding => "vault-finding",
            Self::HostSilent => "host-silent",
            Self::ClockSkew => "clock-skew",
            Self::VersionOld => "version-old",
            Self::DrillFailed => "drill-failed",
            Self::DrillOverdue => "drill-overdue",
            Self::DrillBroken => "drill-broken",
            Self::RestoreSlow => "restore-slow",
            Self::SelfTest => "self-test",
            Self::ChannelDown => "channel-down",
            Self::Audit => "audit",
            Self::Policy => "policy",
        }
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for RuleName {
    type Err = KeyError;

    fn from_str(word: &str) -> Result<Self, KeyError> {
        Self::ALL.into_iter().find(|rule| rule.word() == word).ok_or_else(|| KeyError::Rule(word.to_owned()))
    }
}

/// What a problem is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// A host.
    Host {
        /// Its name.
        host: String,
    },
    /// A source of a host.
    Source {
        /// The host.
        host: String,
        /// The source.
        source: String,
    },
    /// A source on one level.
    Level {
        /// The host.
        host: String,
        /// The source.
        source: String,
        /// The level.
        level: String,
    },
    /// A vault.
    Vault {
        /// Its name.
        vault: String,
    },
    /// A channel of this console.
    Channel {
        /// Its name.
        channel: String,
    },
    /// The console itself.
    Console,
    /// The audit of a host, all of it.
    Audit {
        /// The host.
        host: String,
    },
    /// One finding of the audit of a host.
    Finding {
        /// The host.
        host: String,
        /// What the audit calls it.
        finding: String,
    },
    /// The policy of the tenant, all of it.
    Tenant,
    /// One check of the policy of the tenant.
    Policy {
        /// The check.
        check: String,
        /// The host that does not keep it; empty when it is about no host.
        host: String,
    },
}

impl Subject {
    /// The host, when it is about one.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Host { host }
            | Self::Source { host, .. }
            | Self::Level { host, .. }
            | Self::Audit { host }
            | Self::Finding { host, .. } => Some(host),
            Self::Policy { host, .. } => Some(host.as_str()).filter(|host| !host.is_empty()),
            Self::Vault { .. } | Self::Channel { .. } | Self::Console | Self::Tenant => None,
        }
    }

    /// The source, when it is about one.
    pub fn source(&self) -> Option<&str> {
        match self {
            Self::Source { source, .. } | Self::Level { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Whether this is `other`, or has it as a part: a source has its levels.
    pub fn covers(&self, other: &Subject) -> bool {
        match (self, other) {
            (Self::Source { host, source }, Self::Level { host: h, source: s, .. }) => {
                host == h && source == s
            }
            (Self::Audit { host }, Self::Finding { host: h, .. }) => host == h,
            (Self::Tenant, Self::Policy { .. }) => true,
            _ => self == other,
        }
    }
}

/// What people call it: `web-1`, `web-1/orders`, `web-1/orders on remote`, `vault remote`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host } => f.write_str(host),
            Self::Source { host, source } => write!(f, "{host}/{source}"),
            Self::Level { host, source, level } => write!(f, "{host}/{source} on {level}"),
            Self::Vault { vault } => write!(f, "vault {vault}"),
            Self::Channel { channel } => write!(f, "channel {channel}"),
            Self::Console => f.write_str("this console"),
            Self::Audit { host } => write!(f, "{host}, its audit"),
            Self::Finding { host, finding } => write!(f, "{host}, {finding}"),
            Self::Tenant => f.write_str("the policy"),
            Self::Policy { check, host } if host.is_empty() => write!(f, "the policy, {check}"),
            Self::Policy { check, host } => write!(f, "{host}, {check}"),
        }
    }
}

/// The key of a problem: the same problem has the same, and has one ticket.
///
/// As text `TENANT/RULE/KIND/NAME…`, parts percent-encoded, so that it sorts, compares and is stored as one string.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key {
    /// The tenant; empty for what belongs to whoever runs the console.
    pub tenant: String,
    /// The rule.
    pub rule: RuleName,
    /// What it is about.
    pub subject: Subject,
}

/// What is wrong with the text of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No such rule.
    #[error("{0:?} is not a rule; docs/rules.md lists them")]
    Rule(String),
    /// Not a key.
    #[error("{0:?} is not the key of a problem: it looks like acme/size/source/web-1/orders")]
    Form(String),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text| utf8_percent_encode(text, PART);
        write!(f, "{}/{}/", part(&self.tenant), self.rule)?;
        match &self.subject {
            Subject::Host { host } => write!(f, "host/{}", part(host)),
            Subject::Source { host, source } => write!(f, "source/{}/{}", part(host), part(source)),
            Subject::Level { host, source, level } => {
                write!(f, "level/{}/{}/{}", part(host), part(source), part(level))
            }
            Subject::Vault { vault } => write!(f, "vault/{}", part(vault)),
            Subject::Channel { channel } => write!(f, "channel/{}", part(channel)),
            Subject::Console => f.write_str("console"),
            Subject::Audit { host } => write!(f, "audit/{}", part(host)),
            Subject::Finding { host, finding } => write!(f, "finding/{}/{}", part(host), part(finding)),
            Subject::Tenant => f.write_str("tenant"),
            Subject::Policy { check, host } => write!(f, "policy/{}/{}", part(check), part(host)),
        }
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let form = || KeyError::Form(text.to_owned());
        let parts: Vec<String> = text
            .split('/')
            .map(|part| percent_decode_str(part).decode_utf8().map(|part| part.into_owned()))
            .collect::<Result<_, _>>()
            .map_err(|_| form())?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let [tenant, rule, subject @ ..] = parts.as_slice() else { return Err(form()) };
        let own = |text: &str| text.to_owned();
        let subject = match *subject {
            ["host", host] => Subject::Host { host: own(host) },
            ["source", host, source] => Subject::Source { host: own(host), source: own(source) },
            ["level", host, source, level] => {
                Subject::Level { host: own(host), source: own(source), level: own(level) }
            }
            ["vault", vault] => Subject::Vault { vault: own(vault) },
            ["channel", channel] => Subject::Channel { channel: own(channel) },
            ["console"] => Subject::Console,
            ["audit", host] => Subject::Audit { host: own(host) },
            ["finding", host, finding] => Subject::Finding { host: own(host), finding: own(finding) },
            ["tenant"] => Subject::Tenant,
            ["policy", check, host] => Subject::Policy { check: own(check), host: own(host) },
            _ => return Err(form()),
        };
        Ok(Self { tenant: own(tenant), rule: rule.parse()?, subject })
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_as_they_were_written_whatever_the_names() {
        let level = |host: &str, source: &str, level: &str| Subject::Level {
            host: host.into(),
            source: source.into(),
            level: level.into(),
        };
        let subjects = [
            level("web-1", "orders", "remote"),
            level("a/b", "%2F", ""),
            Subject::Host { host: "Größe\n<script>".into() },
            Subject::Source { host: "x".into(), source: "y z".into() },
            Subject::Vault { vault: "remote".into() },
            Subject::Channel { channel: "mail".into() },
            Subject::Console,
            Subject::Audit { host: "a/b".into() },
            Subject::Finding { host: "x".into(), finding: "folder:/srv/a b".into() },
            Subject::Tenant,
            Subject::Policy { check: "copies".into(), host: String::new() },
        ];
        for subject in subjects {
            for rule in RuleName::ALL {
                let key = Key { tenant: "acme/2".into(), rule, subject: subject.clone() };
                assert_eq!(key.to_string().parse(), Ok(key));
            }
        }
    }

    #[test]
    fn words_of_rules_are_those_that_settings_use() {
        for rule in RuleName::ALL {
            assert_eq!(serde_json::to_value(rule).ok(), Some(rule.word().into()));
        }
        assert!("acme/nosuch/console".parse::<Key>().is_err());
        assert!("acme/size/source/web-1".parse::<Key>().is_err());
    }

    #[test]
    fn a_source_covers_its_levels_and_nothing_else() {
        let source = Subject::Source { host: "h".into(), source: "s".into() };
        let level =
            |source: &str| Subject::Level { host: "h".into(), source: source.into(), level: "l".into() };
        assert!(source.covers(&source) && source.covers(&level("s")));
        assert!(!source.covers(&level("t")) && !source.covers(&Subject::Host { host: "h".into() }));
    }
}
