//! The example of the document, and where faults are said to be.

use super::*;

/// The part of a document between two fences, after a heading.
fn example() -> String {
    let document = include_str!("../../../../../docs/vault.md");
    let section = document.split_once("\n## Serving").expect("a section").1;
    let indented = section
        .lines()
        .skip_while(|line| !line.starts_with("    "))
        .take_while(|line| line.is_empty() || line.starts_with("    "));
    indented.map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect()
}

#[test]
fn the_example_of_the_document_says_the_defaults() {
    let text = example();
    assert!(text.contains("[limits]") && text.contains("[[quota.for]]"), "{text}");
    let (read, default) = (Config::parse(&text).expect("the example"), Config::default());
    assert_eq!(read.listen, default.listen);
    assert_eq!(read.socket, default.socket);
    assert_eq!(read.reserve, default.reserve);
    assert_eq!(format!("{:?}", read.limits), format!("{:?}", default.limits));
    assert_eq!(read.quota.exceptions.len(), 2);
    assert_eq!(read.storage, default.storage);
    assert_eq!(format!("{:?}", read.chores), format!("{:?}", default.chores));
    assert_eq!(read.key, default.key);
    assert_eq!(format!("{:?}", read.bucket), format!("{:?}", default.bucket));
    assert_eq!(read.replicate.len(), 1);
    assert!(Config::parse("").is_ok());
}

#[test]
fn faults_are_said_with_line_and_column() {
    for (text, line, column, part) in [
        ("listn = []", 1, 1, "unknown field"),
        ("listen = [\"here\"]", 1, 11, "socket address"),
        ("\n[limits]\nconnections = \"many\"", 3, 15, "invalid type"),
        ("[limits]\nconnections = 0", 2, 1, "at least 1"),
        ("[limits]\n  memory = \"1 MiB\"", 2, 3, "8 MiB"),
        ("[limits]\nmemory = \"1 mib\"", 2, 10, "number of bytes"),
        ("[limits]\nrequests = 4", 1, 1, "requests_per_key"),
        ("[limits]\nrequests_per_key = 4\nrequests_per_key = 5", 3, 1, "duplicate"),
        ("reserve = -1", 1, 11, "number of bytes"),
        ("[[quota.for]]\ntenant = \"A\"\nbytes = 1", 1, 1, "cannot be a name"),
        ("[[quota.for]]\nbytes = 1", 1, 1, "tenant"),
        ("address = \"vault:8443\"", 1, 11, "https://NAME:PORT"),
        ("storage = \"\"", 1, 1, "no folder"),
        ("storage = \"http://store/x\"", 1, 1, "s3://BUCKET"),
        ("[bucket]\nlock = \"1s\"", 2, 1, "a minute"),
        ("[chores]\nprobe = \"2d\"", 2, 1, "a day"),
        ("[chores]\nsweep = \"2d\"", 2, 1, "a day"),
        ("[chores]\nscrub = \"1s\"", 2, 1, "a minute"),
        ("[[replicate]]\nname = \"far\"", 1, 1, "a url or a path"),
        ("\n[[replicate]]\nname = \"far\"\nurl = \"https://x\"", 2, 1, "no fingerprint"),
        ("[[replicate]]\nname = \"far\"\npath = \"x\"\nevery = \"1s\"", 1, 1, "too often"),
        ("[[replicate]]\nname = \"far\"\npath = \"x\"\nfingerprint = \"12\"", 4, 15, "64 hexadecimal"),
        ("x", 1, 2, ""),
    ] {
        let error = Config::parse(text).expect_err(text);
        assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
}
