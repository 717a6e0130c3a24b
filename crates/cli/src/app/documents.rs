//! Every command line that a document shows is one that the command line takes.

use super::command_line;
use clap::error::ErrorKind;
use std::fs;
use std::path::{Path, PathBuf};

/// Beginnings of what is not a command: names of formats, and of the program with its version.
const FORMATS: [&str; 4] = ["vow proof v", "vow report v", "vow introduction ", "vow 0."];

/// README, ARCHITECTURE, docs, and what lies beside the packaging.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found =
        vec![root.join("README.md"), root.join("ARCHITECTURE.md"), root.join("packaging/systemd/README.md")];
    let docs = fs::read_dir(root.join("docs")).expect("docs").map(|entry| entry.expect("an entry").path());
    found.extend(docs.filter(|path| path.extension().is_some_and(|end| end == "md")));
    found.extend(
        fs::read_dir(root.join("packaging/systemd"))
            .expect("units")
            .map(|entry| entry.expect("an entry").path()),
    );
    found
}

/// Commands in a text: lines of blocks, whole, and what stands between back quotes, which may be the beginning of one.
fn commands(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let (mut fenced, mut joined) = (false, String::new());
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let line = line.strip_prefix("ExecStart=").unwrap_or(line);
        if fenced || line.starts_with("    ") || line.starts_with("#   ") || line.starts_with('/') {
            joined.push_str(line.trim_start_matches(['#', ' ', '$']));
            if joined.ends_with('\\') {
                joined.pop();
                continue;
            }
            found.extend(split(&std::mem::take(&mut joined)).into_iter().map(|command| (command, true)));
        } else {
            let quoted = line.split('`').skip(1).step_by(2);
            found.extend(quoted.flat_map(split).map(|command| (command, false)));
        }
    }
    found
}

/// The commands of one line of shell: without comments, and each by itself.
fn split(line: &str) -> Vec<String> {
    let line = line.split("  #").next().unwrap_or_default();
    let mut parts = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '&' | ';' | '|' | '<' | '>') => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.into_iter().filter_map(|part| of_vow(part.trim())).collect()
}

/// What stands behind `vow`, with `vow`; nothing for other commands.
fn of_vow(command: &str) -> Option<String> {
    let words: Vec<_> = command.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "vow" || word.ends_with("/vow"))?;
    // Before it stand another account, settings of the environment, or nothing: else it is a sentence, or a path.
    let by_another = words.first().is_some_and(|word| ["runuser", "sudo", "cargo", "time"].contains(word));
    let fits = by_another || words[..at].iter().all(|word| word.contains('='));
    fits.then(|| words[at..].join(" "))
}

/// The words of a command, as a shell makes them.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut begun = false;
    for c in command.chars() {
        match (quote, c) {
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (Some(open), _) if open == c => quote = None,
            (None, ' ') => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            _ => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// What is wrong with a command. Of one that is not whole, only what no ending makes right; values in capitals or with dots stand for others.
fn wrong(command: &str, whole: bool) -> Option<String> {
    let words = words(command);
    // `ack|snooze|close`, `[PATH]…`: what a command may look like, not one.
    if words
        .iter()
        .any(|word| word.contains('|') || word.starts_with('[') || *word == "…" || *word == "COMMAND")
    {
        return None;
    }
    // Signs of the end of a sentence.
    let words = words.iter().map(|word| word.trim_end_matches([',', '.', ':']));
    let error = command_line().try_get_matches_from(words).err()?;
    let stands_for_another = command.contains('…')
        || command.split(' ').any(|word| word.len() < 12 && word.chars().all(|c| c.is_ascii_uppercase()));
    let wrong = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => false,
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand | ErrorKind::ArgumentConflict => true,
        ErrorKind::InvalidValue if !whole && error.to_string().contains("none was supplied") => false,
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => !stands_for_another,
        _ => whole && !stands_for_another,
    };
    wrong.then(|| error.to_string().lines().next().unwrap_or_default().to_owned())
}

#[test]
fn every_command_in_the_documents_is_one() {
    let (mut count, mut found) = (0, Vec::new());
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document");
        let is_command = |command: &str| !FORMATS.iter().any(|format| command.starts_with(format));
        for (command, whole) in commands(&text).into_iter().filter(|(command, _)| is_command(command)) {
            count += 1;
            if let Some(why) = wrong(&command, whole) {
                found.push(format!("{}: {command}: {why}", document.display()));
            }
        }
    }
    assert!(count > 150, "only {count} commands were found");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_is_no_command_is_found_and_what_stands_for_one_is_not() {
    for good in ["vow backup SOURCE…", "vow key new -o FILE", "vow --config F restore a@latest --target DIR"]
    {
        assert_eq!(wrong(good, true), None, "{good}");
    }
    for bad in ["vow backupp", "vow backup --drie-run", "vow console user link --dir D --hours 3 ada"] {
        assert!(wrong(bad, false).is_some(), "{bad}");
    }
    assert_eq!(
        split("runuser -u x -- vow backup && ls | /usr/bin/vow audit  # vow no"),
        ["vow backup", "/usr/bin/vow audit"]
    );
    assert_eq!(words("a 'b c' \"\" d"), ["a", "b c", "", "d"]);
}
