//! `vow console join-token`.

use super::at::At;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use serde_json::json;
use vow_console::admin::{self, NewJoinToken};

/// Make a token with which one host joins this console; it is shown once
///
/// Hosts of a vault that this console watches need none: they are known by their key.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// The tenant that the host gets; otherwise it says
    #[arg(long)]
    tenant: Option<String>,
    /// The name that it must have
    #[arg(long)]
    name: Option<String>,
    /// How long it can be used
    #[arg(long, default_value_t = 24)]
    hours: i64,
}

/// Makes one.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let new = NewJoinToken { tenant: args.tenant.clone(), name: args.name.clone(), hours: Some(args.hours) };
    let token = args
        .at
        .with(|app| async move { Ok(admin::add_join_token(&app, &admin::at_the_machine(), &new).await?) })?;
    cx.ui.json(&json!({"message_type": "join_token", "token": *token, "term_secs": args.hours * 3600}));
    cx.ui.line(&token);
    cx.ui.note("it is shown once, and lets one host join; there: vow console join TOKEN");
    Ok(Exit::Done)
}
