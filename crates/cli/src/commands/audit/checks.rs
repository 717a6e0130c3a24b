//! The checks of an audit besides coverage: databases, keys, levels, and the attack.

use crate::backing::Levels;
use crate::commands::discover::{Cover, files_source};
use crate::level;
use crate::looking::Look;
use crate::reporting::last_run;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vow_agent::audit::{Finding, Offer, Severity};
use vow_agent::plan::{Config, Place};
use vow_agent::reporting::now_secs;
use vow_base::id::hex;
use vow_base::manifest::Manifest;
use vow_base::sign::SigningKey;
use vow_protocol::RemoteVault;
use vow_protocol::client::{Attacked, Prey};
use vow_protocol::report::Outcome;
use vow_sources::adapter::{Discovered, Part};

fn finding(name: String, check: &'static str, severity: Severity, text: String, hint: &str) -> Finding {
    Finding { finding: name, check, severity, text, hint: hint.to_owned(), offer: None, waived: None }
}

/// Databases that no source captures.
pub(super) fn databases(look: &Look<'_>) -> Vec<Finding> {
    let one = |(server, part, cover): (&Discovered, &Part, Cover<'_>)| {
        let what = match server.kind {
            "sqlite" => server.name.clone(),
            _ => format!("the database {} of {}", part.name, server.name),
        };
        let name = match server.kind {
            "sqlite" => format!("database:{}", place(server)),
            _ => format!("database:{}/{}", place(server), part.name),
        };
        let (text, severity) = match cover {
            Cover::By(_) => return None,
            Cover::Excluded(source) => {
                let text = format!("{what} is left out by the source {source}");
                let hint = "accept it with a [[waiver]], or take it out of `exclude`";
                return Some(finding(name, "coverage", Severity::Low, text, hint));
            }
            Cover::Nobody => match (&part.problem, files_source(look.sources, server)) {
                (Some(problem), _) => (format!("{what} cannot be captured: {problem}"), Severity::High),
                // Of a file that nobody has open a copy is whole.
                (None, Some(files)) if server.kind == "sqlite" => {
                    let text = format!(
                        "{what} is captured by the source {files} as a file only: a copy made while it is written to may be worth nothing"
                    );
                    (text, if server.running { Severity::High } else { Severity::Low })
                }
                (None, _) => (format!("{what} is captured by no source"), Severity::High),
            },
        };
        let offer = Offer::server(server);
        let hint = match &offer {
            Some(_) => "add the lines offered to vow.toml, or accept it with a [[waiver]]".to_owned(),
            None => format!(
                "add a [[source]] of type \"{}\" (docs/sources.md), or accept it with a [[waiver]]",
                server.kind
            ),
        };
        Some(Finding { offer, ..finding(name, "coverage", severity, text, &hint) })
    };
    look.databases().filter_map(one).collect()
}

/// What names a server as long as it is the same one: not its version, which changes.
fn place(server: &Discovered) -> String {
    let data = || server.data.as_ref().map(|data| data.display().to_string());
    let at = match server.kind {
        "postgres" | "mariadb" | "sqlite" | "ldap" => data(),
        _ => server.url.clone().or_else(data),
    };
    format!("{} {}", server.kind, at.unwrap_or_else(|| server.name.clone()))
}

/// Servers that no source captures and whose databases cannot even be listed.
pub(super) fn servers(look: &Look<'_>) -> Vec<Finding> {
    let one = |server: &Discovered| {
        let why = server.problems.first().filter(|_| server.running && server.parts.is_empty())?;
        if look.sources.iter().any(|source| source.capture.covers(server)) {
            return None;
        }
        let text = format!("{} is captured by no source: {why}", server.name);
        let hint = format!(
            "add a [[source]] of type \"{}\" with an account that may read everything (docs/sources.md), or accept it with a [[waiver]]",
            server.kind
        );
        Some(finding(format!("server:{}", place(server)), "coverage", Severity::High, text, &hint))
    };
    look.servers.iter().filter_map(one).collect()
}

/// What to do about a recovery key on the machine that it is for.
pub(crate) const MOVE_IT: &str =
    "copy it to two safe places and remove it here; bring it back only to restore";

/// Whether the recovery kit that was made with the plan still lies beside it: whoever takes the machine over could read every backup.
pub(super) fn recovery_key(config: &Config) -> Option<Finding> {
    let kit = config.recovery_key()?;
    let text = format!("the recovery key lies on this machine: {}", kit.display());
    Some(finding("recovery-key".into(), "keys", Severity::High, text, MOVE_IT))
}

/// Sources whose last run failed.
pub(super) fn last_runs(config: &Config) -> Vec<Finding> {
    let one = |source: &vow_agent::plan::SourcePlan| {
        let run = last_run(&config.state, &source.name)?;
        let why = run.error.filter(|_| run.outcome == Outcome::Failed)?;
        let text = format!("the last run of {} failed: {why}", source.name);
        let hint = run.hint.unwrap_or_else(|| format!("run `vow backup {}`", source.name));
        Some(finding(format!("run:{}", source.name), "levels", Severity::High, text, &hint))
    };
    config.sources.iter().filter_map(one).collect()
}

