use super::*;

fn report(outcome: Outcome) -> RunReport {
    let empty = serde_json::json!({
        "run": "0", "source": "home", "source_type": "ping", "started_secs": 1000, "duration_secs": 7.0, "outcome": "ok",
        "snapshot": null, "sequence": null, "files": 0, "dirs": 0, "bytes": 0, "added_bytes": 0, "errors": 0,
        "error": null, "hint": null, "end_marker": null, "shape": null, "next_secs": null, "plan": null
    });
    RunReport { outcome, ..serde_json::from_value(empty).expect("a report") }
}

fn read(parser: Parser, exit: u8, output: &str) -> RunReport {
    let mut report = report(outcome(parser, End::Exit(exit)));
    fill(parser, output, &mut report);
    report
}

// Outputs of restic 0.14, 0.17, borg 1.2 as they came.
const RESTIC: &str = r#"{"message_type":"status","percent_done":0,"total_files":1,"total_bytes":3}
{"message_type":"summary","files_new":1,"files_changed":0,"files_unmodified":4,"dirs_new":1,"dirs_changed":0,"dirs_unmodified":0,"data_blobs":1,"tree_blobs":2,"data_added":707,"total_files_processed":5,"total_bytes_processed":300,"total_duration":0.256492808,"snapshot_id":"6788a64b"}"#;
const BORG: &str = "{\n    \"archive\": {\n        \"duration\": 0.0136,\n        \"id\": \"172e63\",\n        \"stats\": {\"deduplicated_size\": 456, \"nfiles\": 1, \"original_size\": 479}\n    }\n}\n";
const BORG_WARNING: &str = r#"{"type": "log_message", "time": 1795829468.98, "message": "nosuch: [Errno 2] No such file or directory: 'nosuch'", "levelname": "WARNING", "name": "borg.archiver"}"#;
const BORG_ERROR: &str = r#"{"type": "log_message", "message": "Repository /nobr does not exist.", "levelname": "ERROR", "name": "borg.archiver", "msgid": "Repository.DoesNotExist"}"#;

#[test]
fn restic_tells_sizes_errors_and_its_end() {
    let good = read(Parser::Restic, 0, RESTIC);
    assert_eq!((good.outcome, good.files, good.bytes, good.added_bytes), (Outcome::Ok, 5, 300, 707));
    assert_eq!((good.snapshot, good.notes), (None, vec!["restic snapshot 6788a64b".to_owned()]));
    // What restic 0.14 says of a path that is not there, and ends with status 0.
    let skipped = read(Parser::Restic, 0, &format!("/srv/gone does not exist, skipping\n{RESTIC}"));
    assert_eq!((skipped.outcome, skipped.errors), (Outcome::Partial, 1));
    let unread = r#"{"message_type":"error","error":{"message":"permission denied"},"during":"archival","item":"/etc/shadow"}"#;
    let partial = read(Parser::Restic, 3, &format!("{unread}\n{RESTIC}"));
    assert_eq!(
        (partial.outcome, partial.problems),
        (Outcome::Partial, vec!["/etc/shadow: permission denied".to_owned()])
    );
    let cut = read(Parser::Restic, 0, RESTIC.lines().next().unwrap_or_default());
    assert_eq!(cut.error.as_deref(), Some("it ended well, but restic printed no summary"));
    let fatal = read(Parser::Restic, 1, "Fatal: unable to open config file\nIs there a repository?\n");
    assert!(fatal.error.is_some_and(|error| error.ends_with("Is there a repository?")));
}

#[test]
fn borg_tells_warnings_between_its_document() {
    let good = read(Parser::Borg, 0, BORG);
    assert_eq!((good.outcome, good.files, good.bytes, good.added_bytes), (Outcome::Ok, 1, 479, 456));
    let partial = read(Parser::Borg, 1, &format!("{BORG_WARNING}\n{BORG}"));
    assert_eq!((partial.outcome, partial.errors, partial.bytes), (Outcome::Partial, 1, 479));
    let failed = read(Parser::Borg, 2, BORG_ERROR);
    assert_eq!(
        (failed.outcome, failed.error.as_deref()),
        (Outcome::Failed, Some("Repository /nobr does not exist."))
    );
    assert_eq!(read(Parser::Borg, 0, "").outcome, Outcome::Failed);
    // Newer numbers: a warning is 100 to 127, everything else is an error.
    assert_eq!(read(Parser::Borg, 107, BORG).outcome, Outcome::Partial);
    assert_eq!(read(Parser::Borg, 13, BORG).outcome, Outcome::Failed);
}

#[test]
fn a_tool_that_failed_is_believed_whatever_its_output_says() {
    for parser in [Parser::Plain, Parser::Restic, Parser::Borg, Parser::PgBackRest] {
        assert_eq!(outcome(parser, End::Failed), Outcome::Failed);
        assert_eq!(outcome(parser, End::Done), Outcome::Ok);
    }
}

#[test]
fn numbers_that_cannot_be_are_not_believed() {
    for (word, number) in [("300", "18446744073709551615"), ("0.256492808", "1e300"), ("0.256492808", "-1.0")]
    {
        let report = read(Parser::Restic, 0, &RESTIC.replace(word, number));
        assert_eq!(report.outcome, Outcome::Failed, "{number}");
        assert!(report.bytes <= AMOUNT_MAX && report.duration_secs == 0.0 || word == "300", "{number}");
    }
}

#[test]
fn pgbackrest_must_know_a_backup_of_this_run() {
    let info = |stop: i64, code: i64| {
        format!(
            r#"[{{"name":"main","status":{{"code":{code},"message":"other"}},"backup":[{{"label":"old","timestamp":{{"start":1,"stop":2}}}},
            {{"label":"20261128F","timestamp":{{"start":{},"stop":{stop}}},"info":{{"size":900,"repository":{{"size":90,"delta":80}}}}}}]}}]"#,
            stop - 30
        )
    };
    let good = read(Parser::PgBackRest, 0, &info(1100, 0));
    assert_eq!(
        (good.outcome, good.bytes, good.added_bytes, good.duration_secs),
        (Outcome::Ok, 900, 80, 30.0)
    );
    assert_eq!(read(Parser::PgBackRest, 0, &info(1100, 2)).outcome, Outcome::Partial);
    assert!(
        read(Parser::PgBackRest, 0, &info(500, 0))
            .error
            .is_some_and(|error| error.contains("older than this run"))
    );
    assert_eq!(read(Parser::PgBackRest, 0, "[]").outcome, Outcome::Failed);
}

#[test]
fn a_script_is_its_exit_status_and_its_last_word() {
    assert_eq!(read(Parser::Plain, 0, "copied\n").outcome, Outcome::Ok);
    assert_eq!(
        read(Parser::Plain, 7, "copying\nno space left\n\n").error.as_deref(),
        Some("the backup reported a failure: no space left")
    );
    assert!("tar".parse::<Parser>().is_err());
    for word in Parser::WORDS {
        assert!(word.parse::<Parser>().is_ok());
    }
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_printed_makes_a_failure_better(output in ".{0,400}", exit in 1u8..) {
        for parser in [Parser::Plain, Parser::Restic, Parser::Borg, Parser::PgBackRest] {
            let before = outcome(parser, End::Exit(exit));
            proptest::prop_assert!(read(parser, exit, &output).outcome >= before);
        }
    }
}
