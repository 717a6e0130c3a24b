//! Serves a channel from the outbox: claims, delivers, settles, and tries again with growing pauses.
//!
//! At least once: a console that dies between the receiver's yes and its own note of it delivers again when the lease is over.
//! `docs/rules.md` says which receivers recognise that.

use super::channel::{Channel, DeliverError};
use super::outbox::{Outbox, OutboxError, Settled};
use crate::records::{Delivery, Outgoing, State};
use std::future::Future;

/// Messages claimed at once.
const CLAIM: usize = 8;
/// Longer than any attempt takes.
pub const ATTEMPT_SECS: i64 = 60;
/// Longer than the attempts of one claim take.
const LEASE_SECS: i64 = ATTEMPT_SECS * (CLAIM as i64 + 1);
/// The first pause, and the longest.
const PAUSE_SECS: i64 = 15;
const PAUSE_MAX_SECS: i64 = 900;
/// A message that the receiver refuses as it is may still pass when somebody mends its settings; after so long it is put aside.
const REFUSED_SECS: i64 = 86_400;
/// What could not be delivered for so long is put aside: nobody wants a month's alarms at once.
const GIVE_UP_SECS: i64 = 7 * 86_400;

/// Where the courier gets time and chance from.
pub trait World: Send + Sync {
    /// Seconds since 1970.
    fn now_secs(&self) -> i64;
    /// Random bits.
    fn random(&self) -> u64;
}

/// The machine's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine;

impl World for Machine {
    fn now_secs(&self) -> i64 {
        jiff::Timestamp::now().as_second()
    }

    fn random(&self) -> u64 {
        // Without randomness a pause is a little less random; a lease also carries the time.
        getrandom::u64().unwrap_or_else(|_| self.now_secs().unsigned_abs())
    }
}

/// Who takes messages: a channel, or what tests put in its place.
pub trait Deliver: Send + Sync {
    /// The channel's name.
    fn name(&self) -> &str;
    /// Delivers one message.
    fn deliver(&self, outgoing: &Outgoing) -> impl Future<Output = Result<Delivery, DeliverError>> + Send;
}

impl Deliver for Channel {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, outgoing: &Outgoing) -> Result<Delivery, DeliverError> {
        Channel::deliver(self, outgoing).await
    }
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Messages delivered.
    pub delivered: usize,
    /// Messages that wait again.
    pub later: usize,
    /// Messages put aside.
    pub refused: usize,
}

/// Delivers what is due for one channel, once. Call it again at once while it delivers anything; each channel by itself, so that a
/// slow receiver holds up nobody else.
pub async fn round<O: Outbox>(
    outbox: &O,
    channel: &impl Deliver,
    world: &impl World,
) -> Result<Round, OutboxError> {
    let now_secs = world.now_secs();
    let lease = format!("{now_secs}-{:016x}", world.random());
    let until_secs = now_secs + LEASE_SECS;
    let mut round = Round::default();
    for outgoing in outbox.claim(channel.name(), &lease, now_secs, until_secs, CLAIM).await? {
        // Whose lease may end during the attempt leaves it to the next claim.
        if world.now_secs() + ATTEMPT_SECS > until_secs {
            break;
        }
        let limit = std::time::Duration::from_secs(ATTEMPT_SECS.unsigned_abs());
        let result = tokio::time::timeout(limit, channel.deliver(&outgoing)).await.unwrap_or_else(|_| {
            Err(DeliverError::Later { error: format!("no answer within {ATTEMPT_SECS} s"), after_secs: None })
        });
        let settled = settle(&outgoing, result, world.now_secs(), world.random());
        match settled.state {
            State::Delivered { .. } => round.delivered += 1,
            State::Refused { .. } => round.refused += 1,
            _ => round.later += 1,
        }
        outbox.settle(&outgoing.id, &lease, &settled).await?;
    }
    Ok(round)
}

/// What an attempt came to. Pure.
pub fn settle(
    outgoing: &Outgoing,
    result: Result<Delivery, DeliverError>,
    now_secs: i64,
    random: u64,
) -> Settled {
    let age_secs = now_secs - outgoing.put_secs;
    let (error, after_secs, patience_secs) = match result {
        Ok(delivery) => {
            let state = State::Delivered { at_secs: now_secs, delivery };
            return Settled { state, due_secs: now_secs, error: None };
        }
        Err(DeliverError::Later { error, after_secs }) => (error, after_secs, GIVE_UP_SECS),
        Err(DeliverError::Refused { error }) => (error, None, REFUSED_SECS),
    };
    if age_secs >= patience_secs {
        let state = State::Refused { at_secs: now_secs, error: error.clone() };
        return Settled { state, due_secs: now_secs, error: Some(error) };
    }
    let asked = after_secs.unwrap_or(0).clamp(0, PAUSE_MAX_SECS);
    let pause = pause_secs(outgoing.attempts, random).max(asked);
    Settled { state: State::Waiting, due_secs: now_secs + pause, error: Some(error) }
}

/// Doubles with every attempt, and differs by half either way, so that many do not come back together.
fn pause_secs(attempts: u32, random: u64) -> i64 {
    let doublings = attempts.saturating_sub(1).min(16);
    let pause = (PAUSE_SECS << doublings).min(PAUSE_MAX_SECS);
    let jitter = i64::try_from(random % 1000).unwrap_or(500);
    (pause / 2 + pause * jitter / 1000).max(1)
}
