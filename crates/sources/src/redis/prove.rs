//! Proving a snapshot: a scratch server loads its RDB, and has what the truth says.

use super::client::{Client, Reply};
use super::error::RedisError;
use super::facts::{Facts, functions};
use super::scratch::{Scratch, truth_of, users_of};
use super::truth::{DatabaseTruth, Truth};
use super::values;
use crate::adapter::{Proof, Stop};
use std::path::Path;
use std::time::Instant;
use vow_store::archive::Snapshot;

/// What is done to an RDB before it is loaded, and to the server that has loaded it, to see whether it is noticed.
pub(super) trait Damage {
    /// Damages the file, or leaves it as it is.
    fn file(&mut self, _truth: &Truth, _dump: &Path) -> Result<(), RedisError> {
        Ok(())
    }

    /// Damages what was loaded, or leaves it as it is.
    fn server(&mut self, _truth: &Truth, _client: &mut Client) -> Result<(), RedisError> {
        Ok(())
    }
}

/// No damage.
pub(super) struct Unharmed;

impl Damage for Unharmed {}

/// Restores a snapshot below `place` and compares it.
pub(crate) fn prove(snapshot: &Snapshot, place: &Path, stop: Stop<'_>) -> Result<Proof, RedisError> {
    prove_with(snapshot, place, &mut Unharmed, stop)
}

/// The same, with damage in between.
pub(super) fn prove_with(
    snapshot: &Snapshot,
    place: &Path,
    damage: &mut dyn Damage,
    stop: Stop<'_>,
) -> Result<Proof, RedisError> {
    let truth = truth_of(snapshot)?;
    let mut proof = Proof { bytes: truth.bytes, ..Proof::default() };
    let began = Instant::now();
    let scratch = match Scratch::start_with(snapshot, &truth, place, damage, stop) {
        Ok(scratch) => scratch,
        Err(RedisError::Unfit(why)) => {
            proof.problems.push(why);
            return Ok(proof);
        }
        Err(error @ (RedisError::Lacking(_) | RedisError::Missing { .. })) => {
            proof.blocked.push(error.to_string());
            return Ok(proof);
        }
        Err(error) => return Err(error),
    };
    proof.restore_secs = began.elapsed().as_secs_f64();
    let mut client = scratch.connect()?;
    damage.server(&truth, &mut client)?;
    keys(&mut proof, &truth, &Facts::ask(&mut client)?);
    values(&mut proof, &truth, &mut client)?;
    libraries(&mut proof, &truth, &mut client)?;
    users(&mut proof, &users_of(snapshot)?, &mut client)?;
    Ok(proof)
}

fn same(proof: &mut Proof, same: bool, problem: impl FnOnce() -> String) {
    if same {
        proof.compared += 1;
    } else {
        proof.problems.push(problem());
    }
}

fn keys(proof: &mut Proof, truth: &Truth, facts: &Facts) {
    let now = facts.keys();
    let there: u64 = now.values().map(|keys| keys.keys).sum();
    match facts.0.contains_key("rdb_last_load_keys_loaded") {
        true => {
            let (loaded, expired) =
                (facts.number("rdb_last_load_keys_loaded"), facts.number("rdb_last_load_keys_expired"));
            same(proof, loaded + expired == truth.keys, || {
                format!("{loaded} keys were loaded and {expired} had expired: the RDB had {}", truth.keys)
            });
            if expired > 0 {
                proof.notes.push(format!("{expired} keys had expired and were not loaded"));
            }
        }
        // Older servers do not count what they load; what has a time to live may be gone.
        false => {
            same(proof, there <= truth.keys && there >= truth.keys - truth.expires.min(truth.keys), || {
                format!("{there} keys came back, and the RDB had {}", truth.keys)
            })
        }
    }
    let mut moved = 0;
    for DatabaseTruth { database, before, after } in &truth.databases {
        if before != after {
            moved += 1;
            continue;
        }
        let found = now.get(database).copied().unwrap_or_default();
        let allowed = before.keys.saturating_sub(before.expires)..=before.keys;
        same(proof, allowed.contains(&found.keys), || {
            format!("database {database} has {} keys and had {}", found.keys, before.keys)
        });
    }
    if moved > 0 {
        proof.notes.push(format!(
            "{moved} databases changed while they were dumped: only the number of all keys was compared"
        ));
    }
}

