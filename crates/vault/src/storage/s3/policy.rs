//! Whom a bucket's policy lets do what a vault must be safe from: a pure function of its text.
//!
//! A lock keeps everybody from deleting what is locked, whatever a policy says. But what is kept for years outlives its lock, markers hide what is
//! locked, and rights of users and roles stand elsewhere, where no bucket shows them: this finds what is open, and proves nothing closed.

use serde::Deserialize;
use serde_json::Value;

/// Something that a policy lets somebody do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opened {
    /// Anybody at all can change something; what, for a sentence that begins with "lets anybody".
    ToAll(String),
    /// Anybody at all can read.
    ReadToAll,
    /// Somebody can change something: who, and what.
    ToSome(String),
}

/// What matters, in words that follow "lets somebody"; and whether it is done to the bucket as such rather than to its objects.
const CHANGES: [(&str, bool, &[&str]); 5] = [
    ("delete or hide objects", false, &["s3:DeleteObject", "s3:DeleteObjectVersion"]),
    ("put objects over others", false, &["s3:PutObject"]),
    (
        "change locks and versions",
        true,
        &["s3:PutBucketVersioning", "s3:PutBucketObjectLockConfiguration", "s3:BypassGovernanceRetention"],
    ),
    ("set lifecycle rules, which delete", true, &["s3:PutLifecycleConfiguration"]),
    (
        "change this policy or remove the bucket",
        true,
        &["s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:DeleteBucket"],
    ),
];
const READS: [(bool, &str); 3] =
    [(false, "s3:GetObject"), (false, "s3:GetObjectVersion"), (true, "s3:ListBucket")];
/// Of those who are let in, so many are named.
const NAMED_MAX: usize = 3;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    statement: OneOrMany<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: String,
    principal: Option<Value>,
    not_principal: Option<Value>,
    action: Option<OneOrMany<String>>,
    not_action: Option<OneOrMany<String>>,
    resource: Option<OneOrMany<String>>,
    not_resource: Option<OneOrMany<String>>,
    condition: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Everything that the policy lets somebody do to what lies below `prefix` in this bucket. The error says what could not be read.
pub(super) fn opened(text: &str, bucket: &str, prefix: &str) -> Result<Vec<Opened>, String> {
    let policy: Policy = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for statement in policy.statement.as_slice().iter().filter(|statement| statement.effect == "Allow") {
        let may = |of_bucket: bool, action: &str| {
            statement.covers(of_bucket, bucket, prefix) && statement.allows(action)
        };
        let changes =
            CHANGES.iter().filter(|(_, of_bucket, actions)| actions.iter().any(|one| may(*of_bucket, one)));
        let changes: Vec<_> = changes.map(|(what, _, _)| *what).collect();
        match (statement.who(), changes.is_empty()) {
            (Who::Anybody, false) => found.push(Opened::ToAll(changes.join(", "))),
            (Who::Some(names), false) => {
                found.push(Opened::ToSome(format!("{names} {}", changes.join(", "))))
            }
            _ => {}
        }
        if matches!(statement.who(), Who::Anybody)
            && READS.iter().any(|(of_bucket, action)| may(*of_bucket, action))
        {
            found.push(Opened::ReadToAll);
        }
    }
    Ok(found)
}

enum Who {
    Anybody,
    Some(String),
}

impl Statement {
    /// Whom it is about. One with conditions, which are not weighed here, is about those who fulfil them.
    fn who(&self) -> Who {
        let mut names = Vec::new();
        self.principal.iter().for_each(|value| collect(value, &mut names));
        let is_anybody = self.not_principal.is_some() || names.iter().any(|name| name == "*");
        if is_anybody && self.condition.is_none() {
            return Who::Anybody;
        }
        if is_anybody {
            return Who::Some("whoever fulfils a condition".into());
        }
        let shown = names.iter().take(NAMED_MAX).map(|name| plain(name)).collect::<Vec<_>>().join(", ");
        Who::Some(match names.len().saturating_sub(NAMED_MAX) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        })
    }

    fn allows(&self, action: &str) -> bool {
        let named =
            |patterns: &OneOrMany<String>| patterns.as_slice().iter().any(|pattern| fits(pattern, action));
        match (&self.action, &self.not_action) {
            (Some(actions), _) => named(actions),
            (None, Some(others)) => !named(others),
            (None, None) => false,
        }
    }

    /// Whether it reaches the bucket as such, or what lies below the prefix.
    fn covers(&self, of_bucket: bool, bucket: &str, prefix: &str) -> bool {
        // All but some: whether these are ours is not looked at.
        let Some(resources) = &self.resource else { return self.not_resource.is_some() };
        let wanted = if of_bucket { bucket.to_owned() } else { format!("{bucket}/{prefix}") };
        resources.as_slice().iter().any(|resource| {
            let pattern = resource.rsplit(":::").next().unwrap_or(resource);
            if of_bucket {
                return fits(pattern, &wanted);
            }
            match pattern.find(['*', '?']) {
                Some(wild) => pattern.starts_with(&wanted) || wanted.starts_with(&pattern[..wild]),
                None => pattern.starts_with(&wanted),
            }
        })
    }
}

