//! The double's listings.

use super::bucket::{Bucket, Version};
use super::faults::Faults;
use s3s::dto::*;
use s3s::{S3Result, s3_error};

/// One line of a listing.
enum Line<'a> {
    Version { key: &'a str, version: &'a Version, latest: bool },
    Folder(String),
}

struct Asked<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    /// Everything after this key, or after everything in this folder.
    after: Option<&'a str>,
    /// With `after`: the versions of that key that are older than this one.
    after_version: Option<&'a str>,
    all_versions: bool,
    size: usize,
}

/// A page, and whether something is left.
fn page<'a>(bucket: &'a Bucket, asked: &Asked<'_>) -> (Vec<Line<'a>>, bool) {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (key, versions) in &bucket.keys {
        let Some(rest) = key.strip_prefix(asked.prefix) else { continue };
        let same_key = asked.after == Some(key) && asked.after_version.is_some();
        if asked.after.is_some_and(|after| {
            key.as_str() <= after && !same_key
                || asked.delimiter.is_some() && after.ends_with('/') && key.starts_with(after)
        }) {
            continue;
        }
        let folder =
            asked.delimiter.and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len()));
        if let Some(end) = folder {
            let is_shown = asked.all_versions || bucket.is_taken(key);
            let folder = format!("{}{}", asked.prefix, &rest[..end]);
            let is_new = !matches!(lines.last(), Some(Line::Folder(last)) if *last == folder);
            if is_shown && is_new {
                lines.push(Line::Folder(folder));
            }
        } else if asked.all_versions {
            let newest = versions.len() - 1;
            let mut skipping = same_key;
            for (number, version) in versions.iter().enumerate().rev() {
                if !skipping {
                    lines.push(Line::Version { key, version, latest: number == newest });
                }
                skipping = skipping && asked.after_version != Some(&version.id);
            }
        } else if bucket.is_taken(key) {
            let version = versions.last().expect("it is taken");
            lines.push(Line::Version { key, version, latest: true });
        }
        if lines.len() > asked.size {
            break;
        }
    }
    let more = lines.len() > asked.size;
    lines.truncate(asked.size);
    (lines, more)
}

/// The page asked for, unless something is wrong with the store.
fn faulty<'a>(bucket: &'a Bucket, faults: &Faults, asked: &Asked<'_>) -> (Vec<Line<'a>>, bool) {
    let (mut lines, mut more) = page(bucket, asked);
    if Faults::is_due(&faults.lose_page) {
        let last = lines.last().map(Line::place).unwrap_or_default();
        (lines, more) = page(bucket, &Asked { after: Some(&last.0), after_version: None, ..*asked });
    }
    if Faults::is_due(&faults.empty_end) {
        (lines, more) = (Vec::new(), false);
    }
    (lines, more)
}

impl Line<'_> {
    fn place(&self) -> (String, Option<String>) {
        match self {
            Self::Version { key, version, .. } => ((*key).to_owned(), Some(version.id.clone())),
            Self::Folder(folder) => (folder.clone(), None),
        }
    }

    fn folder(&self) -> Option<CommonPrefix> {
        match self {
            Self::Folder(folder) => Some(CommonPrefix { prefix: Some(folder.clone()) }),
            Self::Version { .. } => None,
        }
    }
}

fn size(asked: Option<i32>, limit: usize) -> usize {
    asked.and_then(|asked| usize::try_from(asked).ok()).unwrap_or(limit).min(limit)
}

