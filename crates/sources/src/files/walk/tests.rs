use super::super::names::Names;
use super::super::pool::Pool;
use super::super::views::Views;
use super::super::{exclude::Excludes, roots};
use super::*;

fn context(plan: Plan) -> Context {
    let excludes = Excludes::new(&[]).expect("none");
    let pool = Arc::new(Pool::new(1024));
    Context { plan, excludes, never: Vec::new(), one_file_system: false, exclude_caches: false, pool }
}

fn request<'a>(roots: &'a [(std::path::PathBuf, roots::Names)]) -> roots::Request<'a> {
    static NONE: std::sync::LazyLock<Views> = std::sync::LazyLock::new(Views::default);
    roots::Request { roots, remembered: &[], allow_empty: false, always_exclude: &[], views: &NONE }
}

fn shared(first: Work) -> (Arc<Shared>, u32) {
    let (queue, number) = Queue::new(first, 16);
    (Arc::new(Shared { context: context(Plan::new()), queue }), number)
}

/// A piece that asks for names that are not there.
fn broken() -> Work {
    let pool = Arc::new(Pool::new(1024));
    let (dir, _) = Dir::open(None, b"/"[..].into(), None, true, &pool).expect("open");
    let scope = Scope { place: None, root: Some(0), explicit: true, device: 0 };
    Work::Piece { dir, names: Arc::new(Names::default()), range: 0..5, scope }
}

#[test]
fn a_panic_in_another_thread_becomes_an_error() {
    let (shared, number) = shared(broken());
    let other = Arc::clone(&shared);
    let thread = std::thread::spawn(move || serve(&other));
    // Given time to take it; the result is the same when it does not.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let mut buffer = NamesBuffer::default();
    let outcome = shared.queue.obtain(number, |work| guarded(&shared.context, work, &mut buffer));
    assert!(outcome.fault.expect("a fault").contains("fault of this program"));
    shared.queue.close();
    thread.join().expect("the thread itself lives on");
}

#[test]
fn a_walk_met_by_a_panic_ends_with_an_error() {
    let roots = [("/".into(), Vec::new())];
    let request = request(&roots);
    let survey = roots::survey(&request).expect("survey");
    let mut walk = Walk::start(survey, context, 0);
    let (queue, number) = Queue::new(broken(), 16);
    walk.shared = Arc::new(Shared { context: context(Plan::new()), queue });
    walk.first = Some(number);
    let counts = RootCounts { paths: Vec::new(), counts: Vec::new().into() };
    assert!(walk.next(&counts).err().expect("an error").contains("fault of this program"));
}

#[test]
fn a_walk_given_up_in_the_middle_ends_its_threads() {
    let roots = [("/".into(), Vec::new())];
    let request = request(&roots);
    let survey = roots::survey(&request).expect("survey");
    let counts = RootCounts { paths: vec!["/".into()], counts: vec![0].into() };
    let mut walk = Walk::start(survey, context, 3);
    assert!(walk.next(&counts).expect("entries").is_some());
    drop(walk);
}
