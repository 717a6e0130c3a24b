use super::*;
use crate::retention::snapshot::Marks;
use vow_base::HostId;

const HOUR: i64 = 3_600_000_000_000;
const SPACING: Term = Term::minutes(30);

/// One a day apart from each other, with these numbers of bytes and files, until the test changes them.
fn daily(sizes: &[(u64, u64)]) -> Vec<Snapshot> {
    let one = |(day, (bytes, files)): (i64, &(u64, u64))| Snapshot {
        manifest: ObjectId([day as u8; 32]),
        host: HostId([0; 32]),
        tenant: "acme".into(),
        source: "files".into(),
        position: day as u64 + 1,
        sequence: day as u64 + 1,
        received: day * 24 * HOUR,
        status: Status::Ok,
        files: *files,
        bytes: *bytes,
        marks: Marks::default(),
        gone: false,
    };
    (0..).zip(sizes).map(one).collect()
}

fn words(history: &[Snapshot]) -> Vec<&'static str> {
    let history: Vec<_> = history.iter().collect();
    judge(&history, SPACING).iter().map(|why| why.map_or("ok", |why| why.word())).collect()
}

#[test]
fn what_is_broken_does_not_count() {
    let mut history = daily(&[(100, 50); 5]);
    history[1].status = Status::Partial;
    history[2].marks.doubted = Some(7);
    history[3].marks = Marks { doubted: Some(7), proven: Some(8), ..Marks::default() };
    assert_eq!(words(&history), ["ok", "partial", "doubted", "ok", "ok"]);
    assert_eq!(words(&[]), [""; 0]);
}

#[test]
fn an_empty_one_counts_only_before_there_was_content() {
    assert_eq!(
        words(&daily(&[(0, 0), (0, 0), (5, 1), (0, 0), (0, 0), (0, 0), (0, 0), (5, 1)])),
        ["ok", "ok", "ok", "empty", "empty", "empty", "empty", "ok"]
    );
    // Content that did not count says nothing.
    let mut history = daily(&[(5, 1), (0, 0)]);
    history[0].status = Status::Partial;
    assert_eq!(words(&history), ["partial", "ok"]);
    // Empty files are content.
    assert_eq!(words(&daily(&[(0, 3), (0, 3), (0, 0)])), ["ok", "ok", "empty"]);
}

#[test]
fn a_shrink_counts_when_three_in_a_row_say_the_same() {
    let history = daily(&[(100, 50), (100, 50), (40, 20), (41, 20), (42, 20), (43, 20), (44, 21)]);
    assert_eq!(words(&history), ["ok", "ok", "shrunk", "shrunk", "ok", "ok", "ok"]);
    // One that is as usual starts the row anew.
    let history = daily(&[(100, 50), (40, 20), (40, 20), (100, 50), (40, 20), (40, 20), (40, 20)]);
    assert_eq!(words(&history), ["ok", "shrunk", "shrunk", "ok", "shrunk", "shrunk", "ok"]);
    // So does one that says something else: data that goes on dwindling is not believed.
    let history = daily(&[(100, 50), (40, 20), (18, 9), (8, 4), (3, 1), (1, 1)]);
    assert_eq!(words(&history), ["ok", "shrunk", "shrunk", "shrunk", "shrunk", "shrunk"]);
    // What cannot count neither breaks the row nor lengthens it.
    let mut history = daily(&[(100, 50), (40, 20), (40, 20), (40, 20), (40, 20)]);
    history[2].status = Status::Partial;
    assert_eq!(words(&history), ["ok", "shrunk", "partial", "shrunk", "ok"]);
}

#[test]
fn three_in_one_afternoon_are_not_believed() {
    let mut history = daily(&[(100, 50), (40, 20), (40, 20), (40, 20), (40, 20), (40, 20)]);
    for (hours, at) in [(24, 1), (25, 2), (26, 3), (47, 4), (48, 5)] {
        history[at].received = hours * HOUR;
    }
    assert_eq!(words(&history), ["ok", "shrunk", "shrunk", "shrunk", "shrunk", "ok"]);
}

#[test]
fn a_believed_shrink_is_what_is_usual_from_then_on() {
    let history = daily(&[
        (100, 50),
        (40, 20),
        (40, 20),
        (40, 20),
        (19, 9),
        (40, 20),
        (90, 50),
        (90, 50),
        (90, 50),
        (44, 24),
    ]);
    assert_eq!(words(&history), ["ok", "shrunk", "shrunk", "ok", "shrunk", "ok", "ok", "ok", "ok", "shrunk"]);
}

#[test]
fn half_is_enough_and_both_must_shrink_unless_there_are_few_files() {
    assert_eq!(words(&daily(&[(100, 50), (50, 1)])), ["ok", "ok"], "half of the bytes");
    assert_eq!(words(&daily(&[(100, 50), (1, 25)])), ["ok", "ok"], "half of the files");
    assert_eq!(words(&daily(&[(100, 50), (49, 24)])), ["ok", "shrunk"]);
    assert_eq!(words(&daily(&[(100, 1), (49, 1)])), ["ok", "shrunk"], "a dump is one file");
    assert_eq!(words(&daily(&[(100, 10), (49, 9)])), ["ok", "ok"]);
    // The median: one that was huge by chance does not make the others small.
    assert_eq!(words(&daily(&[(100, 50), (110, 50), (9000, 900), (100, 50)])), ["ok", "ok", "ok", "ok"]);
    // Only the last five say what is usual.
    let mut sizes = vec![(1000, 500); 9];
    sizes.extend([(600, 400); 3]);
    sizes.push((400, 240));
    assert_eq!(words(&daily(&sizes)).last(), Some(&"ok"));
}

#[test]
fn one_that_comes_too_soon_does_not_count_and_shifts_nothing() {
    let mut history = daily(&[(100, 50); 4]);
    for (minutes, at) in [(0, 0), (29, 1), (30, 2), (59, 3)] {
        history[at].received = minutes * HOUR / 60;
    }
    assert_eq!(words(&history), ["ok", "too-soon", "ok", "too-soon"]);
    let history: Vec<_> = history.iter().collect();
    assert_eq!(judge(&history, SPACING)[1], Some(Uncounted::TooSoon { after: history[0].manifest }));
}
