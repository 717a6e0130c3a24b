//! Storing: packs and segments in pieces as they arrive, manifests whole.

use super::ledger::OCTETS;
use super::{Answer, NoQuery, OfObject};
use crate::access::AdmittedHost;
use crate::objects::Put;
use crate::server::app::{App, Noted};
use crate::server::body::{Arriving, commit_turn, declared_length, read_whole, too_long};
use crate::server::error::ApiError;
use crate::server::gate::Caller;
use crate::server::quota::{OverQuota, Promise};
use crate::server::room::Place;
use crate::server::tasks::Aside;
use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use std::sync::Arc;
use std::time::Duration;
use vow_base::ObjectId;
use vow_base::amount::readable;
use vow_base::clock::Nanos;
use vow_base::manifest::Manifest;
use vow_base::publish::Published;
use vow_base::sign::PublicKey;
use vow_base::vault::{Deposit, Kind};
use vow_protocol::Word;

/// Bytes that are received before they are written.
const PIECE_BYTES: u64 = 256 << 10;
/// A disk does not become free in a moment.
const FULL_PAUSE: Duration = Duration::from_secs(300);
/// A quota becomes free when a sweep has taken something away, or somebody gives more: nobody waits for that in a run.
const QUOTA_PAUSE: Duration = Duration::from_secs(3600);
const HOUR: Nanos = 3600 * 1_000_000_000;

/// An object that is being received, and what was promised for it.
struct Receiving {
    put: Put,
    /// Nothing when the object is there already.
    promised: Option<(Promise, Place)>,
}

/// `PUT /v1/hosts/{host}/{kind}/{id}`: packs, list segments, index segments.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    caller: Caller,
    of: OfObject,
    request: Request,
) -> Answer {
    let (key, host) = own(&caller)?;
    let (kind, id) = (of.kind, of.id);
    let length = declared_length(request.headers())?;
    if length == 0 {
        return Err(ApiError::malformed("no object is empty"));
    }
    if length > kind.limit_bytes() {
        return Err(too_long(kind.limit_bytes()));
    }
    let held = if app.vault.buffers_uploads() { length } else { length.min(PIECE_BYTES) };
    let _memory = app.memory.take(held, &app).await?;
    // Before a byte of the body is read.
    let begun = app.work(&caller.share, move |app| begin(app, &key, &host, kind, &id, length)).await?;
    let mut receiving = Aside::new(begun);
    let mut body =
        Arriving::new(&app, caller.share.clone(), caller.received.clone(), length, request.into_body());
    let mut piece = Vec::new();
    loop {
        body.fill(&mut piece, PIECE_BYTES as usize).await?;
        let Some(mut now) = receiving.take() else { return Err(ApiError::absent()) };
        let bytes = std::mem::take(&mut piece);
        if body.left() == 0 {
            let published = app.work(&caller.share, move |app| finish(app, now, &bytes)).await?;
            return Ok(match published {
                Published::New => StatusCode::CREATED,
                Published::AlreadyThere => StatusCode::OK,
            }
            .into_response());
        }
        let (now, mut empty) = app
            .work(&caller.share, move |app| {
                now.put.write(&bytes).noted(app)?;
                Ok((now, bytes))
            })
            .await?;
        empty.clear();
        piece = empty;
        receiving.put(now);
    }
}

fn begin(
    app: &Arc<App>,
    key: &PublicKey,
    host: &AdmittedHost,
    kind: Kind,
    id: &ObjectId,
    length: u64,
) -> Result<Receiving, ApiError> {
    let deposit = app.deposit(key).noted(app)?;
    let promised = if deposit.holds(kind, id).noted(app)? == Some(length) {
        None
    } else {
        let promise = app.usage.promise(host, length, false).map_err(|over| over_quota(app, host, &over))?;
        let place = app.room.promise(&app.vault, kind, length).map_err(|error| error.after(FULL_PAUSE))?;
        Some((promise, place))
    };
    let put = deposit.begin(kind, id, length).noted(app)?;
    Ok(Receiving { put, promised })
}

fn finish(app: &Arc<App>, mut receiving: Receiving, last: &[u8]) -> Result<Published, ApiError> {
    receiving.put.write(last).noted(app)?;
    let published = receiving.put.finish().noted(app)?;
    app.stored();
    if published == Published::New
        && let Some((promise, _place)) = receiving.promised
    {
        promise.keep();
    }
    Ok(published)
}

/// `PUT /v1/hosts/{host}/manifests/{id}`.
pub(crate) async fn commit(
    State(app): State<Arc<App>>,
    caller: Caller,
    of: OfObject,
    _: NoQuery,
    request: Request,
) -> Answer {
    let (key, host) = own(&caller)?;
    let limit = Kind::Manifest.limit_bytes();
    let (share, received) = (caller.share.clone(), caller.received.clone());
    let (stored, _memory) = read_whole(&app, share, received, request, limit).await?;
    if stored.is_empty() {
        return Err(ApiError::malformed("no object is empty"));
    }
    let turn = commit_turn(&app, &caller.share).await?;
    let receipt = app.work(&caller.share, move |app| {
        // Held to the end of the commit, whether anybody waits for it or not.
        let _turn = turn;
        commit_manifest(app, &key, &host, &of.id, &stored)
    });
    Ok(([(CONTENT_TYPE, OCTETS)], receipt.await?).into_response())
}

