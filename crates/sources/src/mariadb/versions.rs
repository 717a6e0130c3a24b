//! A scratch server of another series than the server that was captured: where nothing differs it proves as much, and what differs proves
//! nothing, in either direction. Series word definitions differently, and a newer dump may say what an older server does not know.

use super::server::numbers;
use crate::adapter::Proof;

/// The series of the scratch server, and that of the server that was captured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versions {
    /// Whose: MariaDB, MySQL.
    name: &'static str,
    here: (u32, u32),
    there: (u32, u32),
}

impl Versions {
    /// By what both say of themselves.
    pub(super) fn of(name: &'static str, here: &str, there: &str) -> Self {
        let series = |text: &str| {
            let (major, minor, _) = numbers(text);
            (major, minor)
        };
        Self { name, here: series(here), there: series(there) }
    }

    /// Whether they are of one series.
    pub(super) fn are_same(self) -> bool {
        self.here == self.there
    }

    /// Turns what differs into a reason why nothing is known, when another series may be why.
    pub(super) fn excuse(self, proof: &mut Proof) {
        if self.are_same() {
            return;
        }
        let Self { name, here, there } = self;
        let (here, there) = (format!("{}.{}", here.0, here.1), format!("{}.{}", there.0, there.1));
        match proof.problems.len() {
            0 => proof.notes.push(format!("proven with {name} {here}: {there}, which it is of, is not installed here")),
            count => proof.blocked.push(format!(
                "{name} {there} is not installed here; restored into version {here}, which may be why {count} of the comparisons differ; \
                 install {name} {there} to know"
            )),
        }
        proof.notes.append(&mut proof.problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excused(here: &str, there: &str, problems: &[&str]) -> Proof {
        let problems = problems.iter().map(|text| (*text).to_owned()).collect();
        let mut proof = Proof { compared: 5, problems, ..Proof::default() };
        Versions::of("MariaDB", here, there).excuse(&mut proof);
        proof
    }

    #[test]
    fn another_series_excuses_what_differs_and_another_patch_does_not() {
        let same = excused("10.11.19-MariaDB-0+deb12u1", "10.11.6-MariaDB-log", &["a row is gone"]);
        assert!(same.problems == ["a row is gone"] && same.blocked.is_empty() && same.notes.is_empty());
        let other = excused("11.4.2-MariaDB", "10.11.6-MariaDB-log", &["a row is gone"]);
        assert!(other.problems.is_empty() && other.notes == ["a row is gone"] && !other.holds());
        assert_eq!(
            other.blocked,
            [
                "MariaDB 10.11 is not installed here; restored into version 11.4, which may be why 1 of the comparisons differ; \
              install MariaDB 10.11 to know"
            ]
        );
        assert!(other.differences().any(|text| text == "a row is gone"), "it was noticed all the same");
    }

    #[test]
    fn where_nothing_differs_another_series_proves_as_much() {
        let other = excused("10.11.19-MariaDB", "10.6.5-MariaDB", &[]);
        assert!(other.holds() && other.notes[0].contains("10.6"), "{:?}", other.notes);
    }
}
