//! What dpkg has installed, and which of its configuration files are not as they came.

use super::machine::Machine;
use md5::{Digest, Md5};
use serde::Serialize;

/// What is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Packages {
    /// How many.
    pub count: u64,
    /// Name and version of each.
    pub installed: Vec<Package>,
    /// Configuration files that were changed since they were installed.
    pub changed: Vec<String>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What dpkg knows of one package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) version: String,
    /// Configuration files and the MD5 they came with.
    pub(super) files: Vec<(String, String)>,
}

const PACKAGES_MAX: usize = 10_000;
const FILES_MAX: usize = 20_000;

/// What is installed here.
pub(super) fn look(machine: &Machine) -> Packages {
    let Some(text) = machine.text("/var/lib/dpkg/status") else {
        if machine.is_dir("/var/lib/rpm") || machine.is_dir("/usr/lib/sysimage/rpm") {
            machine.missed("packages", "the database of RPM is not read by this version");
        }
        return Packages::default();
    };
    let known = parse(&text);
    let files = known.iter().flat_map(|package| &package.files).take(FILES_MAX);
    let is_changed =
        |(path, sum): &&(String, String)| machine.read(path).is_some_and(|bytes| md5(&bytes) != *sum);
    let changed = files.filter(is_changed).map(|(path, _)| path.clone()).collect();
    let one = |package: &Known| Package { name: package.name.clone(), version: package.version.clone() };
    Packages {
        count: known.len() as u64,
        installed: known.iter().take(PACKAGES_MAX).map(one).collect(),
        changed,
    }
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads dpkg's status.
pub(super) fn parse(text: &str) -> Vec<Known> {
    let mut all = Vec::new();
    for stanza in text.split("\n\n") {
        let (mut known, mut installed, mut in_files) = (Known::default(), false, false);
        for line in stanza.lines() {
            if let Some(rest) = line.strip_prefix(' ') {
                let mut words = rest.split_ascii_whitespace();
                if let (true, Some(path), Some(sum)) = (in_files, words.next(), words.next()) {
                    // What is no longer of this package is not asked after.
                    if words.next() != Some("obsolete") && path.starts_with('/') && sum.len() == 32 {
                        known.files.push((path.to_owned(), sum.to_owned()));
                    }
                }
                continue;
            }
            let (key, value) = line.split_once(':').map_or((line, ""), |(key, value)| (key, value.trim()));
            in_files = key == "Conffiles";
            match key {
                "Package" => known.name = value.to_owned(),
                "Version" => known.version = value.to_owned(),
                "Status" => installed = value.ends_with(" installed"),
                _ => {}
            }
        }
        if installed && !known.name.is_empty() {
            all.push(known);
        }
    }
    all
}
