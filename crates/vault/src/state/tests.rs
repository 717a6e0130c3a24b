use super::*;
use vow_base::detail::Detail;

const HOST: HostId = HostId([1; 32]);
const HOUR: Nanos = 3600 * 1_000_000_000;

fn pack(n: u8) -> Object {
    (Kind::Pack, ObjectId([n; 32]))
}

/// A ledger in memory.
#[derive(Default)]
struct Story {
    state: State,
    time: Nanos,
}

impl Story {
    fn add(&mut self, event: Event, subject: ObjectId, detail: Option<&Detail>) {
        self.time += HOUR;
        let entry = Receipt {
            version: 1,
            vault_key: [0; 32],
            position: self.state.position + 1,
            previous: None,
            host: HOST.0,
            manifest: subject,
            sequence: 0,
            received: self.time,
            event,
        };
        self.state.apply(&entry, detail);
    }

    fn about(&mut self, event: Event, objects: &[Object]) -> ObjectId {
        let detail = Detail::new("a test").about(objects);
        let id = ObjectId::of(&detail.to_stored());
        self.add(event, id, Some(&detail));
        id
    }

    fn host(&self) -> Arc<HostState> {
        self.state.of_host(&HOST)
    }
}

#[test]
fn an_object_is_accepted_or_on_its_way_out_never_both() {
    let mut story = Story::default();
    assert!(story.host().accepts(&pack(1)));
    story.about(Event::Condemned, &[pack(1), pack(2)]);
    assert!(!story.host().accepts(&pack(1)) && story.host().accepts(&pack(3)));
    story.about(Event::Revived, &[pack(2)]);
    assert!(story.host().accepts(&pack(2)));
    let deletion = story.about(Event::Deleting, &[pack(1)]);
    assert!(!story.host().accepts(&pack(1)) && story.host().condemned.is_empty());
    assert_eq!(*story.state.deleting[&deletion].objects, [(pack(1), None)]);
    story.add(Event::Deleted, deletion, None);
    // Sent again, it is an object like any other.
    assert!(story.host().accepts(&pack(1)) && story.state.deleting.is_empty());
}

#[test]
fn an_expired_snapshot_stays_known_and_is_not_kept() {
    let mut story = Story::default();
    let (one, two) = (ObjectId([8; 32]), ObjectId([9; 32]));
    story.add(Event::Committed, one, None);
    story.add(Event::Committed, two, None);
    story.about(Event::Expired, &[(Kind::Manifest, one)]);
    let host = story.host();
    assert_eq!(host.kept().map(|kept| kept.receipt.manifest).collect::<Vec<_>>(), [two]);
    assert!(host.snapshot(&one).is_some_and(|known| known.expired.is_some()));
}

#[test]
fn a_jump_of_the_clock_is_in_doubt_until_somebody_looks() {
    let mut story = Story::default();
    story.add(Event::Pass, ObjectId([0; 32]), None);
    assert_eq!(story.state.clock_doubt, None);
    story.time += 36 * HOUR;
    story.add(Event::Pass, ObjectId([0; 32]), None);
    assert!(story.state.clock_doubt.is_some_and(|doubt| doubt.position == 2));
    story.add(Event::Pass, ObjectId([0; 32]), None);
    assert!(story.state.clock_doubt.is_some());
    story.add(Event::Clock, ObjectId([0; 32]), None);
    assert_eq!(story.state.clock_doubt, None);
    story.time -= 3 * HOUR;
    story.add(Event::Pass, ObjectId([0; 32]), None);
    assert!(story.state.clock_doubt.is_some(), "set back by two hours");
}

#[test]
fn marks_are_kept_in_order() {
    let mut story = Story::default();
    let one = ObjectId([8; 32]);
    story.add(Event::Committed, one, None);
    for mark in [Mark::Pinned, Mark::Released] {
        let detail = Detail::new("x").about(&[(Kind::Manifest, one)]).with_mark(mark);
        story.add(Event::Marked, ObjectId::of(&detail.to_stored()), Some(&detail));
    }
    let marks: Vec<_> = story.host().snapshot(&one).expect("known").marks.clone();
    let mark = |position, mark| Marked { position, time: position as Nanos * HOUR, mark };
    assert_eq!(marks, [mark(2, Mark::Pinned), mark(3, Mark::Released)]);
}

#[test]
fn times_are_settled_by_jumps_and_confirmations() {
    let mut story = Story::default();
    let pass = |story: &mut Story| {
        story.add(Event::Pass, ObjectId([0; 32]), None);
        (story.state.position, story.time)
    };
    let settled = |story: &Story, (position, time)| story.state.settled(position, time) / HOUR;
    let right = pass(&mut story);
    assert_eq!(settled(&story, right), 1);
    // Ten years ahead.
    story.time += 87_600 * HOUR;
    let (ahead, still) = (pass(&mut story), pass(&mut story));
    assert_eq!((settled(&story, right), settled(&story, ahead), settled(&story, still)), (1, 87_602, 87_603));
    story.time = 5 * HOUR;
    let (back, _) = (pass(&mut story), story.add(Event::Clock, ObjectId([0; 32]), None));
    assert_eq!(story.state.clock_doubt, None);
    // It was not later than when the clock was confirmed.
    assert_eq!([right, ahead, still, back].map(|entry| settled(&story, entry)), [1, 7, 7, 7]);
    // Fifty years behind: an entry is not older than the one before it.
    story.time -= 438_000 * HOUR;
    let behind = pass(&mut story);
    assert_eq!([right, ahead, behind].map(|entry| settled(&story, entry)), [1, 7, 7]);
}

#[test]
fn the_clock_is_in_doubt_before_an_entry_says_so() {
    let mut story = Story::default();
    assert_eq!(story.state.doubt_at(i64::MAX), None, "nothing to compare with");
    story.add(Event::Pass, ObjectId([0; 32]), None);
    let now = story.time;
    assert_eq!(story.state.doubt_at(now + 36 * HOUR), None);
    assert_eq!(story.state.doubt_at(now - HOUR), None);
    assert!(story.state.doubt_at(now + 36 * HOUR + 1).is_some());
    assert!(story.state.doubt_at(now - HOUR - 1).is_some());
}
