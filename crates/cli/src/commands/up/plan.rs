//! The sources of a new plan, as text that explains itself. What a machine calls its folders and databases only ever stands in quotes or,
//! made plain, in comments.

use super::choose::{Choice, Server};
use crate::ui::plain;
use std::path::Path;
use vow_agent::plan::quoted;

/// Files in the quiet of the night, databases before them: what files say of a database then has a dump beside it.
const FILES_SCHEDULE: &str = "30 2 * * *";
const DATABASES_SCHEDULE: &str = "0 1 * * *";
/// Lines of what is not captured that are worth reading.
const LEFT_SHOWN: usize = 40;

/// One source with these paths and nothing else: what was asked for by name.
pub(super) fn of_paths(paths: &[&str], exclude: &[String]) -> String {
    let choice: Vec<_> = paths.iter().map(|path| (*path, String::new())).collect();
    format!(
        "# What was named on the command line of `vow up`. `vow audit` says what else is on this machine.\n{}",
        files(&choice, exclude)
    )
}

/// Everything that was found.
pub(super) fn of_choice(choice: &Choice, exclude: &[String]) -> String {
    let paths = choice.paths.iter();
    let paths: Vec<_> = paths.filter_map(|(path, what)| Some((path.to_str()?, plain(what)))).collect();
    let mut text = String::new();
    if !paths.is_empty() {
        text.push_str(
            "# Folders of this machine that do not come back by themselves, as packages and caches do.\n",
        );
        text.push_str(&files(&paths, exclude));
    }
    text.push_str(&left(choice));
    let mut names = Vec::new();
    for server in &choice.servers {
        text.push('\n');
        text.push_str(&database(server, &unused(server.kind, &mut names)));
    }
    if !choice.sqlite.is_empty() {
        text.push('\n');
        text.push_str(&sqlite(choice));
    }
    text
}

fn files(paths: &[(&str, String)], exclude: &[String]) -> String {
    let mut text = format!(
        "[[source]]\nname = \"files\"\ntype = \"files\"\nschedule = {}             # minute hour day month weekday, as in crontab\npaths = [\n",
        quoted(FILES_SCHEDULE)
    );
    for (path, what) in paths {
        let comment = if what.is_empty() || what == "folder" { String::new() } else { format!("  # {what}") };
        text.push_str(&format!("    {},{comment}\n", quoted(path)));
    }
    text.push_str("]\n");
    if !exclude.is_empty() {
        let list: Vec<_> = exclude.iter().map(|pattern| quoted(pattern)).collect();
        text.push_str(&format!(
            "exclude = [{}]  # Vow's own folder: it is of no use in a backup\n",
            list.join(", ")
        ));
    }
    text
}

fn left(choice: &Choice) -> String {
    if choice.left.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "\n# Found, and NOT captured. To have one, put it into `paths` above; to accept the gap, write a [[waiver]] (docs/audit.md).\n",
    );
    for left in choice.left.iter().take(LEFT_SHOWN) {
        text.push_str(&format!("#   {}, {}: {}\n", shown(&left.path), plain(&left.what), plain(&left.why)));
    }
    let more = choice.left.len().saturating_sub(LEFT_SHOWN);
    if more > 0 {
        text.push_str(&format!("#   … and {more} more: `vow audit` has them all\n"));
    }
    text
}

fn shown(path: &Path) -> String {
    plain(&quoted(&path.to_string_lossy()))
}

fn database(server: &Server, name: &str) -> String {
    let databases: Vec<_> = server.databases.iter().map(|name| plain(name)).collect();
    let with = if databases.is_empty() { String::new() } else { format!(", with {}", databases.join(", ")) };
    let url = server.url.as_ref().filter(|_| server.kind != "ldap");
    let url = url.map_or_else(String::new, |url| format!("url = {}\n", quoted(url)));
    let block = format!(
        "[[source]]\nname = {}\ntype = {}\n{url}schedule = {}\n",
        quoted(name),
        quoted(server.kind),
        quoted(DATABASES_SCHEDULE)
    );
    let server_name = plain(&server.name);
    let Some(problem) = &server.problem else { return format!("# {server_name}{with}.\n{block}") };
    let lines: String = block.lines().map(|line| format!("# {}\n", plain(line))).collect();
    format!(
        "# {server_name} is NOT captured: {}.\n# Next step: {}\n{lines}",
        plain(problem).trim_end_matches('.'),
        next_step(server)
    )
}

