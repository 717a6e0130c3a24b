//! What is done to single objects of the bucket.

use super::address::Address;
use super::admin::{Admin, object_headers};
use super::failure::{Failure, Note};
use super::listing::{BucketPages, Found, Seen, Start, walk, walk_until};
use super::locks::Known;
use super::signing::Extra;
use super::{S3Options, xml};
use crate::storage::{Item, Stat};
use futures_util::StreamExt;
use jiff::Timestamp;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{
    Attributes, GetOptions, GetRange, GetResult, ObjectStore, PutMode, PutOptions, PutPayload,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use vow_base::clock::{Clock, Nanos, SystemClock};
use vow_base::id::Sha256Stream;

/// A bucket, and what is known of it.
pub(super) struct Store {
    pub(super) address: Address,
    pub(super) objects: AmazonS3,
    pub(super) admin: Admin,
    pub(super) options: S3Options,
    /// Whether the bucket keeps versions.
    pub(super) versions: bool,
    /// Whether the bucket locks objects.
    pub(super) locks: bool,
    /// Whether the store says so when a delete marker is why there is no object. Until a probe has seen that, it is believed.
    pub(super) tells_markers: AtomicBool,
    pub(super) known: Known,
    pub(super) skew: Arc<AtomicI64>,
}

/// How an object compares with what was to be stored under its name.
pub(super) enum Compared {
    Absent,
    Same,
    Differs(String),
}

impl Store {
    /// The time by the store's clock, which is the one that locks end by.
    pub(super) fn now(&self) -> Timestamp {
        let nanos = SystemClock.now().saturating_add(self.skew.load(Ordering::Relaxed));
        Timestamp::from_nanosecond(nanos.into()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Stores bytes under a key that must be free.
    pub(super) async fn put(
        &self,
        key: &str,
        bytes: PutPayload,
        digest: [u8; 32],
        lock_until: Option<Timestamp>,
    ) -> Result<(), Failure> {
        let note = Note::default();
        let mut options =
            PutOptions { mode: PutMode::Create, attributes: Attributes::new(), ..PutOptions::default() };
        options.extensions.insert(note.clone());
        options.extensions.insert(Extra { headers: object_headers(&digest, lock_until)?, sha256: digest });
        let put = self.objects.put_opts(&path(key)?, bytes, options).await;
        put.map_err(|error| Failure::of(&error, &note))?;
        if let Some(until) = lock_until {
            self.known.remember(key, until);
        }
        Ok(())
    }

    /// What stands under a key: also when a delete marker hides it.
    pub(super) async fn stat(&self, key: &str) -> Result<Option<Stat>, Failure> {
        match self.head(key).await {
            Ok(stat) => Ok(Some(stat)),
            Err(failure) if failure.is_absent() => {
                Ok(self.behind(key, &failure).await?.as_ref().map(stat_of))
            }
            Err(other) => Err(other),
        }
    }

    /// What the store itself shows under a key.
    pub(super) async fn head(&self, key: &str) -> Result<Stat, Failure> {
        let meta = self.get(key, GetOptions { head: true, ..GetOptions::default() }).await?.meta;
        let version = if self.versions { meta.version } else { meta.e_tag };
        let stored = meta.last_modified.timestamp_nanos_opt().unwrap_or_default();
        Ok(Stat { length: meta.size, stored, version })
    }

    /// An object of at most so many bytes.
    pub(super) async fn read(&self, key: &str, limit_bytes: u64) -> Result<Vec<u8>, Failure> {
        let result = self.open(key, None).await?;
        let size = result.meta.size;
        if size > limit_bytes {
            return Err(Failure::TooLong(size));
        }
        self.bytes(result, size).await
    }

    /// Exactly so many bytes from there.
    pub(super) async fn read_range(&self, key: &str, offset: u64, length: usize) -> Result<Vec<u8>, Failure> {
        let length = length as u64;
        let Some(end) = offset.checked_add(length) else { return Err(Failure::TooShort) };
        if length == 0 {
            let stat = self.stat(key).await?.ok_or_else(|| Failure::absent("NoSuchKey"))?;
            return if offset <= stat.length { Ok(Vec::new()) } else { Err(Failure::TooShort) };
        }
        match self.open(key, Some(offset..end)).await {
            Ok(result) if result.range == (offset..end) => self.bytes(result, length).await,
            Ok(_) => Err(Failure::TooShort),
            Err(failure) if failure.has_status(416) => Err(Failure::TooShort),
            Err(other) => Err(other),
        }
    }

    /// Whether these bytes stand under a name.
    pub(super) async fn compare(
        &self,
        key: &str,
        length: u64,
        digest: &[u8; 32],
    ) -> Result<Compared, Failure> {
        let result = match self.open(key, None).await {
            Err(failure) if failure.is_absent() => return Ok(Compared::Absent),
            other => other?,
        };
        let found = result.meta.size;
        if found != length {
            return Ok(Compared::Differs(format!("it has {found} bytes instead of {length}")));
        }
        let mut hash = Sha256Stream::default();
        self.stream(result, |piece| hash.update(piece)).await?;
        if hash.finish() == *digest {
            Ok(Compared::Same)
        } else {
            Ok(Compared::Differs("its bytes differ".into()))
        }
    }

    /// Begins to read an object: also when a delete marker hides it.
    async fn open(&self, key: &str, range: Option<std::ops::Range<u64>>) -> Result<GetResult, Failure> {
        let range = range.map(GetRange::Bounded);
        let options = GetOptions { range: range.clone(), ..GetOptions::default() };
        match self.get(key, options).await {
            Err(failure) if failure.is_absent() => match self.behind(key, &failure).await? {
                Some(found) => {
                    let version = Some(found.version);
                    self.get(key, GetOptions { range, version, ..GetOptions::default() }).await
                }
                None => Err(failure),
            },
            other => other,
        }
    }

    /// The bytes of one version, for whoever wants to know whether it is still there.
    pub(super) async fn read_version(
        &self,
        key: &str,
        version: &str,
        limit_bytes: u64,
    ) -> Result<Vec<u8>, Failure> {
        let options = GetOptions { version: Some(version.to_owned()), ..GetOptions::default() };
        let result = self.get(key, options).await?;
        let size = result.meta.size.min(limit_bytes);
        self.bytes(result, size).await
    }

    async fn get(&self, key: &str, mut options: GetOptions) -> Result<GetResult, Failure> {
        let note = Note::default();
        options.extensions.insert(note.clone());
        self.objects.get_opts(&path(key)?, options).await.map_err(|error| Failure::of(&error, &note))
    }

    async fn bytes(&self, result: GetResult, length: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        self.stream(result, |piece| bytes.extend_from_slice(piece)).await?;
        if bytes.len() as u64 == length {
            return Ok(bytes);
        }
        Err(Failure::Broken(format!("{} bytes came instead of {length}", bytes.len())))
    }

    /// Hands over an object's bytes as they come; never more than were announced.
    async fn stream(&self, result: GetResult, mut take: impl FnMut(&[u8])) -> Result<(), Failure> {
        let announced = result.range.end - result.range.start;
        let mut left = announced;
        let mut stream = result.into_stream();
        loop {
            match tokio::time::timeout(xml::STALL_TIMEOUT, stream.next()).await {
                Ok(Some(Ok(piece))) => match left.checked_sub(piece.len() as u64) {
                    Some(rest) => {
                        left = rest;
                        take(&piece);
                    }
                    None => return Err(Failure::Senseless("more bytes came than were announced".into())),
                },
                Ok(Some(Err(error))) => return Err(Failure::Broken(super::failure::chain(&error))),
                Ok(None) if left == 0 => return Ok(()),
                Ok(None) => return Err(Failure::Broken(format!("{left} of {announced} bytes did not come"))),
                Err(_) => return Err(Failure::Broken("it stalled".into())),
            }
        }
    }

    /// Everything in a folder, or what sorts after a name in it.
    pub(super) async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Item>, Failure> {
        let pages = BucketPages { admin: &self.admin, prefix, folders: true, versions: self.versions };
        let mut folders = Vec::new();
        let mut names: BTreeMap<String, Vec<Found>> = BTreeMap::new();
        let start = after.map_or(Start::Beginning, |name| Start::After(format!("{prefix}{name}")));
        walk(&pages, prefix, start, &mut |seen| match seen {
            Seen::Folder(folder) => {
                folders.push(folder[prefix.len()..].trim_end_matches('/').to_owned());
            }
            Seen::Object(found) => {
                let name = found.key[prefix.len()..].to_owned();
                names.entry(name).or_default().push(found);
            }
        })
        .await?;
        let mut items: Vec<Item> = folders.into_iter().map(|name| Item { name, stat: None }).collect();
        for (name, versions) in names {
            // What a console puts there so that an empty folder shows.
            if name.is_empty() {
                continue;
            }
            if let Some(found) = self.newest(versions).await? {
                items.push(Item { name, stat: Some(stat_of(&found)) });
            }
        }
        items.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(items)
    }

    /// Hands over everything below a prefix that sorts after a name, until the sink has enough; what a delete marker hides comes last.
    pub(super) async fn list_below(
        &self,
        prefix: &str,
        after: Option<&str>,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let pages = BucketPages { admin: &self.admin, prefix, folders: false, versions: self.versions };
        let start = after.map_or(Start::Beginning, |name| Start::After(format!("{prefix}{name}")));
        let item =
            |found: &Found| Item { name: found.key[prefix.len()..].to_owned(), stat: Some(stat_of(found)) };
        // The key that is being walked over, and the versions of those whose newest one is a marker.
        let (mut key, mut is_hidden) = (String::new(), false);
        let mut hidden: Vec<Vec<Found>> = Vec::new();
        walk_until(&pages, prefix, start, &mut |seen| {
            let Seen::Object(found) = seen else { return ControlFlow::Continue(()) };
            // What a console puts there so that an empty folder shows.
            if found.key.ends_with('/') {
                return ControlFlow::Continue(());
            }
            let is_newest = found.key != key;
            if is_newest {
                key.clone_from(&found.key);
                is_hidden = found.marker;
                if is_hidden {
                    hidden.push(Vec::new());
                }
            }
            match hidden.last_mut().filter(|_| is_hidden) {
                Some(versions) => versions.push(found),
                None if is_newest => return sink(item(&found)),
                None => {}
            }
            ControlFlow::Continue(())
        })
        .await?;
        for versions in hidden {
            if let Some(found) = self.newest(versions).await? {
                // Whether the sink had enough already does not matter: this sorts before what it got last.
                let _ = sink(item(&found));
            }
        }
        Ok(())
    }

    /// Removes what was seen, and where there are versions nothing else.
    pub(super) async fn remove(&self, key: &str, seen: &Stat) -> Result<(), Failure> {
        if self.versions {
            let Some(version) = &seen.version else {
                return Err(Failure::Unwanted("it was not said which version to remove".into()));
            };
            return absent_is_fine(self.admin.delete(key, Some(version), false).await.map(|_| ()));
        }
        match self.stat(key).await? {
            None => Ok(()),
            Some(now) if same(&now, seen) => {
                absent_is_fine(self.admin.delete(key, None, false).await.map(|_| ()))
            }
            // It was sent again meanwhile: it stays.
            Some(_) => Ok(()),
        }
    }
}

impl Failure {
    /// As a store that does not have an object would say it.
    pub(super) fn absent(code: &str) -> Self {
        let refusal = super::failure::Refusal { status: 404, code: code.to_owned(), ..Default::default() };
        Self::Refused(refusal)
    }
}

/// Listings show milliseconds, and answers about one object seconds.
fn same(now: &Stat, seen: &Stat) -> bool {
    let second = |stat: &Stat| stat.stored.div_euclid(1_000_000_000);
    now.length == seen.length && now.version == seen.version && second(now) == second(seen)
}

fn absent_is_fine(result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Err(failure) if failure.is_absent() => Ok(()),
        other => other,
    }
}

pub(super) fn stat_of(found: &Found) -> Stat {
    let stored = Nanos::try_from(found.stored.as_nanosecond()).unwrap_or_default();
    Stat { length: found.length, stored, version: Some(found.version.clone()) }
}

fn path(key: &str) -> Result<Path, Failure> {
    Path::parse(key).map_err(|_| Failure::Unwanted(format!("{key:?} is no name in a bucket")))
}
