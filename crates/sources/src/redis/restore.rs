//! Restoring into a running server: a scratch server loads the RDB, and each key goes over with `DUMP` and `RESTORE`.
//!
//! What is there already is looked for before anything is written, and never overwritten unless that was asked for.

use super::access::{Access, AccessOptions};
use super::client::{Client, Reply};
use super::error::RedisError;
use super::facts::{Facts, functions};
use super::prove::rules;
use super::scratch::{Scratch, truth_of, users_of};
use super::truth::Truth;
use super::url::Url;
use crate::adapter::{Request, Restored, Stop};
use crate::process::ToolError;
use vow_store::archive::Snapshot;

/// Keys that are asked for, and sent, at once: their values have to fit into memory together.
const BATCH: &str = "200";
/// Keys named in a message.
const NAMED: usize = 3;

/// Restores into a server.
pub(crate) fn restore(
    snapshot: &Snapshot,
    request: &Request,
    stop: Stop<'_>,
) -> Result<Restored, RedisError> {
    if request.table.is_some() || request.schema_as.is_some() {
        return Err(RedisError::Options("Redis has no tables: leave out --table and --schema-as".into()));
    }
    let only = request.database.as_deref().map(|name| {
        let number = name.parse::<u32>();
        number.map_err(|_| {
            RedisError::Options(format!("a database of Redis is a number, and {name:?} is none"))
        })
    });
    let only = only.transpose()?;
    let mut options = AccessOptions::of(Url::parse(&request.into).map_err(RedisError::Options)?);
    options.password.file.clone_from(&request.password_file);
    let access = Access::open(&options)?;
    let mut target = access.connect()?;
    refuse_replica(&access, &mut target)?;
    let truth = truth_of(snapshot)?;
    let scratch = Scratch::start(snapshot, &truth, &request.scratch, stop)?;
    let mut from = scratch.connect()?;
    let databases: Vec<u32> = Facts::ask(&mut from)?
        .keys()
        .into_keys()
        .filter(|number| only.is_none_or(|only| only == *number))
        .collect();
    if let Some(number) = only.filter(|_| databases.is_empty()) {
        return Err(RedisError::Options(format!("the snapshot has no keys in database {number}")));
    }
    let mut mover = Mover { from, target, replace: request.replace, stop, out: Restored::default() };
    if !request.replace {
        for number in &databases {
            mover.refuse_existing(*number)?;
        }
        mover.refuse_functions(&truth, only)?;
    }
    for number in databases {
        mover.database(number)?;
    }
    if only.is_none() {
        mover.functions(&truth)?;
    }
    if request.with_roles {
        mover.users(&users_of(snapshot)?)?;
    } else if truth.users.as_ref().is_some_and(|users| users.len() > 1) {
        mover
            .out
            .notes
            .push("ACL users were not restored: give --with-roles for those that the server lacks".into());
    }
    Ok(mover.out)
}

fn refuse_replica(access: &Access, target: &mut Client) -> Result<(), RedisError> {
    let facts = Facts::ask(target)?;
    if facts.get("role") == "slave" {
        let master = format!("{} port {}", facts.get("master_host"), facts.get("master_port"));
        return Err(RedisError::Unfit(format!(
            "the server at {} is a replica: restore into its master, {master}",
            access.url
        )));
    }
    Ok(())
}

struct Mover<'m> {
    from: Client,
    target: Client,
    replace: bool,
    stop: Stop<'m>,
    out: Restored,
}