/// Whether the newest snapshot of each source is sealed to whom the plan says, and to nobody else.
pub(super) fn recipients(config: &Config, newest: &[Manifest]) -> Vec<Finding> {
    let wanted: BTreeSet<Vec<u8>> =
        config.recipients.iter().map(|recipient| recipient.fingerprint().to_vec()).collect();
    let one = |source: &vow_agent::plan::SourcePlan| {
        let name = format!("keys:{}", source.name);
        let Some(manifest) = newest.iter().find(|manifest| manifest.source == source.name) else {
            let text = format!("no snapshot of {} is known on this host", source.name);
            return Some(finding(name, "keys", Severity::High, text, "run `vow backup`"));
        };
        let sealed: BTreeSet<Vec<u8>> = manifest.recipients.iter().map(|print| print.to_vec()).collect();
        if sealed == wanted {
            return None;
        }
        let list =
            |prints: Vec<&Vec<u8>>| prints.into_iter().map(|print| hex(print)).collect::<Vec<_>>().join(", ");
        let (lacks, extra) =
            (list(wanted.difference(&sealed).collect()), list(sealed.difference(&wanted).collect()));
        let mut text = format!("the newest snapshot of {} is not sealed to whom the plan says:", source.name);
        if !lacks.is_empty() {
            text.push_str(&format!(" {lacks} cannot open it;"));
        }
        if !extra.is_empty() {
            text.push_str(&format!(" {extra} can, and is not in the plan;"));
        }
        let hint = "find out who changed the recipients; when the plan is right, run `vow backup`: the next snapshot is sealed to its recipients";
        Some(finding(name, "keys", Severity::Critical, text.trim_end_matches(';').to_owned(), hint))
    };
    config.sources.iter().filter_map(one).collect()
}

/// Whether every level can be reached and shows what it signed, and whether one is out of this machine's reach.
pub(super) fn levels(config: &Config, levels: &Levels) -> Vec<Finding> {
    let away = |(name, failure): (&str, &crate::failure::Failure)| {
        let hint = failure.hint.clone().unwrap_or_else(|| "bring it back".to_owned());
        finding(
            format!("level:{name}"),
            "levels",
            Severity::High,
            format!("the vault {name}: {}", failure.line()),
            &hint,
        )
    };
    let mut found: Vec<_> = levels.troubles().map(away).collect();
    for (name, failure) in levels.contradictions() {
        let (text, hint) = (
            format!("the vault {name} contradicts itself: {}", failure.line()),
            failure.hint.unwrap_or_default(),
        );
        found.push(finding(format!("contradiction:{name}"), "levels", Severity::Critical, text, &hint));
    }
    if config.vaults.iter().all(|vault| matches!(vault.place, Place::Folder(_))) {
        let text = "every vault of the plan is a folder of this machine: whoever is root here can remove all of them";
        let hint = "join a vault behind an address: `vow vault join TOKEN`";
        found.push(finding("level:remote".into(), "levels", Severity::High, text.into(), hint));
    }
    found
}

/// Tries what this host must not be able to do, against every vault behind an address. Also what was tried, for the record.
pub(super) fn attacks(config: &Config, key: &SigningKey, levels: &Levels) -> (Vec<Finding>, Vec<Value>) {
    let (mut found, mut tried) = (Vec::new(), Vec::new());
    for vault in &config.vaults {
        let (Place::Address(address), Some(pin)) = (&vault.place, vault.fingerprint) else { continue };
        let unclear = |why: String| {
            let text = format!("that the vault {} is write-only could not be proven: {why}", vault.name);
            finding(
                format!("attack:{}", vault.name),
                "write-only",
                Severity::High,
                text,
                "bring the vault back, and run `vow audit` again",
            )
        };
        let remote = match RemoteVault::new(address, pin, key, level::options(vault)) {
            Ok(remote) => remote,
            Err(error) => {
                found.push(unclear(error.to_string()));
                continue;
            }
        };
        let prey = Prey {
            list: Prey::list(&key.public().host_id(), u64::try_from(now_secs()).unwrap_or_default()),
            manifest: levels.example(&vault.name),
        };
        let mut first_unclear = None;
        for attempt in remote.attack(&prey) {
            let (outcome, said) = match &attempt.outcome {
                Attacked::Refused => ("refused", None),
                Attacked::Yielded(said) => ("yielded", Some(said.clone())),
                Attacked::Unclear(said) => ("unclear", Some(said.clone())),
            };
            match attempt.outcome {
                Attacked::Refused => {}
                Attacked::Yielded(said) => {
                    let text = format!("the vault {} lets this host {}: {said}", vault.name, attempt.what);
                    let hint = "it is not write-only: treat it as lost to an intruder, and have its operator look at once";
                    found.push(finding(
                        format!("write-only:{}/{}", vault.name, attempt.what),
                        "write-only",
                        Severity::Critical,
                        text,
                        hint,
                    ));
                }
                Attacked::Unclear(why) => drop(first_unclear.get_or_insert(why)),
            }
            tried.push(
                json!({"vault": vault.name, "attempt": attempt.what, "outcome": outcome, "said": said}),
            );
        }
        found.extend(first_unclear.map(unclear));
    }
    (found, tried)
}