/// What makes a server that was found one that can be captured.
fn next_step(server: &Server) -> &'static str {
    match server.kind {
        "postgres" | "mariadb" if server.url.is_none() => {
            "start it, or delete its folder when nobody needs it any more. When it runs, take the marks away and fill in the url:\n\
             # `vow discover` shows it."
        }
        "postgres" => {
            "run as root or as the server's account, or name a role and its password_file that may read everything\n\
             # (docs/sources.md, \"PostgreSQL\"), and take the marks away:"
        }
        "mariadb" => {
            "run as root, or name an account and its password_file that may read everything (docs/sources.md, \"MariaDB\"),\n\
             # and take the marks away:"
        }
        _ => "name an account and its password_file (docs/sources.md), and take the marks away:",
    }
}

fn sqlite(choice: &Choice) -> String {
    let mut text = format!(
        "# SQLite databases of services: each is captured whole also while it is written to. New ones: `vow discover` shows them.\n\
         [[source]]\nname = \"sqlite\"\ntype = \"sqlite\"\nschedule = {}\npaths = [\n",
        quoted(DATABASES_SCHEDULE)
    );
    for path in choice.sqlite.iter().filter_map(|path| path.to_str()) {
        text.push_str(&format!("    {},\n", quoted(path)));
    }
    text.push_str("]\n");
    text
}

/// The name of a source: that of its type, with a number when there are several.
fn unused(kind: &str, names: &mut Vec<String>) -> String {
    let numbered = (2..).map(|number| format!("{kind}-{number}"));
    let name = std::iter::once(kind.to_owned()).chain(numbered).find(|name| !names.contains(name));
    let name = name.unwrap_or_else(|| kind.to_owned());
    names.push(name.clone());
    name
}

#[cfg(test)]
mod tests {
    use super::super::choose::Left;
    use super::*;

    fn server(kind: &'static str, problem: Option<&str>) -> Server {
        Server {
            kind,
            name: format!("{kind} at\nhome"),
            url: Some(format!("{kind}:///?x=\"y\"")),
            databases: vec!["orders".into(), "a\nb = 1".into()],
            problem: problem.map(str::to_owned),
        }
    }

    #[test]
    fn names_of_the_machine_end_neither_quotes_nor_comments() {
        let choice = Choice {
            paths: vec![
                ("/etc".into(), "folder".into()),
                ("/srv/a\"b\n[host]".into(), "home of\nx = 1".into()),
            ],
            left: vec![Left { path: "/n\nname = 1".into(), what: "mount\n".into(), why: "far\naway".into() }],
            servers: vec![
                server("postgres", None),
                server("postgres", Some("no\nentry")),
                server("redis", None),
            ],
            sqlite: vec!["/var/lib/x/y.db".into()],
        };
        let text = of_choice(&choice, &["/own".into()]);
        let table: toml::Table = toml::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(table.keys().collect::<Vec<_>>(), ["source"], "{text}");
        let sources = table["source"].as_array().expect("sources");
        let names: Vec<_> = sources.iter().map(|source| source["name"].as_str().expect("a name")).collect();
        assert_eq!(names, ["files", "postgres", "redis", "sqlite"]);
        assert_eq!(sources[0]["paths"].as_array().expect("paths").len(), 2);
        // The one that cannot be captured stands there as it would be, and comes to life when its marks are taken away.
        assert!(text.contains("# name = \"postgres-2\"\n# type = \"postgres\"\n"), "{text}");
        assert!(text.contains("is NOT captured: no"), "{text}");
    }

    #[test]
    fn a_plan_of_named_paths_has_these_and_no_more() {
        let text = of_paths(&["/a b"], &[]);
        let table: toml::Table = toml::from_str(&text).expect("TOML");
        assert_eq!(table["source"][0]["paths"][0].as_str(), Some("/a b"));
    }
}