fn commit_manifest(
    app: &Arc<App>,
    key: &PublicKey,
    host: &AdmittedHost,
    id: &ObjectId,
    stored: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let state = app.vault.state().noted(app)?;
    let known = state.of_host(&key.host_id());
    let mut promised = None;
    if known.snapshot(id).is_none() {
        let received: Vec<_> = known.snapshots.iter().map(|snapshot| snapshot.receipt.received).collect();
        snapshot_turn(&received, app.vault.now(), app.config.limits.snapshots_per_hour).map_err(|wait| {
            ApiError::new(Word::Limit, "too many snapshots of this host in an hour").after(wait)
        })?;
        refuse_too_many_packs(stored, app.config.limits.packs_per_snapshot)?;
        let length = stored.len() as u64;
        let promise = app.usage.promise(host, length, true).map_err(|over| over_quota(app, host, &over))?;
        promised = Some((promise, app.room.promise(&app.vault, Kind::Manifest, length)?));
    }
    let receipt = app.deposit(key).noted(app)?.commit(id, stored).noted(app)?;
    app.stored();
    if let Some((promise, _place)) = promised {
        promise.keep();
        // All of a snapshot found room.
        app.room.took();
        app.usage.took(host);
        app.figures.snapshots.inc();
        tracing::info!(
            host = %receipt.host_id().short(),
            snapshot = %receipt.manifest.short(),
            position = receipt.position,
            "committed"
        );
    }
    app.vault.entry(receipt.position).noted(app)
}

/// Whether one more snapshot can be taken now; else how long to wait. Times are the vault's own: what a host says counts for nothing.
fn snapshot_turn(received: &[Nanos], now: Nanos, per_hour: u32) -> Result<(), Duration> {
    let since = now.saturating_sub(HOUR);
    let recent = received.iter().rev().filter(|at| (since..=now).contains(at));
    match recent.take(per_hour as usize).last() {
        Some(oldest)
            if received.iter().filter(|at| (since..=now).contains(at)).count() >= per_hour as usize =>
        {
            let wait = oldest.saturating_add(HOUR).saturating_sub(now);
            Err(Duration::from_nanos(u64::try_from(wait).unwrap_or(0)))
        }
        _ => Ok(()),
    }
}

/// Looking at every object of a manifest takes memory: about 150 bytes for each.
fn refuse_too_many_packs(stored: &[u8], most: u64) -> Result<(), ApiError> {
    // One that cannot be read is refused a moment later, with the reason.
    let Ok(manifest) = Manifest::open(stored) else { return Ok(()) };
    if manifest.packs.count > most {
        let text =
            format!("the manifest names {} packs; this vault takes {most} at most", manifest.packs.count);
        return Err(ApiError::new(Word::Refused, text));
    }
    Ok(())
}

/// The key of the host that asks, and what is on record of it.
fn own(caller: &Caller) -> Result<(PublicKey, Arc<AdmittedHost>), ApiError> {
    match (caller.peer.key, &caller.of) {
        (Some(key), Some(host)) => Ok((key, host.clone())),
        // It joined a moment ago through another process.
        _ => Err(ApiError::busy("this host is not known here yet")),
    }
}

fn over_quota(app: &App, host: &AdmittedHost, over: &OverQuota) -> ApiError {
    app.usage.note_refusal(host, *over, app.vault.now());
    let whose = if over.of_tenant { "customer" } else { "host" };
    let (used, quota) = (readable(over.used_bytes), readable(over.quota_bytes));
    let text = format!("{used} of the {quota} that this {whose} may store are used, and no more fits");
    ApiError::new(Word::Full, text).after(QUOTA_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_so_many_snapshots_in_an_hour_by_the_vaults_clock() {
        let minute = HOUR / 60;
        let now = 1000 * HOUR;
        let every: Vec<_> = (0..10).map(|n| now - (10 - n) * minute).collect();
        assert_eq!(snapshot_turn(&every, now, 11), Ok(()));
        let wait = snapshot_turn(&every, now, 10).expect_err("ten are enough");
        assert_eq!(wait, Duration::from_secs(50 * 60));
        let wait = snapshot_turn(&every, now, 5).expect_err("five are enough");
        assert_eq!(wait, Duration::from_secs(55 * 60));
        assert_eq!(snapshot_turn(&every, now + HOUR, 1), Ok(()));
        // A clock that was set back does not lock a host out for longer than the hour.
        assert_eq!(snapshot_turn(&every, now - 2 * HOUR, 1), Ok(()));
        assert_eq!(snapshot_turn(&[], now, 1), Ok(()));
    }
}
