//! Values, as the server itself gives them. An RDB says what it holds, and nothing says whether that is what the server had: so keys are
//! read before the dump, and the server tells which of them were changed before it was over. The others must be in the RDB.
//!
//! Values are read by commands and hashed without regard to how they are stored: a server of another version or with other settings
//! keeps them in another form and order. Of a server with many keys a sample is read, never a large value.

use super::access::Access;
use super::client::{Client, Reply};
use super::error::RedisError;
use super::facts::Facts;
use super::truth::ValueTruth;
use crate::stored::unhex;
use std::collections::{BTreeMap, BTreeSet};
use vow_base::id::{hex, sha256};

/// Keys that are read at most: all of a server that has no more.
const KEYS_MAX: u64 = 1000;
/// Larger values are left out, by the server's own estimate of what they take.
const VALUE_MAX_BYTES: i64 = 64 << 10;
/// Longer keys are left out.
const KEY_MAX_BYTES: usize = 1024;
/// Keys that are asked for at once: their values have to fit into memory together.
const BATCH: usize = 50;

/// Where a server tells of keys that were changed after they had been read.
const CHANNEL: &str = "__redis__:invalidate";

/// What a user must be allowed for it.
pub(super) const RIGHTS: &str =
    "~* &__redis__:invalidate +@read +select +subscribe +client|id +client|tracking";

/// What was read, or why nothing was.
pub(super) type Values = Result<Vec<ValueTruth>, String>;

/// Values that were read before a dump, and the server's word that it will tell when one of them is changed.
pub(super) struct Watch {
    /// It has read them. When it is gone, nothing is told any more.
    reader: Client,
    /// It is told.
    listener: Client,
    values: Vec<ValueTruth>,
}

impl Watch {
    /// Reads values before the dump.
    pub(super) fn begin(access: &Access, facts: &Facts) -> Result<Result<Self, String>, RedisError> {
        let (mut listener, mut reader) = (access.connect()?, access.connect()?);
        let id = match listener.try_ask("CLIENT ID", &["CLIENT", "ID"])? {
            Reply::Number(id) => id.to_string(),
            Reply::Error(said) => return Ok(Err(said)),
            _ => return Err(listener.odd("CLIENT ID")),
        };
        if let Reply::Error(said) = listener.try_ask("SUBSCRIBE", &["SUBSCRIBE", CHANNEL])? {
            return Ok(Err(said));
        }
        let tracking = ["CLIENT", "TRACKING", "ON", "REDIRECT", id.as_str()];
        if let Reply::Error(said) = reader.try_ask("CLIENT TRACKING", &tracking)? {
            return Ok(Err(said));
        }
        let values = match sample(&mut reader, facts)? {
            Ok(values) => values,
            Err(said) => return Ok(Err(said)),
        };
        // A dump that somebody else has begun may be given to us as well, and is older than what was just read.
        if Facts::ask(&mut reader)?.get("rdb_bgsave_in_progress") != "0" {
            return Ok(Err("the server was saving its data already when the dump was asked for".into()));
        }
        Ok(Ok(Self { reader, listener, values }))
    }

    /// Those that were not changed until the dump was over.
    pub(super) fn finish(mut self) -> Result<Vec<ValueTruth>, RedisError> {
        self.reader.ask("PING", &["PING"])?;
        let mut values = self.values;
        for message in self.listener.told()? {
            let Reply::List(parts) = message else { continue };
            match parts.into_iter().nth(2) {
                Some(Reply::List(keys)) => {
                    let changed: BTreeSet<_> =
                        keys.iter().filter_map(bytes_of).map(|key| hex(&key)).collect();
                    // It does not say in which database.
                    values.retain(|value| !changed.contains(&value.key));
                }
                // Everything was.
                _ => values.clear(),
            }
        }
        Ok(values)
    }
}

/// Reads all keys of a server that has few, or some of each database.
fn sample(client: &mut Client, facts: &Facts) -> Result<Values, RedisError> {
    let keys = facts.keys();
    let total: u64 = keys.values().map(|keys| keys.keys).sum();
    let mut sampled = Vec::new();
    for (database, keys) in keys {
        if let Reply::Error(said) = client.try_ask("SELECT", &["SELECT", &database.to_string()])? {
            return Ok(Err(said));
        }
        let chosen = match total <= KEYS_MAX {
            true => all(client)?,
            false => some(client, (KEYS_MAX * keys.keys).div_ceil(total))?,
        };
        let values = match chosen {
            Ok(chosen) => read(client, database, &chosen, Some(VALUE_MAX_BYTES))?,
            Err(said) => return Ok(Err(said)),
        };
        match values {
            Ok(mut values) => sampled.append(&mut values),
            Err(said) => return Ok(Err(said)),
        }
    }
    Ok(Ok(sampled))
}

