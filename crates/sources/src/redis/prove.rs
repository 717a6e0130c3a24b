//! Proving a snapshot: a scratch server loads its RDB, and has what the truth says.

use super::client::{Client, Reply};
use super::error::RedisError;
use super::facts::{Facts, functions};
use super::scratch::{Scratch, truth_of, users_of};
use super::truth::{DatabaseTruth, Truth};
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
        same(proof, now.contains(line), || format!("the user {name:?} came back with other rights"));
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

#[cfg(test)]
mod tests {
    use super::rules;

    #[test]
    fn selectors_stay_together() {
        let line = "user bob on #ab sanitize-payload ~a:* resetchannels -@all +get (~b:* +set +get)";
        let expected =
            ["on", "#ab", "sanitize-payload", "~a:*", "resetchannels", "-@all", "+get", "(~b:* +set +get)"];
        assert_eq!(rules(line), expected);
        assert!(rules("user bob").is_empty());
    }
}
