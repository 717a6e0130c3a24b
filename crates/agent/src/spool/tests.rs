use super::*;
use crate::reporting::report;
use vow_protocol::report::Alive;

fn a_report(made_secs: i64, body: Body) -> Report {
    Report { made_secs, ..report("acme", "web-1", body).expect("randomness") }
}

fn alive() -> Body {
    Body::Alive(Alive::default())
}

fn inventory(number: u64) -> Body {
    Body::Inventory(Box::new(serde_json::json!({ "number": number })))
}

fn run(source: &str) -> Body {
    let text = serde_json::json!({
        "run": "00", "source": source, "source_type": "files", "started_secs": 0, "duration_secs": 0.0, "outcome": "ok",
        "files": 0, "dirs": 0, "bytes": 0, "added_bytes": 0, "errors": 0,
    });
    Body::Run(serde_json::from_value(text).expect("a run: what is absent has a default"))
}

fn read(spool: &Spool) -> Vec<Report> {
    let one = |waiting: &Waiting| match spool.read(waiting) {
        Ok(Some(Stored::Whole(report))) => *report,
        other => panic!("{other:?}"),
    };
    spool.waiting().expect("listed").iter().map(one).collect()
}

#[test]
fn what_is_put_waits_in_order_until_it_is_taken() {
    let state = tempfile::tempdir().expect("a folder");
    let spool = Spool::new(state.path());
    assert_eq!(spool.waiting().expect("nothing yet"), []);
    let reports = [a_report(20, run("b")), a_report(10, run("a")), a_report(i64::MIN, run("c"))];
    reports.iter().for_each(|report| spool.put(report).expect("kept"));
    let times: Vec<_> = read(&spool).iter().map(|report| report.made_secs).collect();
    assert_eq!(times, [20, 10, i64::MIN], "in the order in which they were put");
    // The same report again is the same file.
    spool.put(&reports[0]).expect("kept");
    let waiting = spool.waiting().expect("listed");
    assert_eq!(waiting.len(), 3);
    spool.taken(&waiting[0]);
    assert!(spool.read(&waiting[0]).expect("no error").is_none());
    spool.refused(&waiting[1]);
    assert_eq!(spool.waiting().expect("listed").len(), 1);
    assert_eq!(fs::read_dir(state.path().join("reports/refused")).expect("put aside").count(), 1);
}

#[test]
fn only_the_newest_inventory_waits() {
    let state = tempfile::tempdir().expect("a folder");
    let spool = Spool::new(state.path());
    for number in 0..3 {
        spool.put(&a_report(10, run("a"))).expect("kept");
        spool.put(&a_report(10 + number as i64, inventory(number))).expect("kept");
    }
    let reports = read(&spool);
    assert_eq!(reports.iter().filter(|report| matches!(report.body, Body::Run(_))).count(), 3);
    assert_eq!(reports.last().map(|report| &report.body), Some(&inventory(2)));
    assert_eq!(reports.len(), 4);
}

#[test]
fn a_full_spool_keeps_the_oldest_and_counts_the_rest() {
    let state = tempfile::tempdir().expect("a folder");
    let spool = Spool::new(state.path());
    spool.put(&a_report(1, alive())).expect("kept");
    for number in 0..REPORTS_MAX {
        fs::write(state.path().join(format!("reports/{number:020}-run-{number:032x}.json")), "{}")
            .expect("a file");
    }
    for lost in 1..4 {
        assert!(matches!(spool.put(&a_report(99_999, run("a"))), Err(SpoolError::Full { .. })));
        assert_eq!(spool.lost(), lost);
    }
    spool.told();
    assert_eq!(spool.lost(), 0);
    let too_long = serde_json::json!({ "x": "x".repeat(REPORT_LIMIT_BYTES) });
    let too_long = a_report(1, Body::Inventory(Box::new(too_long)));
    assert!(matches!(spool.put(&too_long), Err(SpoolError::TooLong(_))));
    // What is no object cannot bear the mark of its kind.
    let text = a_report(1, Body::Inventory(Box::new("x".into())));
    assert!(matches!(spool.put(&text), Err(SpoolError::Unwritable(_))));
}

#[test]
fn one_sends_at_a_time_and_what_was_left_behind_goes() {
    let state = tempfile::tempdir().expect("a folder");
    let spool = Spool::new(state.path());
    spool.put(&a_report(1, alive())).expect("kept");
    let left = state.path().join("reports/unfinished/x");
    let file = File::create(&left).expect("a file");
    file.set_modified(SystemTime::now() - 2 * LEFT_BEHIND).expect("old");
    fs::write(state.path().join("reports/unfinished/y"), "").expect("a file that is being written");
    let lock = spool.lock().expect("no error").expect("free");
    assert!(spool.lock().expect("no error").is_none());
    drop(lock);
    assert!(spool.lock().expect("no error").is_some());
    assert!(!left.exists() && state.path().join("reports/unfinished/y").exists());
    fs::write(state.path().join("reports/00000000000000000000-run-0.json"), "{").expect("a damaged one");
    let waiting = spool.waiting().expect("listed");
    assert!(matches!(spool.read(&waiting[0]), Ok(Some(Stored::Damaged))));
}
