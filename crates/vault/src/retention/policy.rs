//! The rules of a whole vault: its own, and what single tenants have instead. Read from a strict text, printed canonically.
//!
//! A version of the policy came into force when the vault's ledger says so, and goes on protecting for a while after it was replaced.

use super::rules::{RULES, Rule, Rules, Value};
use super::term::BadTerm;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use vow_base::clock::Nanos;

/// The longest text of a policy that is read, in bytes.
pub const TEXT_LIMIT_BYTES: usize = 64 << 10;
const NAME_LIMIT_CHARS: usize = 64;

/// The rules of a vault.
///
/// As text: a line for each rule that differs from the default, and a table for each tenant with the rules it has of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    rules: Rules,
    /// By tenant: what it has of its own, by place in [`RULES`].
    tenants: BTreeMap<String, BTreeMap<usize, Value>>,
}

/// What is wrong with the text of a policy, and where.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}, column {column}: {reason}")]
pub struct BadPolicy {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: String,
}

/// A policy and since when it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The rules.
    pub policy: Policy,
    /// Since when, by the vault's clock. A policy that replaces another one sets its end.
    pub since: Nanos,
}

/// Rules that still decide: those in force, or replaced so recently that they go on protecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// The rules of one tenant.
    pub rules: Rules,
    /// Until when they protect; `None` for those in force now.
    pub until: Option<Nanos>,
}

impl Version {
    /// What holds before any policy was set: the defaults, since ever.
    pub fn first() -> Self {
        Self { policy: Policy::default(), since: Nanos::MIN }
    }

    /// The rules that decide for a tenant at `now`: first those in force, then, newest first, those replaced that still protect.
    ///
    /// `versions` are in ledger order. Each goes on protecting for its own `tighten_after`; so shortening that is itself a
    /// tightening that has to wait.
    pub fn deciding(versions: &[Self], tenant: &str, now: Nanos) -> Vec<InForce> {
        let Some((current, _)) = versions.split_last() else {
            return vec![InForce { rules: Rules::DEFAULT, until: None }];
        };
        let mut deciding = vec![InForce { rules: current.policy.rules(tenant), until: None }];
        for pair in versions.windows(2).rev() {
            let rules = pair[0].policy.rules(tenant);
            let until = rules.tighten_after.after(pair[1].since);
            if now < until {
                deciding.push(InForce { rules, until: Some(until) });
            }
        }
        deciding
    }
}

impl Policy {
    /// Whether this tenant has rules of its own.
    pub fn names(&self, tenant: &str) -> bool {
        self.tenants.contains_key(tenant)
    }

    /// The rules for one tenant.
    pub fn rules(&self, tenant: &str) -> Rules {
        let mut rules = self.rules;
        for (at, value) in self.tenants.get(tenant).into_iter().flatten() {
            RULES[*at].set(&mut rules, *value);
        }
        rules
    }

    /// Reads a text: unknown rules, wrong kinds and values out of bounds are errors.
    pub fn parse(text: &str) -> Result<Self, BadPolicy> {
        Self::read(text).map_err(|(at, reason)| {
            let before = text.get(..at.start).unwrap_or(text);
            let line_start = before.rfind('\n').map_or(0, |end| end + 1);
            let column = before[line_start..].chars().count() + 1;
            BadPolicy { line: before.matches('\n').count() + 1, column, reason }
        })
    }

    fn read(text: &str) -> Result<Self, Fault> {
        if text.len() > TEXT_LIMIT_BYTES {
            return Err((0..0, format!("a policy is at most {TEXT_LIMIT_BYTES} bytes long")));
        }
        let table = DeTable::parse(text).map_err(|error| {
            // Only the first line: the others may quote the text.
            let reason = error.message().lines().next().unwrap_or("not TOML").to_owned();
            (error.span().unwrap_or(0..0), reason)
        })?;
        let mut policy = Self::default();
        for (key, value) in table.get_ref() {
            if key.get_ref() == "tenant" {
                policy.tenants = read_tenants(value)?;
            } else {
                let (at, found) = read_rule(key, value)?;
                RULES[at].set(&mut policy.rules, found);
            }
        }
        Ok(policy)
    }
}

