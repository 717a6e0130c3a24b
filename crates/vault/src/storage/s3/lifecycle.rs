//! What a bucket's lifecycle rules would do to a vault in it: a pure function of what the store says of them.
//!
//! A lock keeps a rule from deleting what is locked. But what is kept for years outlives its lock, and a rule that expires objects hides locked
//! ones behind delete markers.

use super::xml::{Lifecycle, LifecycleRule};

/// Objects that anybody may remove at any time.
const FREE: [&str; 2] = ["probe/", "cache/"];
/// Where objects cannot be read before somebody has ordered them back.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// Everything that rules would take away from what lies below `prefix`, a sentence for each.
pub(super) fn harms(lifecycle: &Lifecycle, prefix: &str) -> Vec<String> {
    let in_force = lifecycle.rules.iter().filter(|rule| rule.status.as_deref() == Some("Enabled"));
    in_force.filter(|rule| reaches(rule, prefix)).flat_map(of_rule).collect()
}

fn of_rule(rule: &LifecycleRule) -> Vec<String> {
    let name = match rule.id.as_deref() {
        None | Some("") => "a rule without a name".to_owned(),
        Some(id) => format!("the rule {:?}", id.chars().take(64).collect::<String>()),
    };
    let mut harms = Vec::new();
    if let Some(expiration) = &rule.expiration {
        match (expiration.days, &expiration.date) {
            (Some(days), _) => harms.push(format!("{name} removes every object after {days} days")),
            (None, Some(date)) => harms.push(format!("{name} removes every object from {date} on")),
            // It only clears away markers under which nothing is left.
            (None, None) => {}
        }
    }
    if rule.noncurrent_version_expiration.is_some() {
        harms.push(format!(
            "{name} removes what somebody has hidden behind a delete marker or another object"
        ));
    }
    let mut classes = rule.transitions.iter().chain(&rule.noncurrent_version_transitions);
    if let Some(class) = classes.find_map(|to| to.storage_class.as_deref().filter(|to| ARCHIVES.contains(to)))
    {
        harms.push(format!("{name} moves objects to {class}, where they cannot be read at once"));
    }
    harms
}

/// Whether a rule is about anything of the vault that has to stay.
fn reaches(rule: &LifecycleRule, prefix: &str) -> bool {
    let filter = rule.filter.as_ref();
    let both = filter.and_then(|filter| filter.and.as_ref());
    // Nothing in a vault has tags.
    if filter.is_some_and(|filter| filter.tag.is_some()) || both.is_some_and(|both| !both.tags.is_empty()) {
        return false;
    }
    let given = [
        rule.prefix.as_deref(),
        filter.and_then(|filter| filter.prefix.as_deref()),
        both.and_then(|both| both.prefix.as_deref()),
    ];
    let reach = given.into_iter().flatten().next().unwrap_or("");
    match reach.strip_prefix(prefix) {
        Some(inside) => !FREE.iter().any(|free| inside.starts_with(free)),
        None => prefix.starts_with(reach),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::s3::xml;

    fn harms_of(rule: &str) -> Vec<String> {
        let text = format!(
            "<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule>{rule}</Rule></LifecycleConfiguration>"
        );
        let rules = xml::document(text.as_bytes(), &["LifecycleConfiguration"]).expect("rules");
        harms(&rules, "some/where/")
    }

    const OLD: &str = "<ID>old</ID><Status>Enabled</Status>";
    const EXPIRE: &str = "<Expiration><Days>30</Days></Expiration>";

    #[test]
    fn rules_that_remove_are_found_wherever_they_reach() {
        for reach in [
            "",
            "<Filter/>",
            "<Filter></Filter>",
            "<Prefix/>",
            "<Prefix></Prefix>",
            "<Prefix>some/</Prefix>",
            "<Filter><Prefix>some/where/hosts/</Prefix></Filter>",
            "<Filter><And><Prefix>some/where/</Prefix><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan></And></Filter>",
        ] {
            let found = harms_of(&format!("{OLD}{reach}{EXPIRE}"));
            assert_eq!(found, ["the rule \"old\" removes every object after 30 days"], "{reach}");
        }
        for (what, part) in [
            ("<Expiration><Date>2027-01-01T00:00:00Z</Date></Expiration>", "from 2027"),
            (
                "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>",
                "hidden",
            ),
            ("<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>", "GLACIER"),
            (
                "<Transition><Days>1</Days><StorageClass>STANDARD_IA</StorageClass></Transition>\
                 <NoncurrentVersionTransition><StorageClass>DEEP_ARCHIVE</StorageClass></NoncurrentVersionTransition>",
                "DEEP_ARCHIVE",
            ),
        ] {
            let found = harms_of(&format!("{OLD}{what}"));
            assert!(found.len() == 1 && found[0].contains(part), "{what}: {found:?}");
        }
        assert!(
            harms_of("<Status>Enabled</Status><Expiration><Days>1</Days></Expiration>")[0]
                .contains("without a name")
        );
    }

    #[test]
    fn rules_that_take_nothing_away_are_left_alone() {
        for rule in [
            "<Status>Disabled</Status><Expiration><Days>1</Days></Expiration>".to_owned(),
            format!("{OLD}<Prefix>other/</Prefix>{EXPIRE}"),
            format!("{OLD}<Prefix>some/where/probe/</Prefix>{EXPIRE}"),
            format!("{OLD}<Filter><Prefix>some/where/cache/x</Prefix></Filter>{EXPIRE}"),
            format!("{OLD}<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>{EXPIRE}"),
            format!(
                "{OLD}<Filter><And><Prefix/><Tag><Key>a</Key><Value>b</Value></Tag></And></Filter>{EXPIRE}"
            ),
            format!(
                "{OLD}<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
            ),
            format!(
                "{OLD}<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
            ),
            format!("{OLD}<Transition><Days>1</Days><StorageClass>GLACIER_IR</StorageClass></Transition>"),
        ] {
            assert_eq!(harms_of(&rule), [""; 0], "{rule}");
        }
    }
}
