//! What a server has besides its keys: users, the settings in effect, and the files that those come from.

use super::access::Access;
use super::capture::{Files, problem};
use super::client::{Client, Reply};
use super::error::RedisError;
use super::facts::Facts;
use super::truth::USERS;
use super::url::Place;
use crate::stored::text_of;
use serde_json::{Map, Value};
use std::io::Read;
use std::path::Path;
use vow_store::source::Found;

/// Configuration files larger than this are not read.
const FILE_LIMIT_BYTES: u64 = 16 << 20;

/// ACL users, with the hashes of their passwords.
pub(super) fn users(
    client: &mut Client,
    files: &mut Files,
    found: &mut Vec<Found>,
) -> Result<Option<Vec<String>>, RedisError> {
    match client.try_ask("ACL LIST", &["ACL", "LIST"])? {
        Reply::Error(said) if said.contains("unknown command") => {
            found.push(Found::Note("this server is older than 6.0 and has no ACL users".into()));
            Ok(Some(Vec::new()))
        }
        Reply::Error(said) => {
            found.push(problem(
                USERS,
                format!("the ACL users may not be read by this user and are missing: {said}"),
            ));
            Ok(None)
        }
        reply => {
            let lines = reply.texts();
            let names = lines.iter().filter_map(|line| line.split(' ').nth(1).map(str::to_owned)).collect();
            files.insert(USERS, (lines.join("\n") + "\n").into_bytes());
            Ok(Some(names))
        }
    }
}

/// The settings in effect, and the files they came from.
pub(super) fn settings(
    client: &mut Client,
    access: &Access,
    facts: &Facts,
    files: &mut Files,
    found: &mut Vec<Found>,
) -> Result<(), RedisError> {
    let mut external = None;
    match client.try_ask("CONFIG GET", &["CONFIG", "GET", "*"])? {
        Reply::Error(said) => {
            found.push(problem(
                "config.json",
                format!("the settings may not be read by this user and are missing: {said}"),
            ));
        }
        reply => {
            let texts = reply.texts();
            let pairs = texts.chunks_exact(2).map(|pair| (pair[0].clone(), Value::from(pair[1].clone())));
            let settings: Map<_, _> = pairs.collect();
            external = settings
                .get("aclfile")
                .and_then(Value::as_str)
                .filter(|path| !path.is_empty())
                .map(str::to_owned);
            files.insert("config.json", text_of(&settings).map_err(RedisError::Unfit)?);
        }
    }
    let is_here = match &access.url.place {
        Place::Socket(_) => true,
        Place::Port(host, _) => matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1"),
    };
    let named = [
        ("redis.conf", Some(facts.get("config_file").to_owned()).filter(|path| !path.is_empty())),
        ("redis.aclfile", external),
    ];
    for (name, path) in named {
        let Some(path) = path else { continue };
        if !is_here {
            found.push(Found::Note(format!(
                "{path} is on another machine: not captured, but the settings in effect are"
            )));
            continue;
        }
        match read_limited(Path::new(&path)) {
            Ok(bytes) => {
                files.insert(name, bytes);
            }
            Err(error) => found.push(problem(name, format!("{path} cannot be read: {error}"))),
        }
    }
    Ok(())
}

fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > FILE_LIMIT_BYTES {
        true => Err(std::io::Error::other("it is too long for a configuration")),
        false => Ok(bytes),
    }
}
