//! Listings, whole or not at all.
//!
//! A page that is lost, cut short or given twice must not look like a shorter listing. So a next page is not asked for by the store's own
//! token but from the last name but one: it then has to begin with the last name that is known. Where that cannot be done (more than
//! a page of folders, or of versions of one name), the store's token is followed, and must lead on.

use super::admin::Admin;
use super::failure::Failure;
use super::xml;
use jiff::Timestamp;
use std::collections::HashSet;
use std::ops::ControlFlow;

/// Pages of one listing: at 1,000 names each more than any folder of a vault has.
const PAGES_LIMIT: usize = 1_000_000;

/// Something that a listing shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) key: String,
    /// Its version; where the bucket keeps none, its entity tag.
    pub(super) version: String,
    pub(super) length: u64,
    pub(super) stored: Timestamp,
    /// A delete marker: it hides the versions below it.
    pub(super) marker: bool,
    /// Whether this is what the store shows when no version is named.
    pub(super) latest: bool,
}

/// What a walk over a listing comes by, by key, and the versions of a key newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Object(Found),
    /// A prefix that ends in `/`.
    Folder(String),
}

/// One answer of the store.
#[derive(Debug, Clone, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Found>,
    pub(super) folders: Vec<String>,
    pub(super) truncated: bool,
    /// The store's own word for where the next page begins.
    pub(super) next: Option<(String, Option<String>)>,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    Beginning,
    /// After every version of this key.
    After(String),
    /// Where the store said.
    Token(String, Option<String>),
}

/// Where pages come from.
pub(super) trait Pages {
    async fn page(&self, from: &Start) -> Result<Page, Failure>;
    /// Whether anything stands under a key, for when a listing does not show what it showed a moment ago.
    async fn exists(&self, key: &str) -> Result<bool, Failure>;
    /// Whether a key can come more than once.
    fn shows_versions(&self) -> bool;
}

/// The pages of a bucket.
pub(super) struct BucketPages<'a> {
    pub(super) admin: &'a Admin,
    pub(super) prefix: &'a str,
    /// Whether folders are shown as such, instead of what is in them.
    pub(super) folders: bool,
    /// Whether all versions are shown.
    pub(super) versions: bool,
}

/// Goes over everything from there on, to the last page. What was seen before an error is worth nothing.
pub(super) async fn walk(
    pages: &impl Pages,
    prefix: &str,
    start: Start,
    sink: &mut impl FnMut(Seen),
) -> Result<(), Failure> {
    let mut all = |seen| {
        sink(seen);
        ControlFlow::Continue(())
    };
    walk_until(pages, prefix, start, &mut all).await
}

/// The same, until the sink has enough.
pub(super) async fn walk_until(
    pages: &impl Pages,
    prefix: &str,
    start: Start,
    sink: &mut impl FnMut(Seen) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let mut order = Order { versions: pages.shows_versions(), ..Order::default() };
    let mut from = start;
    let mut tokens = HashSet::new();
    // What was seen last and has to be seen again.
    let mut expected: Option<String> = None;
    for _ in 0..PAGES_LIMIT {
        let mut page = pages.page(&from).await?;
        check(&page, prefix, &from)?;
        if let Some(key) = expected.take()
            && page.objects.iter().all(|found| found.key != key)
            // It may have been removed in between, as a sweep does.
            && pages.exists(&key).await?
        {
            return Err(Failure::Senseless(format!(
                "a page of the listing is lost: {key} is not in it any more"
            )));
        }
        let back = if page.truncated { step_back(&mut page) } else { None };
        for found in page.objects {
            order.object(&found)?;
            if sink(Seen::Object(found)).is_break() {
                return Ok(());
            }
        }
        for folder in page.folders {
            order.folder(&folder)?;
            if sink(Seen::Folder(folder)).is_break() {
                return Ok(());
            }
        }
        if !page.truncated {
            return Ok(());
        }
        let Some((token, detail)) = page.next else {
            return Err(Failure::Senseless("the listing goes on, but the store does not say where".into()));
        };
        if !tokens.insert((token.clone(), detail.clone())) {
            return Err(Failure::Senseless("the listing goes on where it has been already".into()));
        }
        from = match back {
            Some((before, last)) => {
                expected = Some(last);
                Start::After(before)
            }
            None => Start::Token(token, detail),
        };
    }
    Err(Failure::Senseless("the listing does not end".into()))
}

/// Takes what a page shows last off it, so that the next page begins with that: the name before it, and its own.
fn step_back(page: &mut Page) -> Option<(String, String)> {
    let last = page.objects.last()?.key.clone();
    let before = page.objects.iter().rev().find(|found| found.key != last)?.key.clone();
    // Where a folder lies in between, stores differ in what comes after a name.
    if page.folders.last().is_some_and(|folder| *folder > before) {
        return None;
    }
    while page.objects.pop_if(|found| found.key == last).is_some() {}
    Some((before, last))
}

/// What a single page cannot be.
fn check(page: &Page, prefix: &str, from: &Start) -> Result<(), Failure> {
    let senseless = |what: &str, key: &str| Err(Failure::Senseless(format!("the listing {what}: {key:?}")));
    for found in &page.objects {
        if !found.key.starts_with(prefix) {
            return senseless("shows what lies elsewhere", &found.key);
        }
        if let Start::After(after) = from
            && found.key <= *after
        {
            return senseless("shows what came before it", &found.key);
        }
    }
    for folder in &page.folders {
        if !folder
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.len() > 1 && rest.find('/') == Some(rest.len() - 1))
        {
            return senseless("shows a folder that lies elsewhere", folder);
        }
    }
    Ok(())
}

