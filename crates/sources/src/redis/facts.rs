//! What a server says about itself.

use super::client::Client;
use super::error::RedisError;
use super::truth::Keys;
use std::collections::BTreeMap;

/// The answer to `INFO`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts(pub(crate) BTreeMap<String, String>);

impl Facts {
    pub(crate) fn ask(client: &mut Client) -> Result<Self, RedisError> {
        let text = client.ask("INFO", &["INFO"])?.text().ok_or_else(|| client.odd("INFO"))?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let pairs = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.trim_end().split_once(':'));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// A value; empty when it is not said.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A number; 0 when it is not said.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or(0)
    }

    /// The version, of Valkey its own.
    pub(crate) fn version(&self) -> String {
        match self.get("valkey_version") {
            "" => format!("Redis {}", self.get("redis_version")),
            version => format!("Valkey {version}"),
        }
    }

    /// The keys of each database that has any.
    pub(crate) fn keys(&self) -> BTreeMap<u32, Keys> {
        let database = |(name, value): (&String, &String)| {
            let number = name.strip_prefix("db")?.parse().ok()?;
            let field = |wanted: &str| {
                let found = value
                    .split(',')
                    .filter_map(|pair| pair.split_once('='))
                    .find(|(name, _)| *name == wanted);
                found.and_then(|(_, count)| count.parse().ok())
            };
            Some((number, Keys { keys: field("keys")?, expires: field("expires").unwrap_or(0) }))
        };
        self.0.iter().filter_map(database).collect()
    }
}

/// The names of the functions' libraries. A server older than 7.0 has none.
pub(crate) fn functions(client: &mut Client) -> Result<Result<Vec<String>, String>, RedisError> {
    use super::client::Reply;
    let libraries = match client.try_ask("FUNCTION LIST", &["FUNCTION", "LIST"])? {
        Reply::Error(said) if said.contains("unknown command") => return Ok(Ok(Vec::new())),
        Reply::Error(said) => return Ok(Err(said)),
        Reply::List(libraries) => libraries,
        _ => return Err(client.odd("FUNCTION LIST")),
    };
    let name = |library: &Reply| match library {
        Reply::List(fields) => fields
            .chunks(2)
            .find(|pair| pair[0].text().as_deref() == Some("library_name"))
            .and_then(|pair| pair.get(1)?.text()),
        _ => None,
    };
    let mut names: Vec<_> = libraries.iter().filter_map(name).collect();
    names.sort();
    Ok(Ok(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read() {
        let facts = Facts::parse(
            "# Server\r\nredis_version:7.0.15\r\nrole:master\r\n# Keyspace\r\ndb0:keys=12,expires=3,avg_ttl=0\r\ndb11:keys=1,expires=0\r\n",
        );
        assert_eq!(facts.version(), "Redis 7.0.15");
        let expected = [(0, Keys { keys: 12, expires: 3 }), (11, Keys { keys: 1, expires: 0 })];
        assert_eq!(facts.keys(), expected.into());
    }
}
