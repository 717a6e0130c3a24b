//! Places for connections. Strangers wait in a lobby of their own, where the oldest gives way; a known key has places that nobody takes.

use super::config::Limits;
use super::share::{Network, Share};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// All places.
pub(crate) struct Lobby {
    strangers_max: usize,
    per_network_max: usize,
    residents_max: usize,
    per_key_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    /// By the order in which they came.
    guests: BTreeMap<u64, Guest>,
    residents: usize,
}

struct Guest {
    network: Network,
    leave: Arc<Notify>,
}

/// The place of one connection; free again when this is dropped.
pub(crate) struct Place {
    lobby: Arc<Lobby>,
    number: u64,
    share: Option<Arc<Share>>,
    /// Told when the place is needed for somebody else.
    pub(crate) leave: Arc<Notify>,
}

impl Lobby {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            strangers_max: limits.strangers,
            per_network_max: limits.strangers_per_address,
            residents_max: limits.connections.saturating_sub(limits.strangers),
            per_key_max: limits.connections_per_key,
            inner: Mutex::default(),
        })
    }

    /// A place for whoever has just come. When there are too many, from there or in all, the one who has waited longest leaves: whoever
    /// has a key proves it within moments, and is not there any more when the crowd is thrown out.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Place {
        let network = Network::of(address);
        let mut inner = self.inner();
        let from_there = inner.guests.iter().filter(|(_, guest)| guest.network == network);
        let mut from_there = from_there.map(|(number, _)| *number);
        let oldest_there = from_there.next();
        let full_there = from_there.count() + usize::from(oldest_there.is_some()) >= self.per_network_max;
        let oldest = if full_there {
            oldest_there
        } else if inner.guests.len() >= self.strangers_max {
            inner.guests.keys().next().copied()
        } else {
            None
        };
        if let Some(guest) = oldest.and_then(|oldest| inner.guests.remove(&oldest)) {
            guest.leave.notify_one();
        }
        let (number, leave) = (inner.next, Arc::new(Notify::new()));
        inner.next += 1;
        inner.guests.insert(number, Guest { network, leave: leave.clone() });
        Place { lobby: self.clone(), number, share: None, leave }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The connection has proved a known key: it leaves the lobby for a place of that key, if there is one.
    pub(crate) fn admit(&mut self, share: &Arc<Share>) -> bool {
        let mut inner = self.lobby.inner();
        if inner.guests.remove(&self.number).is_none() {
            // Thrown out a moment ago.
            return false;
        }
        let full = share.connections.load(Ordering::SeqCst) >= self.lobby.per_key_max;
        if full || inner.residents >= self.lobby.residents_max {
            return false;
        }
        inner.residents += 1;
        share.connections.fetch_add(1, Ordering::SeqCst);
        self.share = Some(share.clone());
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.lobby.inner();
        match &self.share {
            Some(share) => {
                inner.residents -= 1;
                share.connections.fetch_sub(1, Ordering::SeqCst);
            }
            None => {
                inner.guests.remove(&self.number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::share::{Shares, Whose};
    use super::*;
    use vow_base::sign::PublicKey;

    fn limits() -> Limits {
        Limits {
            connections: 8,
            connections_per_key: 2,
            strangers: 4,
            strangers_per_address: 3,
            ..Limits::default()
        }
    }

    fn told(place: &Place) -> bool {
        // A notification that nobody waited for is kept.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let wait = std::time::Duration::from_millis(1);
        runtime.block_on(async { tokio::time::timeout(wait, place.leave.notified()).await.is_ok() })
    }

    #[test]
    fn the_oldest_of_the_crowd_leaves() {
        let lobby = Lobby::new(&limits());
        let from = |last: u8| lobby.enter([10, 0, 0, last].into());
        let crowd: Vec<_> = (0..3).map(|_| from(1)).collect();
        let other = from(2);
        let late = from(1);
        assert!(told(&crowd[0]) && !told(&crowd[1]) && !told(&other) && !told(&late));
        let more = from(3);
        assert!(told(&crowd[1]), "the lobby is full: the oldest of all leaves");
        drop(more);
        let again = from(3);
        assert!(!told(&crowd[2]) && !told(&again));
    }

    #[test]
    fn a_known_key_has_places_that_strangers_do_not_take() {
        let (lobby, shares) = (Lobby::new(&limits()), Shares::new(&limits()));
        let share = |seed| shares.of(Whose::Key(PublicKey([seed; 32])));
        let enter = |seed| {
            let mut place = lobby.enter([10, 0, 0, seed].into());
            place.admit(&share(seed)).then_some(place)
        };
        let crowd: Vec<_> = (0..50).map(|_| lobby.enter([10, 0, 0, 99].into())).collect();
        let one = [enter(1), enter(1)];
        assert!(one.iter().all(Option::is_some));
        assert!(enter(1).is_none(), "two connections for one key");
        let two = [enter(2), enter(2)];
        assert!(two.iter().all(Option::is_some));
        assert!(enter(3).is_none(), "all places are taken");
        drop(one);
        assert!(enter(3).is_some());
        drop((crowd, two));
        assert_eq!(lobby.inner().residents, 0);
        assert!(lobby.inner().guests.is_empty());
        assert_eq!(share(1).connections.load(Ordering::SeqCst), 0);
    }
}