/// Everything sorted and nothing twice, as a store has to give it.
#[derive(Default)]
struct Order {
    versions: bool,
    key: String,
    /// The versions of this key that were seen.
    of_key: HashSet<String>,
    folder: String,
}

impl Order {
    fn object(&mut self, found: &Found) -> Result<(), Failure> {
        if found.key > self.key {
            self.key.clone_from(&found.key);
            self.of_key.clear();
        } else if found.key < self.key {
            return Err(Failure::Senseless(format!("the listing is not sorted at {:?}", found.key)));
        } else if !self.versions {
            return Err(Failure::Senseless(format!("the listing shows {:?} twice", found.key)));
        }
        if !self.of_key.insert(found.version.clone()) {
            return Err(Failure::Senseless(format!("the listing shows a version of {:?} twice", found.key)));
        }
        Ok(())
    }

    fn folder(&mut self, folder: &str) -> Result<(), Failure> {
        if *folder <= *self.folder {
            return Err(Failure::Senseless(format!(
                "the folders of the listing are not sorted at {folder:?}"
            )));
        }
        folder.clone_into(&mut self.folder);
        Ok(())
    }
}

impl Pages for BucketPages<'_> {
    async fn page(&self, from: &Start) -> Result<Page, Failure> {
        let delimiter = self.folders.then_some("/");
        let mut query = vec![("prefix", Some(self.prefix)), ("delimiter", delimiter)];
        let page = if self.versions {
            match from {
                Start::Beginning => {}
                Start::After(key) => query.push(("key-marker", Some(key))),
                Start::Token(key, version) => {
                    query.extend([
                        ("key-marker", Some(key.as_str())),
                        ("version-id-marker", version.as_deref()),
                    ]);
                }
            }
            of_versions(self.admin.versions(&query).await?, self.prefix)?
        } else {
            match from {
                Start::Beginning => {}
                Start::After(key) => query.push(("start-after", Some(key))),
                Start::Token(token, _) => query.push(("continuation-token", Some(token))),
            }
            of_objects(self.admin.objects(&query).await?, self.prefix)?
        };
        Ok(page)
    }

    async fn exists(&self, key: &str) -> Result<bool, Failure> {
        let query = [("prefix", Some(key)), ("max-keys", Some("1"))];
        if self.versions {
            let page = self.admin.versions(&query).await?;
            return Ok(
                page.versions.iter().any(|it| it.key == key) || page.markers.iter().any(|it| it.key == key)
            );
        }
        Ok(self.admin.objects(&query).await?.contents.iter().any(|it| it.key == key))
    }

    fn shows_versions(&self) -> bool {
        self.versions
    }
}

fn of_objects(page: xml::Objects, prefix: &str) -> Result<Page, Failure> {
    same_prefix(page.prefix.as_deref(), prefix)?;
    let shown = page.contents.len() + page.common_prefixes.len();
    if page.key_count.is_some_and(|count| count != shown) {
        return Err(Failure::Senseless(format!(
            "the listing announces {:?} names and shows {shown}",
            page.key_count
        )));
    }
    let objects = page.contents.into_iter().map(|it| Found {
        key: it.key,
        version: it.e_tag.unwrap_or_default(),
        length: it.size,
        stored: it.last_modified,
        marker: false,
        latest: true,
    });
    Ok(Page {
        objects: objects.collect(),
        folders: page.common_prefixes.into_iter().map(|it| it.prefix).collect(),
        truncated: page.is_truncated,
        next: page.next_continuation_token.map(|token| (token, None)),
    })
}

fn of_versions(page: xml::Versions, prefix: &str) -> Result<Page, Failure> {
    same_prefix(page.prefix.as_deref(), prefix)?;
    let versions = page.versions.into_iter().map(|it| Found {
        key: it.key,
        version: it.version_id,
        length: it.size,
        stored: it.last_modified,
        marker: false,
        latest: it.is_latest,
    });
    let markers = page.markers.into_iter().map(|it| Found {
        key: it.key,
        version: it.version_id,
        length: 0,
        stored: it.last_modified,
        marker: true,
        latest: it.is_latest,
    });
    // Versions and markers each come newest first; among each other only the latest one is known.
    let (mut objects, markers): (Vec<_>, Vec<_>) = (versions.collect(), markers.collect());
    sorted(&objects)?;
    sorted(&markers)?;
    objects.extend(markers);
    objects.sort_by(|a, b| a.key.cmp(&b.key).then(b.latest.cmp(&a.latest)));
    Ok(Page {
        objects,
        folders: page.common_prefixes.into_iter().map(|it| it.prefix).collect(),
        truncated: page.is_truncated,
        next: page.next_key_marker.map(|key| (key, page.next_version_id_marker)),
    })
}

fn sorted(objects: &[Found]) -> Result<(), Failure> {
    match objects.windows(2).find(|pair| pair[0].key > pair[1].key) {
        Some(pair) => Err(Failure::Senseless(format!("the listing is not sorted at {:?}", pair[1].key))),
        None => Ok(()),
    }
}

fn same_prefix(shown: Option<&str>, asked: &str) -> Result<(), Failure> {
    match shown {
        Some(shown) if shown != asked => {
            Err(Failure::Senseless(format!("the listing is one of {shown:?} instead of {asked:?}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
