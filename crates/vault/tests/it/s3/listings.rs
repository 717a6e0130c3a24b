//! Listings that are not whole: an error, on every kind of bucket, and never a shorter list.

use crate::double::Double;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering::SeqCst;
use vow_vault::storage::Storage;

fn each_kind(test: impl Fn(&Double, &dyn Storage)) {
    for versions in [false, true] {
        let double = Double::with(versions, versions, 10);
        let storage = double.storage("a");
        for n in 0..45 {
            storage.create(&format!("folder/{n:03}"), b"x", None).unwrap();
        }
        test(&double, &storage);
    }
}

#[test]
fn a_lost_page() {
    each_kind(|double, storage| {
        // The first page cannot be missed: nothing is known before it.
        for page in 2..=5 {
            double.faults.lose_page.store(page, SeqCst);
            let error = storage.list("folder").unwrap_err().to_string();
            assert!(
                error.contains("s3://vow-test/a/folder") && error.contains("lost"),
                "page {page}: {error}"
            );
            double.faults.lose_page.store(0, SeqCst);
        }
        assert_eq!(storage.list("folder").unwrap().len(), 45);
    });
}

#[test]
fn an_end_that_comes_too_early() {
    each_kind(|double, storage| {
        for page in 2..=5 {
            double.faults.empty_end.store(page, SeqCst);
            assert!(storage.names("folder").is_err(), "page {page}");
            double.faults.empty_end.store(0, SeqCst);
        }
        assert_eq!(storage.names("folder").unwrap().len(), 45);
    });
}

#[test]
fn an_error_with_a_status_of_success() {
    each_kind(|double, storage| {
        double.faults.error_in_200.store(2, SeqCst);
        assert_eq!(storage.list("folder").unwrap().len(), 45, "tried again");
        double.faults.error_in_200.store(usize::MAX, SeqCst);
        let error = storage.list("folder").unwrap_err().to_string();
        assert!(error.contains("InternalError"), "{error}");
        double.faults.error_in_200.store(0, SeqCst);
    });
}

#[test]
fn tokens_that_lead_nowhere() {
    each_kind(|double, storage| {
        double.faults.repeat_token.store(true, SeqCst);
        assert!(storage.list("folder").is_err());
        double.faults.repeat_token.store(false, SeqCst);
        double.faults.no_token.store(true, SeqCst);
        assert!(storage.names("folder").is_err());
        assert!(storage.names_after("folder", "003").is_err());
        double.faults.no_token.store(false, SeqCst);
        assert_eq!(storage.list("folder").unwrap().len(), 45);
    });
}

#[test]
fn many_folders_and_many_versions_of_one_name() {
    for versions in [false, true] {
        let double = Double::with(versions, false, 10);
        let storage = double.storage("a");
        for n in 0..45 {
            storage.create(&format!("hosts/{n:03}/x"), b"x", None).unwrap();
            storage.create(&format!("hosts/{n:03}-"), b"x", None).unwrap();
        }
        if versions {
            for n in 0..35 {
                double.bucket().put("a/hosts/020-", format!("{n}").into_bytes().into(), n % 3 == 1, None);
            }
        }
        let listed = storage.list("hosts").unwrap();
        assert_eq!(listed.len(), 90);
        assert_eq!(listed.iter().filter(|item| item.stat.is_none()).count(), 45);
        assert!(listed.is_sorted_by(|a, b| a.name < b.name));
        let names = storage.names_after("hosts", "030").unwrap();
        assert_eq!(names.len(), 29, "{names:?}");
    }
}

#[test]
fn a_folder_costs_as_many_requests_as_it_has_pages() {
    each_kind(|double, storage| {
        double.requests();
        storage.list("folder").unwrap();
        let requests = double.requests();
        // Nine new names a page, since one is seen twice.
        assert_eq!(requests.len(), 5, "{requests:?}");
    });
}

#[test]
fn a_page_that_is_lost_is_noticed_below_folders_too() {
    each_kind(|double, storage| {
        let all = |storage: &dyn Storage| {
            let mut names = Vec::new();
            let listed = storage.list_below("", None, &mut |item| {
                names.push(item.name);
                ControlFlow::Continue(())
            });
            listed.map(|()| names)
        };
        assert_eq!(all(storage).unwrap().len(), 45);
        double.faults.lose_page.store(3, SeqCst);
        assert!(all(storage).unwrap_err().to_string().contains("lost"));
        double.faults.lose_page.store(0, SeqCst);
        double.faults.error_in_200.store(usize::MAX, SeqCst);
        assert!(all(storage).is_err());
        double.faults.error_in_200.store(0, SeqCst);
    });
}

/// What somebody hides comes last, and is not lost; what a quarantine hides is gone.
#[test]
fn what_is_hidden_below_folders_is_shown() {
    let double = Double::with(true, true, 10);
    let storage = double.storage("a");
    for n in 0..25 {
        storage.create(&format!("hosts/{n:02}/x"), b"x", None).unwrap();
    }
    for hidden in ["03", "17"] {
        double.bucket().put(&format!("a/hosts/{hidden}/x"), bytes::Bytes::new(), true, None);
    }
    storage.quarantine("hosts/20/x", "quarantine/x").unwrap();
    double.bucket().put("a/hosts/08/x", "another".into(), false, None);
    let listed = |after: Option<&str>, most: usize| {
        let mut names = Vec::new();
        storage
            .list_below("hosts", after, &mut |item| {
                names.push((item.name, item.stat.unwrap().length));
                if names.len() >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        names
    };
    let whole = listed(None, usize::MAX);
    assert_eq!(whole.len(), 24, "{whole:?}");
    assert_eq!(whole[22..], [("03/x".to_owned(), 1), ("17/x".to_owned(), 1)]);
    assert!(whole.contains(&("08/x".to_owned(), 7)), "the newest is what counts: {whole:?}");
    // Whoever wants a few gets no gap among them.
    let mut few: Vec<_> = listed(Some("01/x"), 5).into_iter().map(|(name, _)| name).collect();
    few.sort();
    assert_eq!(few, ["02/x", "03/x", "04/x", "05/x", "06/x", "07/x"]);
}