/// What the server gave before the dump and after it, it must give now.
fn values(proof: &mut Proof, truth: &Truth, client: &mut Client) -> Result<(), RedisError> {
    let mut now = values::now(client, &truth.values)?;
    let texts = client.ask("TIME", &["TIME"])?.texts();
    let secs = texts.first().and_then(|secs| secs.parse::<i64>().ok()).ok_or_else(|| client.odd("TIME"))?;
    // By its own clock, of which only whole seconds are asked for.
    let is_over = |expires_ms: Option<i64>| expires_ms.is_none_or(|at| at >= 0 && at / 1000 <= secs);
    let mut compared = 0_u64;
    for (number, before) in truth.values.iter().enumerate() {
        let (database, kind) = (before.database, &before.kind);
        // A key may be somebody's name: it stands in the snapshot and in no report.
        let key = format!("key {number} of truth.json");
        let Some(found) = now.remove(&(database, before.key.clone())) else {
            if !is_over(before.expires_ms) {
                proof.problems.push(format!("database {database}: {key}, a {kind}, did not come back"));
            }
            continue;
        };
        compared += 1;
        same(proof, (&found.kind, &found.digest) == (kind, &before.digest), || {
            format!("database {database}: {key}, a {kind}, came back with another value")
        });
        let times = (before.expires_ms, found.expires_ms);
        if let (Some(then), Some(now)) = times
            && then != now
        {
            proof
                .problems
                .push(format!("database {database}: {key}, a {kind}, came back with another time to live"));
        }
    }
    proof.notes.push(match truth.values.is_empty() {
        true => "no value was compared with one that the server gave: the RDB was only checked by its own checksum".to_owned(),
        false => format!("the values of {compared} of {} keys were compared with what the server gave", truth.keys),
    });
    Ok(())
}

fn libraries(proof: &mut Proof, truth: &Truth, client: &mut Client) -> Result<(), RedisError> {
    let there = functions(client)?.unwrap_or_default();
    for name in &truth.functions {
        same(proof, there.contains(name), || format!("the functions of library {name:?} did not come back"));
    }
    Ok(())
}

/// A user is back when the scratch server takes it and then says the same of it.
fn users(proof: &mut Proof, lines: &[String], client: &mut Client) -> Result<(), RedisError> {
    for line in lines.iter().filter(|line| line.starts_with("user ")) {
        let name = line.split(' ').nth(1).unwrap_or_default().to_owned();
        // The rules of the default user would lock us out.
        if name == "default" {
            continue;
        }
        let words: Vec<_> = ["ACL", "SETUSER", &name].into_iter().chain(rules(line)).collect();
        if let Reply::Error(said) = client.try_ask("ACL SETUSER", &words)? {
            proof.problems.push(format!("the user {name:?} cannot be made again: {said}"));
            continue;
        }
        let now = client.ask("ACL LIST", &["ACL", "LIST"])?.texts();
        let (start, wanted) = (format!("user {name} "), unordered(line));
        let is_back = now.iter().any(|other| other.starts_with(&start) && unordered(other) == wanted);
        same(proof, is_back, || format!("the user {name:?} came back with other rights"));
    }
    Ok(())
}

/// The rules in a line of `ACL LIST`. Selectors in parentheses are one rule each.
pub(crate) fn rules(line: &str) -> Vec<&str> {
    let Some(rest) = line.splitn(3, ' ').nth(2) else { return Vec::new() };
    let (mut rules, mut from, mut depth) = (Vec::new(), 0, 0);
    for (at, c) in rest.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ' ' if depth == 0 => {
                rules.push(&rest[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    rules.push(&rest[from..]);
    rules.retain(|rule| !rule.is_empty());
    rules
}

/// The same without the order: a server lists commands in one that is another each time it is started.
fn unordered(line: &str) -> Vec<String> {
    let sorted = |selector: &str| {
        let mut rules: Vec<_> = selector.split(' ').collect();
        rules.sort_unstable();
        format!("({})", rules.join(" "))
    };
    let inner = |rule: &str| Some(sorted(rule.strip_prefix('(')?.strip_suffix(')')?));
    let mut all: Vec<_> =
        rules(line).into_iter().map(|rule| inner(rule).unwrap_or_else(|| rule.to_owned())).collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::{rules, unordered};

    #[test]
    fn rights_are_the_same_in_any_order() {
        let of = |rules: &str| unordered(&format!("user bk on nopass {rules}"));
        assert_eq!(of("-@all +get +acl|list (~b:* +set +get)"), of("-@all +acl|list +get (~b:* +get +set)"));
        assert_ne!(of("-@all +get"), of("-@all +get +set"));
        assert_ne!(of("-@all (~b:* +set)"), of("-@all ~b:* +set"));
    }

    #[test]
    fn selectors_stay_together() {
        let line = "user bob on #ab sanitize-payload ~a:* resetchannels -@all +get (~b:* +set +get)";
        let expected =
            ["on", "#ab", "sanitize-payload", "~a:*", "resetchannels", "-@all", "+get", "(~b:* +set +get)"];
        assert_eq!(rules(line), expected);
        assert!(rules("user bob").is_empty());
    }
}
