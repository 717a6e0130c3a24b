//! What every source may say about its drills: what is expected of it, how soon it is to be restored, how often to be proven.

use super::Common;
use crate::drill::expect::Expect;
use crate::drill::site::Site;
use crate::plan::fault::{Checked, fault};
use crate::plan::keys::{secs, size};
use serde::Deserialize;
use toml::Spanned;
use vow_sources::question::{Question, Wanted};

/// A source is proven within a week when the plan does not say.
pub const DRILL_WITHIN_SECS: u64 = 7 * 86_400;

/// Types whose databases can be asked.
const WITH_SQL: [&str; 3] = ["postgres", "mariadb", "sqlite"];

/// How a source is drilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillPlan {
    /// What is expected of its files.
    pub expect: Vec<Expect>,
    /// What is asked of its databases.
    pub questions: Vec<Question>,
    /// The site that is served from its files.
    pub site: Option<Site>,
    /// Seconds within which it should be restored.
    pub restore_target_secs: Option<u64>,
    /// Seconds within which it is to be proven again, where the plan says so.
    pub within_secs: Option<u64>,
}

impl DrillPlan {
    /// Seconds within which it is to be proven again.
    pub fn term_secs(&self) -> u64 {
        self.within_secs.unwrap_or(DRILL_WITHIN_SECS)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExpect {
    path: Option<Spanned<String>>,
    sql: Option<Spanned<String>>,
    database: Option<Spanned<String>>,
    equals: Option<Spanned<String>>,
    at_least: Option<Spanned<i64>>,
    at_most: Option<Spanned<i64>>,
    exists: Option<Spanned<bool>>,
    larger_than: Option<Spanned<String>>,
    newer_than: Option<Spanned<String>>,
    contains: Option<Spanned<String>>,
    count_at_least: Option<Spanned<i64>>,
}

pub(super) fn plan(common: &Common) -> Checked<DrillPlan> {
    let kind = common.kind.get_ref().as_str();
    let (mut files, mut questions) = (Vec::new(), Vec::new());
    for raw in &common.expect {
        match kind {
            "files" => files.push(expect(raw)?),
            kind if WITH_SQL.contains(&kind) => questions.push(question(raw)?),
            kind => {
                let text = format!(
                    "nothing can be expected of a source of type {kind:?}: of files and of databases with SQL"
                );
                return Err(fault(raw, text));
            }
        }
    }
    Ok(DrillPlan {
        expect: files,
        questions,
        site: common.site.as_ref().map(|raw| site(raw, kind)).transpose()?,
        restore_target_secs: common.restore_target.as_ref().map(secs).transpose()?,
        within_secs: common.drill_within.as_ref().map(secs).transpose()?,
    })
}

fn expect(raw: &Spanned<RawExpect>) -> Checked<Expect> {
    let RawExpect { path, exists, larger_than, newer_than, contains, count_at_least, .. } = raw.get_ref();
    let own = raw.get_ref();
    let of_sql = [own.sql.as_ref(), own.database.as_ref(), own.equals.as_ref()].into_iter().flatten().next();
    if of_sql.is_some() || own.at_least.is_some() || own.at_most.is_some() {
        return Err(fault(
            raw,
            "sql, database, equals, at_least and at_most are for databases; of files a path is expected",
        ));
    }
    let path = path.as_ref().ok_or_else(|| fault(raw, "there is no path: what of is this expected?"))?;
    absolute(path)?;
    if let Some(exists) = exists.as_ref().filter(|exists| !exists.get_ref()) {
        return Err(fault(exists, "only what should be there can be expected: exists = true"));
    }
    if exists.is_none()
        && larger_than.is_none()
        && newer_than.is_none()
        && contains.is_none()
        && count_at_least.is_none()
    {
        return Err(fault(
            path,
            "nothing is expected of it: say exists, larger_than, newer_than, contains or count_at_least",
        ));
    }
    let count = |number: &Spanned<i64>| {
        let least = u64::try_from(*number.get_ref()).ok().filter(|least| *least > 0);
        least.ok_or_else(|| fault(number, "this is a number from 1 on"))
    };
    if let Some(text) = contains.as_ref().filter(|text| text.get_ref().is_empty()) {
        return Err(fault(text, "every file contains an empty text"));
    }
    Ok(Expect {
        path: path.get_ref().clone(),
        larger_than_bytes: larger_than.as_ref().map(size).transpose()?,
        newer_than_secs: newer_than.as_ref().map(secs).transpose()?,
        contains: contains.as_ref().map(|text| text.get_ref().clone()),
        count_at_least: count_at_least.as_ref().map(count).transpose()?,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSite {
    root: Spanned<String>,
    start: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    screenshot: bool,
    changed_at_most_percent: Option<Spanned<i64>>,
}

fn site(raw: &Spanned<RawSite>, kind: &str) -> Checked<Site> {
    if kind != "files" {
        return Err(fault(raw, format!("a site is served from files, and this source is of type {kind:?}")));
    }
    let RawSite { root, start, screenshot, changed_at_most_percent } = raw.get_ref();
    absolute(root)?;
    let one = |start: &Spanned<String>| match start.get_ref() {
        text if text.starts_with('/') && !text.contains(char::is_whitespace) => Ok(text.clone()),
        _ => Err(fault(start, "a page is a path that begins with /, without blanks")),
    };
    let start = match start {
        Some(list) if list.get_ref().is_empty() => return Err(fault(list, "there is no page to begin with")),
        Some(list) => list.get_ref().iter().map(one).collect::<Checked<Vec<_>>>()?,
        None => vec!["/".to_owned()],
    };
    let percent = |number: &Spanned<i64>| {
        let percent = u8::try_from(*number.get_ref()).ok().filter(|percent| *percent <= 100);
        percent.ok_or_else(|| fault(number, "this is a number from 0 to 100"))
    };
    Ok(Site {
        root: root.get_ref().clone(),
        start,
        screenshot: *screenshot,
        changed_at_most_percent: changed_at_most_percent.as_ref().map(percent).transpose()?,
    })
}

/// A query, and what it must answer.
fn question(raw: &Spanned<RawExpect>) -> Checked<Question> {
    let RawExpect { sql, database, equals, at_least, at_most, .. } = raw.get_ref();
    let own = raw.get_ref();
    let of_files =
        own.path.is_some() || own.exists.is_some() || own.larger_than.is_some() || own.newer_than.is_some();
    if of_files || own.contains.is_some() || own.count_at_least.is_some() {
        return Err(fault(
            raw,
            "of a database a query is expected: sql, and with it database, equals, at_least or at_most",
        ));
    }
    let sql = sql.as_ref().filter(|sql| !sql.get_ref().trim().is_empty());
    let sql =
        sql.ok_or_else(|| fault(raw, "there is no sql: for example \"SELECT count(*) > 0 FROM orders\""))?;
    let bounds = (at_least.as_ref().map(|n| *n.get_ref()), at_most.as_ref().map(|n| *n.get_ref()));
    let wanted = match (equals, bounds) {
        (None, (None, None)) => Wanted::True,
        (Some(text), (None, None)) => Wanted::Equals(text.get_ref().clone()),
        (None, (least, most)) => Wanted::Between(least, most),
        (Some(text), _) => return Err(fault(text, "equals excludes at_least and at_most")),
    };
    Ok(Question {
        database: database.as_ref().map(|name| name.get_ref().clone()),
        sql: sql.get_ref().clone(),
        wanted,
    })
}

fn absolute(path: &Spanned<String>) -> Checked<()> {
    match path.get_ref().starts_with('/') && path.get_ref().len() > 1 {
        true => Ok(()),
        false => Err(fault(path, "this is an absolute path, as the snapshot has it")),
    }
}
