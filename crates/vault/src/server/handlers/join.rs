//! Joining with a token.

use super::{Answer, JsonBody};
use crate::access::JoinAsked;
use crate::server::app::{App, Noted};
use crate::server::error::{ApiError, json};
use crate::server::gate::Caller;
use crate::server::share::{Network, Whose};
use axum::extract::State;
use std::sync::Arc;
use vow_protocol::Word;
use vow_protocol::wire::{Hex, Join, Joined};

/// `POST /v1/join`.
pub(crate) async fn join(
    State(app): State<Arc<App>>,
    caller: Caller,
    JsonBody(join): JsonBody<Join>,
) -> Answer {
    let Some(key) = caller.peer.key else {
        return Err(ApiError::new(Word::Key, "the key that is to join must be shown"));
    };
    // By address, whoever asks: a key that is known could try tokens as well.
    let there = app.shares.of(Whose::Strangers(Network::of(caller.peer.address.ip())));
    if let Err(wait) = there.count_join() {
        app.figures.join_failures.inc();
        return Err(ApiError::new(Word::Limit, "too many attempts to join").after(wait));
    }
    let asked = JoinAsked {
        tenant: join.tenant,
        name: join.name,
        readers: join.readers.into_iter().map(|Hex(key)| key).collect(),
        introduction: join.introduction.map(|stored| stored.0),
    };
    let secret = join.secret;
    let done = app.work(&caller.share, move |app| {
        let done = app.vault.use_token(&secret, &key, &asked).noted(app)?;
        let done =
            done.ok_or_else(|| ApiError::new(Word::Absent, "this token does not let this key join"))?;
        app.book.forget();
        app.book.look_at(&key.host_id()).noted(app)?;
        Ok(done)
    });
    let done = done.await.inspect_err(|_| {
        app.figures.join_failures.inc();
    })?;
    tracing::info!(key = %key.host_id().short(), right = %done.right, tenant = %done.tenant, name = %done.name, "joined");
    let joined = Joined {
        vault: Hex(app.vault.public_key()),
        role: done.right.role(),
        tenant: done.tenant,
        name: done.name,
    };
    Ok(json(200, &joined))
}
