//! What the service manager is told: ready, reloading, alive, stopping, and a line for people. Without one, nothing.

use sd_notify::NotifyState;
use std::time::{Duration, Instant};

/// The way to the service manager.
pub(super) struct Manager {
    /// How often it must hear from this process, halved.
    every: Option<Duration>,
    heard: Instant,
    status: String,
}

impl Manager {
    pub(super) fn new() -> Self {
        let every = sd_notify::watchdog_enabled().map(|interval| interval / 2);
        Self { every, heard: Instant::now(), status: String::new() }
    }

    pub(super) fn ready(&mut self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
        self.status = status.to_owned();
    }

    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping, NotifyState::Status("waiting for runs to end")]);
    }

    pub(super) fn status(&mut self, status: &str) {
        if self.status != status {
            tell(&[NotifyState::Status(status)]);
            self.status = status.to_owned();
        }
    }

    /// Called on every turn of the loop: one that hangs is noticed.
    pub(super) fn watchdog(&mut self) {
        if self.every.is_some_and(|every| self.heard.elapsed() >= every) {
            tell(&[NotifyState::Watchdog]);
            self.heard = Instant::now();
        }
    }
}

/// A manager that does not listen is none of this process' business.
fn tell(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}