pub(crate) fn objects(
    bucket: &Bucket,
    faults: &Faults,
    limit: usize,
    input: ListObjectsV2Input,
) -> S3Result<ListObjectsV2Output> {
    let token = input.continuation_token.as_deref().map(unpack).transpose()?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let asked = Asked {
        prefix: &prefix,
        delimiter: input.delimiter.as_deref(),
        after: token.as_deref().or(input.start_after.as_deref()),
        after_version: None,
        all_versions: false,
        size: size(input.max_keys, limit),
    };
    let (lines, more) = faulty(bucket, faults, &asked);
    let next = lines.last().filter(|_| more).map(|line| line.place().0);
    let next = if Faults::on(&faults.repeat_token) { next.and(Some(prefix.clone())) } else { next };
    let next = next.filter(|_| !Faults::on(&faults.no_token));
    let contents = lines.iter().filter_map(|line| match line {
        Line::Version { key, version, .. } => Some(Object {
            key: Some((*key).to_owned()),
            size: Some(version.bytes.len() as i64),
            e_tag: Some(ETag::Strong(version.e_tag.clone())),
            last_modified: Some(version.stored.into()),
            ..Default::default()
        }),
        Line::Folder(_) => None,
    });
    Ok(ListObjectsV2Output {
        contents: Some(contents.collect()),
        common_prefixes: Some(lines.iter().filter_map(Line::folder).collect()),
        key_count: i32::try_from(lines.len()).ok(),
        is_truncated: Some(more),
        next_continuation_token: next.map(|key| pack(&key)),
        name: Some(input.bucket),
        prefix: Some(prefix),
        ..Default::default()
    })
}

pub(crate) fn versions(
    bucket: &Bucket,
    faults: &Faults,
    limit: usize,
    input: ListObjectVersionsInput,
) -> S3Result<ListObjectVersionsOutput> {
    if input.version_id_marker.is_some() && input.key_marker.is_none() {
        return Err(s3_error!(
            InvalidArgument,
            "A version-id marker cannot be specified without a key marker."
        ));
    }
    let prefix = input.prefix.clone().unwrap_or_default();
    let asked = Asked {
        prefix: &prefix,
        delimiter: input.delimiter.as_deref(),
        after: input.key_marker.as_deref(),
        after_version: input.version_id_marker.as_deref(),
        all_versions: true,
        size: size(input.max_keys, limit),
    };
    let (lines, more) = faulty(bucket, faults, &asked);
    let (next_key, next_version) = lines.last().filter(|_| more).map(Line::place).unzip();
    let next_key =
        if Faults::on(&faults.repeat_token) { next_key.and(Some(prefix.clone())) } else { next_key };
    let next_key = next_key.filter(|_| !Faults::on(&faults.no_token));
    let next_version = if Faults::on(&faults.repeat_token) { None } else { next_version.flatten() };
    let mut versions = Vec::new();
    let mut markers = Vec::new();
    for line in &lines {
        let Line::Version { key, version, latest } = line else { continue };
        let (key, last_modified) = (Some((*key).to_owned()), Some(version.stored.into()));
        let (version_id, is_latest) = (Some(version.id.clone()), Some(*latest));
        if version.marker {
            markers.push(DeleteMarkerEntry {
                key,
                last_modified,
                version_id,
                is_latest,
                ..Default::default()
            });
        } else {
            let size = Some(version.bytes.len() as i64);
            let e_tag = Some(ETag::Strong(version.e_tag.clone()));
            let version = ObjectVersion {
                key,
                last_modified,
                version_id,
                is_latest,
                size,
                e_tag,
                ..Default::default()
            };
            versions.push(version);
        }
    }
    Ok(ListObjectVersionsOutput {
        versions: Some(versions),
        delete_markers: Some(markers),
        common_prefixes: Some(lines.iter().filter_map(Line::folder).collect()),
        is_truncated: Some(more),
        next_key_marker: next_key,
        next_version_id_marker: next_version,
        name: Some(input.bucket),
        prefix: Some(prefix),
        ..Default::default()
    })
}

/// Tokens say nothing to whoever gets them.
fn pack(key: &str) -> String {
    vow_base::id::hex(key.as_bytes())
}

fn unpack(token: &str) -> S3Result<String> {
    let bytes =
        (0..token.len()).step_by(2).map(|at| u8::from_str_radix(token.get(at..at + 2).unwrap_or("x"), 16));
    let bytes: Result<Vec<u8>, _> = bytes.collect();
    bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| s3_error!(InvalidArgument))
}
