//! Damage done on purpose to an RDB before it is loaded, and to a server that has loaded it: a proof that does not notice it is worth
//! nothing.

use super::client::{Client, Reply};
use super::error::RedisError;
use super::prove::{Damage, prove_with};
use super::truth::{Truth, ValueTruth};
use crate::adapter::{Stop, Tried};
use crate::stored::unhex;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use vow_store::archive::Snapshot;

/// Restores the snapshot, damages it, and says what the proof made of that.
pub(super) fn sabotage(snapshot: &Snapshot, place: &Path, stop: Stop<'_>) -> Result<Vec<Tried>, RedisError> {
    let mut tried = Vec::new();
    let does_not_load = "does not load the RDB";
    for (name, how) in [("truncated dump", InFile::Cut), ("flipped bit in the dump", InFile::Flipped)] {
        let mut damage = Done { in_file: Some(how), ..Done::default() };
        let proof = prove_with(snapshot, place, &mut damage, stop)?;
        // A server may be told not to check the checksum of an RDB that has none; then what is loaded differs.
        if !damage.useless {
            tried.push(Tried::new(name, String::new(), does_not_load, &proof).about("dump.rdb"));
        }
    }
    for in_server in [InServer::Lost, InServer::Changed] {
        let mut damage = Done { in_server: Some(in_server), ..Done::default() };
        let proof = prove_with(snapshot, place, &mut damage, stop)?;
        for (name, object, words) in damage.done {
            tried.push(Tried::new(name, object, words, &proof));
        }
    }
    Ok(tried)
}

impl Tried {
    /// The same, about something that problems do not name.
    fn about(self, object: &str) -> Self {
        Self { object: object.to_owned(), ..self }
    }
}

#[derive(Clone, Copy)]
enum InFile {
    Cut,
    Flipped,
}

#[derive(Clone, Copy)]
enum InServer {
    Lost,
    Changed,
}

#[derive(Default)]
struct Done {
    in_file: Option<InFile>,
    in_server: Option<InServer>,
    useless: bool,
    done: Vec<(&'static str, String, &'static str)>,
}

impl Damage for Done {
    fn file(&mut self, truth: &Truth, dump: &Path) -> Result<(), RedisError> {
        let Some(how) = self.in_file else { return Ok(()) };
        let io = |action| RedisError::io(action, dump);
        let mut file = fs::File::options().read(true).write(true).open(dump).map_err(io("open"))?;
        let half = file.metadata().map_err(io("look at"))?.len() / 2;
        match how {
            InFile::Cut => file.set_len(half).map_err(io("cut off"))?,
            InFile::Flipped => {
                self.useless = truth.crc.is_none();
                let mut byte = [0];
                file.seek(SeekFrom::Start(half)).map_err(io("read"))?;
                file.read_exact(&mut byte).map_err(io("read"))?;
                file.seek(SeekFrom::Start(half)).map_err(io("write"))?;
                file.write_all(&[byte[0] ^ 0x10]).map_err(io("write"))?;
            }
        }
        Ok(())
    }

    fn server(&mut self, truth: &Truth, client: &mut Client) -> Result<(), RedisError> {
        match self.in_server {
            Some(InServer::Lost) => self.lose(truth, client),
            Some(InServer::Changed) => self.change(truth, client),
            None => Ok(()),
        }
    }
}

impl Done {
    fn lose(&mut self, truth: &Truth, client: &mut Client) -> Result<(), RedisError> {
        let still = |database: &&super::truth::DatabaseTruth| {
            database.before == database.after && database.before.keys > database.before.expires
        };
        if let Some(database) = truth.databases.iter().find(still) {
            let number = database.database.to_string();
            client.ask("damaging", &["SELECT", &number])?;
            // Those that may have expired would not be missed: all of these and one more.
            client.ask("damaging", &["FLUSHDB"])?;
            let object = format!("database {number}");
            self.done.push(("lost keys", object, "keys and had"));
        }
        if let Some(name) = truth.functions.first() {
            let gone = client.try_ask("damaging", &["FUNCTION", "FLUSH"])?;
            if !matches!(gone, Reply::Error(_)) {
                self.done.push(("missing routine", format!("library {name:?}"), "did not come back"));
            }
        }
        Ok(())
    }

    /// Adds to one of the values that are compared.
    fn change(&mut self, truth: &Truth, client: &mut Client) -> Result<(), RedisError> {
        // One that may be gone by now proves nothing.
        let stays = |(_, value): &(usize, &ValueTruth)| value.expires_ms == Some(-1);
        let Some((number, value)) = truth.values.iter().enumerate().find(stays) else { return Ok(()) };
        let (command, more): (&str, &[&str]) = match value.kind.as_str() {
            "list" => ("RPUSH", &["vow"]),
            "set" => ("SADD", &["a value that nobody has"]),
            "hash" => ("HSET", &["a field that nobody has", "vow"]),
            "zset" => ("ZADD", &["1", "a value that nobody has"]),
            "stream" => ("XADD", &["*", "a field", "vow"]),
            _ => ("APPEND", &["vow"]),
        };
        let Some(key) = unhex(&value.key) else { return Ok(()) };
        client.ask("damaging", &["SELECT", &value.database.to_string()])?;
        let words = [command.as_bytes(), &key].into_iter().chain(more.iter().map(|word| word.as_bytes()));
        let words: Vec<_> = words.map(<[u8]>::to_vec).collect();
        if let Some(Reply::Error(said)) = client.all("damaging", &[words])?.pop() {
            return Err(client.refused("damaging", said));
        }
        self.done.push((
            "changed value",
            format!("key {number} of truth.json"),
            "came back with another value",
        ));
        Ok(())
    }
}
