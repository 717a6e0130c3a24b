//! Telling people: each channel is served by itself, and the way from a fault to every channel is tested daily.

use super::app::App;
use super::chores::is_ours;
use super::error::Error;
use crate::apart::apart;
use crate::db::tickets::InTransaction;
use crate::db::{outbox, settings};
use crate::notify::channel::Channel;
use crate::notify::courier::{Machine, round};
use crate::notify::health::watch_channels;
use crate::notify::ping_out::{Pinger, Signal};
use crate::notify::self_test::{Next, SelfTest, next};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Between two looks at what a channel has to deliver.
const LOOK: Duration = Duration::from_secs(5);
/// Under which name the last test is remembered.
const LAST_TEST: &str = "self_test";
/// Between two looks at the test.
const TEST_SECS: i64 = 20;

/// Serves one channel until told to stop. What is under way when that happens is tried again by the next one.
pub(super) async fn serve(app: Arc<App>, channel: Arc<Channel>, mut stop: watch::Receiver<bool>) {
    loop {
        let (own, receiver) = (app.clone(), channel.clone());
        let delivered = tokio::select! {
            delivered = apart(async move { round(&own.db, &*receiver, &Machine).await }) => delivered,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match delivered {
            Ok(Ok(round)) if round.delivered > 0 => continue,
            Ok(Ok(_)) => {}
            // The message is tried again when its lease is over.
            Err(error) => {
                tracing::error!(channel = %channel.name, %error, "a message was too much for this program")
            }
            Ok(Err(error)) => tracing::warn!(channel = %channel.name, %error, "messages cannot be read"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Looks at how channels do, and at the daily test.
pub(super) async fn test(app: Arc<App>, holder: String) -> Result<(), Error> {
    if app.channels.is_empty() || !is_ours(&app, "self-test", &holder, TEST_SECS).await? {
        return Ok(());
    }
    let now = app.now();
    let mut conn = app.read().await?;
    let backlogs = outbox::backlog(&mut conn).await?;
    let last: Option<SelfTest> = settings::get(&mut conn, LAST_TEST).await?;
    let messages = match last.as_ref().and_then(|test| test.ticket.as_deref()) {
        Some(ticket) => outbox::of_ticket(&mut conn, ticket).await?,
        None => Vec::new(),
    };
    drop(conn);
    let channels: Vec<String> = app.channels.iter().map(|channel| channel.name.clone()).collect();
    let mut judged = watch_channels(&backlogs, &channels, now);
    let mut remembered = None;
    let mut told = None;
    match next(last.as_ref(), &messages, &channels, &app.config.self_test, now) {
        Next::Wait => {}
        Next::Raise(fault, test) => {
            judged.push(fault);
            remembered = Some(test);
        }
        Next::Finish(rest, test) => {
            judged.extend(rest);
            told = test.result.clone();
            remembered = Some(test);
        }
    }
    let store = InTransaction::begin(&app.db, &[]).await?;
    let mut opened = Vec::new();
    for one in &judged {
        opened.extend(app.judge.ticket(&store, one, now).await?);
    }
    let mut conn = store.into_conn();
    if let Some(mut test) = remembered {
        let is_fault =
            |ticket: &&crate::records::Ticket| ticket.key.rule == crate::records::RuleName::SelfTest;
        test.ticket = test.ticket.or_else(|| opened.iter().find(is_fault).map(|ticket| ticket.id.clone()));
        settings::set(&mut conn, LAST_TEST, &test).await?;
    }
    conn.commit().await?;
    if let Some(report) = told {
        match report.passed {
            true => tracing::info!("{}", report.sentence),
            false => tracing::error!("{}", report.sentence),
        }
        ping(&app, report.passed, &report.sentence).await;
    }
    Ok(())
}

/// Tells somebody else's watchman how the test ended; a ping that stays away is a message too.
async fn ping(app: &App, passed: bool, sentence: &str) {
    let Some(settings) = &app.config.ping else { return };
    let signal = if passed { Signal::Success } else { Signal::Fail };
    match Pinger::open(settings) {
        Ok(pinger) => {
            if let Err(error) = pinger.ping(signal, sentence).await {
                tracing::warn!(%error, "the watchman cannot be told");
            }
        }
        Err(error) => tracing::warn!(%error, "the watchman cannot be told"),
    }
}