/// The values that a server has now of these keys, by database and key.
pub(super) fn now(
    client: &mut Client,
    values: &[ValueTruth],
) -> Result<BTreeMap<(u32, String), ValueTruth>, RedisError> {
    let mut found = BTreeMap::new();
    for (database, before) in by_database(values) {
        client.ask("SELECT", &["SELECT", &database.to_string()])?;
        let keys: Vec<_> = before.iter().filter_map(|value| unhex(&value.key)).collect();
        let read =
            read(client, database, &keys, None)?.map_err(|said| client.refused("reading values", said))?;
        found.extend(read.into_iter().map(|value| ((database, value.key.clone()), value)));
    }
    Ok(found)
}

fn by_database(values: &[ValueTruth]) -> BTreeMap<u32, Vec<&ValueTruth>> {
    let mut databases: BTreeMap<u32, Vec<&ValueTruth>> = BTreeMap::new();
    values.iter().for_each(|value| databases.entry(value.database).or_default().push(value));
    databases
}

/// Every key of the database.
fn all(client: &mut Client) -> Result<Result<Vec<Vec<u8>>, String>, RedisError> {
    let (mut keys, mut cursor) = (BTreeSet::new(), "0".to_owned());
    loop {
        let parts = match client.try_ask("SCAN", &["SCAN", &cursor, "COUNT", "500"])? {
            Reply::Error(said) => return Ok(Err(said)),
            Reply::List(parts) => parts,
            _ => return Err(client.odd("SCAN")),
        };
        let (Some(next), Some(Reply::List(found))) = (parts.first().and_then(Reply::text), parts.get(1))
        else {
            return Err(client.odd("SCAN"));
        };
        keys.extend(found.iter().filter_map(bytes_of));
        // It may have grown since it was counted.
        if next == "0" || keys.len() as u64 >= KEYS_MAX {
            return Ok(Ok(keys.into_iter().collect()));
        }
        cursor = next;
    }
}

/// Keys by chance.
fn some(client: &mut Client, count: u64) -> Result<Result<Vec<Vec<u8>>, String>, RedisError> {
    let ask = vec![b"RANDOMKEY".to_vec()];
    let mut keys = BTreeSet::new();
    for reply in client.all("RANDOMKEY", &vec![ask; usize::try_from(count).unwrap_or(0)])? {
        match reply {
            Reply::Error(said) => return Ok(Err(said)),
            reply => keys.extend(bytes_of(&reply)),
        }
    }
    Ok(Ok(keys.into_iter().collect()))
}

fn bytes_of(reply: &Reply) -> Option<Vec<u8>> {
    match reply {
        Reply::Text(bytes) => Some(bytes.clone()),
        _ => None,
    }
}

/// Reads these keys of the database that is selected. Those that are gone, too large, or of a type that only a module knows are left out.
fn read(
    client: &mut Client,
    database: u32,
    keys: &[Vec<u8>],
    limit_bytes: Option<i64>,
) -> Result<Values, RedisError> {
    let word = |word: &str| word.as_bytes().to_vec();
    let mut found = Vec::new();
    for keys in keys.chunks(BATCH) {
        let keys: Vec<_> = keys.iter().filter(|key| key.len() <= KEY_MAX_BYTES).collect();
        let asked: Vec<_> = keys
            .iter()
            .flat_map(|key| {
                let key = (*key).clone();
                [
                    vec![word("TYPE"), key.clone()],
                    vec![word("PTTL"), key.clone()],
                    vec![word("PEXPIRETIME"), key.clone()],
                    vec![word("MEMORY"), word("USAGE"), key],
                ]
            })
            .collect();
        let about = client.all("TYPE", &asked)?;
        let mut wanted = Vec::new();
        for (key, about) in keys.into_iter().zip(about.chunks(4)) {
            if let [Reply::Error(said), ..] | [_, Reply::Error(said), ..] | [.., Reply::Error(said)] = about {
                return Ok(Err(said.clone()));
            }
            let [Reply::Simple(kind), Reply::Number(left), until, Reply::Number(bytes)] = about else {
                continue;
            };
            let Some(command) = reading(kind, key) else { continue };
            if limit_bytes.is_none_or(|limit| *bytes <= limit) {
                wanted.push((key, kind.clone(), expiry(*left, until), command));
            }
        }
        let commands: Vec<_> = wanted.iter().map(|(.., command)| command.clone()).collect();
        for ((key, kind, expires_ms, _), value) in
            wanted.into_iter().zip(client.all("reading values", &commands)?)
        {
            match value {
                // It became another type in this moment.
                Reply::Error(said) if said.starts_with("WRONGTYPE") => {}
                Reply::Error(said) => return Ok(Err(said)),
                Reply::Nothing => {}
                value => {
                    let digest = hex(&sha256(&canonical(&kind, value))[..16]);
                    found.push(ValueTruth { database, key: hex(key), kind, expires_ms, digest });
                }
            }
        }
    }
    Ok(Ok(found))
}

