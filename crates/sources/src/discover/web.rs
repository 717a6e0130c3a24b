//! Folders that web servers show: `root` and `alias` of nginx, `DocumentRoot` of Apache.

use super::machine::{Machine, shown};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A folder that a web server shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebRoot {
    /// The folder.
    pub path: String,
    /// Where that is written.
    pub file: String,
    /// Which server.
    pub server: &'static str,
}

const NGINX: [&str; 3] = ["/etc/nginx", "/etc/nginx/conf.d", "/etc/nginx/sites-enabled"];
const APACHE: [&str; 5] = [
    "/etc/apache2",
    "/etc/apache2/sites-enabled",
    "/etc/apache2/conf-enabled",
    "/etc/httpd/conf",
    "/etc/httpd/conf.d",
];

/// What web servers show here.
pub(super) fn look(machine: &Machine) -> Vec<WebRoot> {
    let mut found: BTreeMap<String, WebRoot> = BTreeMap::new();
    for (folders, server, read) in [
        (&NGINX[..], "nginx", nginx as fn(&str) -> Vec<String>),
        (&APACHE[..], "apache", apache as fn(&str) -> Vec<String>),
    ] {
        for folder in folders {
            for name in machine.names(folder) {
                let file = Path::new(folder).join(&name);
                let enabled = folder.ends_with("-enabled") || name.to_string_lossy().ends_with(".conf");
                let Some(text) = enabled.then(|| machine.text(&file)).flatten() else { continue };
                for path in read(&text) {
                    let root = WebRoot { path: path.clone(), file: shown(&file), server };
                    found.entry(path).or_insert(root);
                }
            }
        }
    }
    found.into_values().filter(|root| machine.is_dir(&root.path)).collect()
}

/// Folders of nginx: what stands in `root` and `alias`, up to the first variable.
pub(super) fn nginx(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        for statement in line.split([';', '{', '}']) {
            let mut words = statement.split_ascii_whitespace();
            if let (Some("root" | "alias"), Some(path)) = (words.next(), words.next()) {
                found.extend(folder(path));
            }
        }
    }
    found
}

/// Folders of Apache.
pub(super) fn apache(text: &str) -> Vec<String> {
    let one = |line: &str| {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace)?;
        word.eq_ignore_ascii_case("DocumentRoot").then(|| folder(rest.trim())).flatten()
    };
    text.lines().filter_map(one).collect()
}

/// A path without quotes, without its last part when a variable begins in it, without a slash at its end.
fn folder(text: &str) -> Option<String> {
    let text = text.trim_matches(['"', '\'']);
    let text = match text.find('$') {
        Some(at) => &text[..text[..at].rfind('/')?],
        None => text,
    };
    let text = text.trim_end_matches('/');
    (text.starts_with('/') && !text.contains('\0')).then(|| text.to_owned())
}
