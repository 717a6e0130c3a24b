use super::*;
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Nothing here ever waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// A store with these names, in pages of `size`.
struct Store {
    keys: Vec<String>,
    size: usize,
    versions: bool,
    /// What is done to the n-th page.
    fault: fn(usize, &mut Page),
    asked: Cell<usize>,
}

impl Store {
    fn new(count: usize, size: usize) -> Self {
        let keys = (0..count).map(|number| format!("p/{number:04}")).collect();
        Self { keys, size, versions: false, fault: |_, _| {}, asked: Cell::new(0) }
    }

    fn found(&self, position: usize) -> Found {
        Found {
            key: self.keys[position].clone(),
            version: position.to_string(),
            length: 1,
            stored: Timestamp::UNIX_EPOCH,
            marker: false,
            latest: true,
        }
    }

    fn walk(&self) -> Result<Vec<String>, Failure> {
        let mut keys = Vec::new();
        now(walk(self, "p/", Start::Beginning, &mut |seen| match seen {
            Seen::Object(found) => keys.push(found.key),
            Seen::Folder(folder) => keys.push(folder),
        }))?;
        Ok(keys)
    }
}

impl Pages for Store {
    async fn page(&self, from: &Start) -> Result<Page, Failure> {
        let begin = match from {
            Start::Beginning => 0,
            Start::After(key) => self.keys.partition_point(|it| it <= key),
            Start::Token(token, _) => token.parse().expect("a token of ours"),
        };
        let end = (begin + self.size).min(self.keys.len());
        let mut page = Page {
            objects: (begin..end).map(|position| self.found(position)).collect(),
            folders: Vec::new(),
            truncated: end < self.keys.len(),
            next: (end < self.keys.len()).then(|| (end.to_string(), None)),
        };
        (self.fault)(self.asked.get(), &mut page);
        self.asked.set(self.asked.get() + 1);
        Ok(page)
    }

    async fn exists(&self, key: &str) -> Result<bool, Failure> {
        Ok(self.keys.iter().any(|it| it == key))
    }

    fn shows_versions(&self) -> bool {
        self.versions
    }
}

#[test]
fn every_length_in_every_size_of_page() {
    for count in 0..20 {
        for size in 1..12 {
            let store = Store::new(count, size);
            assert_eq!(store.walk().expect("whole"), store.keys, "{count} in pages of {size}");
        }
    }
}

#[test]
fn faults_are_errors_and_never_a_shorter_list() {
    type Fault = fn(usize, &mut Page);
    let faults: [(&str, Fault); 9] = [
        ("an empty end", |n, page| {
            if n == 2 {
                *page = Page::default();
            }
        }),
        ("an early end", |n, page| {
            if n == 2 {
                page.objects.remove(0);
                page.objects.remove(0);
            }
        }),
        ("an empty page in between", |n, page| {
            if n == 2 {
                page.objects.clear();
            }
        }),
        ("no word of where it goes on", |n, page| {
            if n == 1 {
                page.next = None;
            }
        }),
        ("the same token again", |_, page| {
            if let Some(next) = &mut page.next {
                next.0 = "4".into();
            }
        }),
        ("a name twice", |n, page| {
            if n == 1 {
                let twice = page.objects[1].clone();
                page.objects.insert(1, twice);
            }
        }),
        ("names out of order", |n, page| {
            if n == 1 {
                page.objects.swap(0, 2);
            }
        }),
        ("a name from elsewhere", |n, page| {
            if n == 1 {
                page.objects[0].key = "q/1".into();
            }
        }),
        ("the first page again", |n, page| {
            if n == 1 {
                page.objects[0].key = "p/0000".into();
            }
        }),
    ];
    for (what, fault) in faults {
        let store = Store { fault, ..Store::new(20, 4) };
        assert!(store.walk().is_err(), "{what}");
    }
}

#[test]
fn a_lost_page_is_an_error_wherever_it_is() {
    for lost in 1..6 {
        let store = Store::new(20, 4);
        // As a store that has lost names, not as one that says so: what it shows is whole in itself.
        struct Lossy(Store, usize);
        impl Pages for Lossy {
            async fn page(&self, from: &Start) -> Result<Page, Failure> {
                let mut page = self.0.page(from).await?;
                if self.0.asked.get() == self.1 + 1 {
                    page = self.0.page(&Start::After(page.objects.last().expect("some").key.clone())).await?;
                }
                Ok(page)
            }
            async fn exists(&self, key: &str) -> Result<bool, Failure> {
                self.0.exists(key).await
            }
            fn shows_versions(&self) -> bool {
                false
            }
        }
        let lossy = Lossy(store, lost);
        let walked = now(walk(&lossy, "p/", Start::Beginning, &mut |_| {}));
        assert!(walked.is_err(), "page {lost}");
    }
}

#[test]
fn what_a_sweep_removes_meanwhile_is_no_fault() {
    struct Swept(Store);
    impl Pages for Swept {
        async fn page(&self, from: &Start) -> Result<Page, Failure> {
            let mut page = self.0.page(from).await?;
            if self.0.asked.get() > 1 {
                page.objects.retain(|found| found.key != "p/0003");
            }
            Ok(page)
        }
        async fn exists(&self, key: &str) -> Result<bool, Failure> {
            Ok(key != "p/0003")
        }
        fn shows_versions(&self) -> bool {
            false
        }
    }
    let mut count = 0;
    now(walk(&Swept(Store::new(20, 4)), "p/", Start::Beginning, &mut |_| count += 1)).expect("whole");
    assert_eq!(count, 19);
}

#[test]
fn many_versions_of_one_name_and_many_folders_follow_the_token() {
    let mut store = Store::new(20, 4);
    store.versions = true;
    for key in &mut store.keys[5..15] {
        *key = "p/0005".into();
    }
    assert_eq!(store.walk().expect("whole").len(), 20);

    struct Folders;
    impl Pages for Folders {
        async fn page(&self, from: &Start) -> Result<Page, Failure> {
            let begin = match from {
                Start::Token(token, _) => token.parse::<usize>().expect("a token of ours"),
                _ => 0,
            };
            let folders = (begin..begin + 3).map(|n| format!("p/{n:02}/")).collect();
            let next = (begin < 6).then(|| ((begin + 3).to_string(), None));
            Ok(Page { objects: Vec::new(), folders, truncated: next.is_some(), next })
        }
        async fn exists(&self, _: &str) -> Result<bool, Failure> {
            Ok(true)
        }
        fn shows_versions(&self) -> bool {
            false
        }
    }
    let mut seen = Vec::new();
    now(walk(&Folders, "p/", Start::Beginning, &mut |it| seen.push(it))).expect("whole");
    assert_eq!(seen.len(), 9);
    assert_eq!(seen[8], Seen::Folder("p/08/".into()));
}