impl Mover<'_> {
    fn select(&mut self, number: u32) -> Result<(), RedisError> {
        for client in [&mut self.from, &mut self.target] {
            client.ask("SELECT", &["SELECT", &number.to_string()])?;
        }
        Ok(())
    }

    /// Calls for all keys of the selected database, some at a time.
    fn each(
        &mut self,
        mut act: impl FnMut(&mut Self, Vec<Vec<u8>>) -> Result<(), RedisError>,
    ) -> Result<(), RedisError> {
        let mut cursor = "0".to_owned();
        loop {
            if (self.stop)() {
                return Err(ToolError::Stopped.into());
            }
            let Reply::List(parts) = self.from.ask("SCAN", &["SCAN", &cursor, "COUNT", BATCH])? else {
                return Err(self.from.odd("SCAN"));
            };
            let (Some(next), Some(Reply::List(keys))) = (parts.first().and_then(Reply::text), parts.get(1))
            else {
                return Err(self.from.odd("SCAN"));
            };
            let keys = keys.iter().filter_map(|key| match key {
                Reply::Text(key) => Some(key.clone()),
                _ => None,
            });
            act(self, keys.collect())?;
            if next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }

    fn refuse_existing(&mut self, number: u32) -> Result<(), RedisError> {
        self.select(number)?;
        let (mut count, mut named) = (0_u64, Vec::new());
        self.each(|mover, keys| {
            let asked: Vec<_> = keys.iter().map(|key| vec![b"EXISTS".to_vec(), key.clone()]).collect();
            let answers = mover.target.all("EXISTS", &asked)?;
            for (key, answer) in keys.iter().zip(answers) {
                match answer {
                    Reply::Number(0) => {}
                    Reply::Number(_) => {
                        count += 1;
                        if named.len() < NAMED {
                            named.push(format!("{:?}", String::from_utf8_lossy(key)));
                        }
                    }
                    Reply::Error(said) => return Err(mover.target.refused("EXISTS", said)),
                    _ => return Err(mover.target.odd("EXISTS")),
                }
            }
            Ok(())
        })?;
        if count == 0 {
            return Ok(());
        }
        let (named, more) = (named.join(", "), if count > NAMED as u64 { ", …" } else { "" });
        Err(RedisError::Unfit(format!(
            "{count} keys of the snapshot are in database {number} of the server already ({named}{more}) and nothing was written: \
             restore into another server, or give --replace to have them replaced"
        )))
    }

    fn refuse_functions(&mut self, truth: &Truth, only: Option<u32>) -> Result<(), RedisError> {
        if only.is_some() || truth.functions.is_empty() {
            return Ok(());
        }
        let there = functions(&mut self.target)?.unwrap_or_default();
        match truth.functions.iter().find(|name| there.contains(name)) {
            None => Ok(()),
            Some(name) => Err(RedisError::Unfit(format!(
                "the server has the functions of library {name:?} already and nothing was written: give --replace to have them replaced"
            ))),
        }
    }

    fn database(&mut self, number: u32) -> Result<(), RedisError> {
        self.select(number)?;
        let mut gone = 0;
        self.each(|mover, keys| mover.keys(&keys, &mut gone))?;
        if gone > 0 {
            self.out.notes.push(format!("database {number}: {gone} keys expired meanwhile"));
        }
        self.out.databases.push((number.to_string(), number.to_string()));
        Ok(())
    }

    fn keys(&mut self, keys: &[Vec<u8>], gone: &mut u64) -> Result<(), RedisError> {
        let word = |word: &str| word.as_bytes().to_vec();
        let asked: Vec<_> = keys
            .iter()
            .flat_map(|key| [vec![word("DUMP"), key.clone()], vec![word("PTTL"), key.clone()]])
            .collect();
        let answers = self.from.all("DUMP", &asked)?;
        let mut commands = Vec::with_capacity(keys.len());
        for (key, answer) in keys.iter().zip(answers.chunks(2)) {
            match answer {
                [Reply::Text(value), Reply::Number(left)] if *left != -2 => {
                    // In milliseconds; -1 stands for no end, which RESTORE calls 0.
                    let left = (*left).max(0).to_string().into_bytes();
                    let mut command = vec![word("RESTORE"), key.clone(), left, value.clone()];
                    command.extend(self.replace.then(|| word("REPLACE")));
                    commands.push(command);
                }
                [Reply::Nothing, _] | [_, Reply::Number(-2)] => *gone += 1,
                _ => return Err(self.from.odd("DUMP")),
            }
        }
        for (command, reply) in commands.iter().zip(self.target.all("RESTORE", &commands)?) {
            match reply {
                Reply::Simple(_) => self.out.rows += 1,
                Reply::Error(said) => {
                    let key = command
                        .get(1)
                        .map(|key| String::from_utf8_lossy(key).into_owned())
                        .unwrap_or_default();
                    return Err(self.target.refused(&format!("the key {key:?}"), said));
                }
                _ => return Err(self.target.odd("RESTORE")),
            }
        }
        Ok(())
    }

    fn functions(&mut self, truth: &Truth) -> Result<(), RedisError> {
        if truth.functions.is_empty() {
            return Ok(());
        }
        let Reply::Text(payload) = self.from.ask("FUNCTION DUMP", &["FUNCTION", "DUMP"])? else {
            return Err(self.from.odd("FUNCTION DUMP"));
        };
        let policy = if self.replace { "REPLACE" } else { "APPEND" };
        let command = vec![b"FUNCTION".to_vec(), b"RESTORE".to_vec(), payload, policy.into()];
        match self.target.all("FUNCTION RESTORE", &[command])?.pop() {
            Some(Reply::Simple(_)) => Ok(()),
            Some(Reply::Error(said)) => {
                self.out.problems.push(format!("the functions were not restored: {said}"));
                Ok(())
            }
            _ => Err(self.target.odd("FUNCTION RESTORE")),
        }
    }

    /// Users that the server has are never changed.
    fn users(&mut self, lines: &[String]) -> Result<(), RedisError> {
        let there = self.target.ask("ACL USERS", &["ACL", "USERS"])?.texts();
        for line in lines {
            let Some(name) = line.split(' ').nth(1).filter(|name| !there.iter().any(|other| other == name))
            else {
                continue;
            };
            let words: Vec<_> = ["ACL", "SETUSER", name].into_iter().chain(rules(line)).collect();
            match self.target.try_ask("ACL SETUSER", &words)? {
                Reply::Error(said) => {
                    self.out.problems.push(format!("the user {name:?} was not made: {said}"))
                }
                _ => self.out.notes.push(format!(
                    "made the user {name:?}; write it into the server's file with ACL SAVE or CONFIG REWRITE"
                )),
            }
        }
        Ok(())
    }
}