/// Every text in a principal: "*", {"AWS": "…"}, {"AWS": ["…", …], …}.
fn collect(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::String(name) => names.push(name.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
        Value::Object(kinds) => kinds.values().for_each(|value| collect(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(120).collect()
}

/// Whether a pattern with `*` and `?` is of this text, in any case.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut of) = (0, 0);
    // Where the last star was, and what it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(of) {
            Some(b'*') => {
                star = Some((of, at));
                of += 1;
            }
            Some(c) if *c == b'?' || *c == text[at] => (at, of) = (at + 1, of + 1),
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    (at, of) = (taken + 1, place + 1);
                }
                None => return false,
            },
        }
    }
    pattern[of..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(statement: &str) -> Vec<Opened> {
        let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#);
        opened(&text, "backups", "acme/vault/").expect("a policy")
    }

    fn allow(principal: &str, action: &str, resource: &str) -> String {
        format!(
            r#"{{"Effect": "Allow", "Principal": {principal}, "Action": {action}, "Resource": {resource}}}"#
        )
    }

    const ALL: &str = r#"["arn:aws:s3:::backups", "arn:aws:s3:::backups/*"]"#;

    #[test]
    fn what_is_open_to_anybody_is_found() {
        for principal in [r#""*""#, r#"{"AWS": "*"}"#, r#"{"AWS": ["arn:aws:iam::1:root", "*"]}"#] {
            for action in [r#""s3:*""#, r#""*""#, r#"["s3:GetObject", "s3:deleteobject*"]"#] {
                let found = of(&allow(principal, action, ALL));
                assert!(
                    matches!(&found[0], Opened::ToAll(what) if what.contains("delete")),
                    "{principal} {action}: {found:?}"
                );
            }
            assert_eq!(of(&allow(principal, r#""s3:GetObject""#, ALL)), [Opened::ReadToAll]);
        }
        // Everybody but one, everything but one.
        let but = r#"{"Effect": "Allow", "NotPrincipal": {"AWS": "x"}, "NotAction": "s3:DeleteBucket", "NotResource": "arn:aws:s3:::other/*"}"#;
        assert!(matches!(&of(but)[0], Opened::ToAll(what) if what.contains("lifecycle")));
        // One statement instead of a list of them.
        let one = format!(r#"{{"Statement": {}}}"#, allow(r#""*""#, r#""s3:*""#, ALL));
        assert_eq!(opened(&one, "backups", "acme/vault/").expect("a policy").len(), 2);
    }

    #[test]
    fn those_who_are_named_are_told() {
        let found = of(&allow(
            r#"{"AWS": "arn:aws:iam::1:role/ops"}"#,
            r#"["s3:PutLifecycleConfiguration", "s3:Get*"]"#,
            ALL,
        ));
        assert_eq!(
            found,
            [Opened::ToSome("arn:aws:iam::1:role/ops set lifecycle rules, which delete".into())]
        );
        let inside = allow(r#""*""#, r#""s3:DeleteObject""#, ALL)
            .replace("\"Effect\"", r#""Condition": {"IpAddress": {}}, "Effect""#);
        assert!(matches!(&of(&inside)[..], [Opened::ToSome(who)] if who.contains("condition")));
    }

    #[test]
    fn what_is_elsewhere_or_denied_is_left_alone() {
        for statement in [
            allow(r#""*""#, r#""s3:*""#, r#""arn:aws:s3:::backups/public/*""#),
            allow(r#""*""#, r#""s3:*""#, r#""arn:aws:s3:::other""#),
            allow(r#""*""#, r#""s3:GetBucketLocation""#, ALL),
            allow(r#""*""#, r#""s3:DeleteObject""#, ALL).replace("Allow", "Deny"),
            // Of objects, said of the bucket.
            allow(r#""*""#, r#""s3:DeleteObject""#, r#""arn:aws:s3:::backups""#),
        ] {
            assert_eq!(of(&statement), [], "{statement}");
        }
        for bad in ["", "{}", "[]", r#"{"Statement": 1}"#] {
            assert!(opened(bad, "backups", "").is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, text) in [
            ("*", ""),
            ("s3:*", "s3:DeleteObject"),
            ("S3:delete?bject*", "s3:DeleteObjectVersion"),
            ("a*b*c", "axxbyybzc"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("s3:Get*", "s3:DeleteObject"), ("a*b", "axbc"), ("a?", "a")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