/// Every rule of the vault, then for each tenant those it has of its own. The same policy gives the same text.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in &RULES {
            writeln!(f, "{} = {}", rule.key, rule.get(&self.rules))?;
        }
        for (tenant, own) in &self.tenants {
            // Names are of characters that need no quotes, but for the dot.
            let quote = if tenant.contains('.') { "\"" } else { "" };
            writeln!(f, "\n[tenant.{quote}{tenant}{quote}]")?;
            for (at, value) in own {
                writeln!(f, "{} = {value}", RULES[*at].key)?;
            }
        }
        Ok(())
    }
}

/// Where, and what is wrong.
type Fault = (Range<usize>, String);
type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;
type Entry<'i> = Spanned<DeValue<'i>>;

fn read_tenants(value: &Entry<'_>) -> Result<BTreeMap<String, BTreeMap<usize, Value>>, Fault> {
    let reason = "rules of a tenant stand in a table: [tenant.NAME]";
    let tenants = value.get_ref().as_table().ok_or_else(|| (value.span(), reason.to_owned()))?;
    let mut read = BTreeMap::new();
    for (name, value) in tenants {
        if !is_name(name.get_ref()) {
            let reason = format!(
                "{:?} is not the name of a tenant: 1 to {NAME_LIMIT_CHARS} characters of a-z, 0-9, '.', '_' and '-', \
                 starting with a letter or digit",
                name.get_ref()
            );
            return Err((name.span(), reason));
        }
        let own = value.get_ref().as_table().ok_or_else(|| (value.span(), reason.to_owned()))?;
        let own = own.iter().map(|(key, value)| read_rule(key, value)).collect::<Result<_, _>>()?;
        read.insert(name.get_ref().to_string(), own);
    }
    Ok(read)
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let first = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    first && name.len() <= NAME_LIMIT_CHARS && name.chars().all(allowed)
}

/// A rule's place in [`RULES`], and its value.
fn read_rule(key: &Key<'_>, value: &Entry<'_>) -> Result<(usize, Value), Fault> {
    let known = RULES.iter().enumerate().find(|(_, rule)| rule.key == key.get_ref());
    let Some((at, rule)) = known else {
        let rules: Vec<_> = RULES.iter().map(|rule| rule.key).collect();
        return Err((
            key.span(),
            format!("there is no rule {:?}; the rules are {}", key.get_ref(), rules.join(", ")),
        ));
    };
    let found = read_value(rule, value).map_err(|reason| (value.span(), reason))?;
    if found < rule.least || found > rule.most {
        return Err((value.span(), format!("{} is {} to {}", rule.key, rule.least, rule.most)));
    }
    Ok((at, found))
}

fn read_value(rule: &Rule, value: &Entry<'_>) -> Result<Value, String> {
    match value.get_ref() {
        DeValue::String(text) if rule.is_term() => {
            text.parse().map(Value::Term).map_err(|bad: BadTerm| format!("{}: {bad}", rule.key))
        }
        DeValue::Integer(number) if !rule.is_term() => {
            let digits = number.as_str().replace('_', "");
            // What does not fit into an i64 is out of every bound, and so is what does not fit into an u32.
            let number = i64::from_str_radix(&digits, number.radix()).unwrap_or(i64::MAX);
            let out = || format!("{} is {} to {}", rule.key, rule.least, rule.most);
            u32::try_from(number).map(Value::Number).map_err(|_| out())
        }
        _ if rule.is_term() => {
            Err(format!("{} is a length of time in quotes, as in {}", rule.key, rule.get(&Rules::DEFAULT)))
        }
        _ => Err(format!("{} is a whole number, as in {}", rule.key, rule.get(&Rules::DEFAULT))),
    }
}

#[cfg(test)]
mod tests;