/// When it goes, in milliseconds of the epoch: -1 for never, `None` when a server older than 7.0 only says that it does.
fn expiry(left: i64, until: &Reply) -> Option<i64> {
    match until {
        Reply::Number(until) => Some(*until),
        _ if left == -1 => Some(-1),
        _ => None,
    }
}

fn reading(kind: &str, key: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (command, rest): (&str, &[&str]) = match kind {
        "string" => ("GET", &[]),
        "list" => ("LRANGE", &["0", "-1"]),
        "set" => ("SMEMBERS", &[]),
        "hash" => ("HGETALL", &[]),
        "zset" => ("ZRANGE", &["0", "-1", "WITHSCORES"]),
        "stream" => ("XRANGE", &["-", "+"]),
        _ => return None,
    };
    let words = [command.as_bytes(), key].into_iter().chain(rest.iter().map(|word| word.as_bytes()));
    Some(words.map(<[u8]>::to_vec).collect())
}

/// A value as bytes that depend on nothing but what it is.
fn canonical(kind: &str, value: Reply) -> Vec<u8> {
    let mut parts = match value {
        Reply::List(parts) => parts,
        value => vec![value],
    };
    let width = match kind {
        "hash" | "zset" => 2,
        _ => 1,
    };
    if kind == "zset" {
        parts.iter_mut().skip(1).step_by(2).for_each(|score| *score = score_of(score));
    }
    let mut items: Vec<Vec<u8>> = parts.chunks(width).map(encoded).collect();
    if matches!(kind, "set" | "hash" | "zset") {
        items.sort_unstable();
    }
    let mut bytes = encoded(&[Reply::Text(kind.as_bytes().to_vec())]);
    items.iter().for_each(|item| bytes.extend_from_slice(item));
    bytes
}

/// Servers write the same number in different ways.
fn score_of(score: &Reply) -> Reply {
    match score.text().and_then(|text| text.parse::<f64>().ok()) {
        Some(number) => Reply::Text(number.to_bits().to_be_bytes().to_vec()),
        None => score.clone(),
    }
}

/// Replies one after the other, each with its length.
fn encoded(replies: &[Reply]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for reply in replies {
        let (mark, content) = match reply {
            Reply::Text(text) => (b't', text.clone()),
            Reply::List(parts) => (b'l', encoded(parts)),
            Reply::Simple(text) | Reply::Error(text) => (b's', text.as_bytes().to_vec()),
            Reply::Number(number) => (b'n', number.to_be_bytes().to_vec()),
            Reply::Nothing => (b'0', Vec::new()),
        };
        bytes.push(mark);
        bytes.extend_from_slice(&(content.len() as u64).to_be_bytes());
        bytes.extend_from_slice(&content);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Reply {
        Reply::List(words.iter().map(|word| Reply::Text(word.as_bytes().to_vec())).collect())
    }

    #[test]
    fn the_order_counts_where_it_means_something() {
        let same = |kind: &str, one: &[&str], other: &[&str]| {
            canonical(kind, list(one)) == canonical(kind, list(other))
        };
        assert!(same("set", &["a", "b"], &["b", "a"]));
        assert!(same("hash", &["f", "1", "g", "2"], &["g", "2", "f", "1"]));
        assert!(!same("hash", &["f", "1", "g", "2"], &["f", "2", "g", "1"]));
        assert!(same("zset", &["a", "1.5", "b", "3"], &["b", "3.0", "a", "1.5000"]));
        assert!(!same("zset", &["a", "1.5"], &["a", "1.25"]));
        assert!(!same("list", &["a", "b"], &["b", "a"]));
        // Where one item ends and the next begins counts as well.
        assert!(!same("set", &["ab", "c"], &["a", "bc"]));
        assert!(canonical("set", list(&["a"])) != canonical("list", list(&["a"])));
        let entry = |id: &str, value: &str| Reply::List(vec![list(&[id]), list(&["f", value])]);
        let stream =
            |value: &str| canonical("stream", Reply::List(vec![entry("1-1", "v"), entry("2-1", value)]));
        assert!(stream("v") == stream("v") && stream("v") != stream("w"));
    }

    #[test]
    fn when_a_key_goes_is_known_or_not() {
        assert_eq!(expiry(-1, &Reply::Number(-1)), Some(-1));
        assert_eq!(expiry(500, &Reply::Number(1_795_826_304_000)), Some(1_795_826_304_000));
        let unknown = Reply::Error("ERR unknown command".into());
        assert_eq!((expiry(-1, &unknown), expiry(500, &unknown)), (Some(-1), None));
    }
}
