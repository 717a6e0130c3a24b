//! What the server says of itself, while one serves the vault.

use crate::app::Context;
use crate::commands::vault::at::At;
use crate::failure::Outcome;
use crate::ui::{self, plain};
use vow_protocol::wire::Status;
use vow_vault::server::admin::{AdminError, Client};

/// Its health; `None` when nobody serves the vault, or it has no socket for administration.
pub(super) fn health(at: &At) -> Outcome<Option<Status>> {
    let Some(settings) = at.settings_if_any()? else { return Ok(None) };
    if settings.socket.as_os_str().is_empty() {
        return Ok(None);
    }
    match Client::new(&settings.socket).status() {
        Ok(status) => Ok(Some(status)),
        Err(AdminError::Unreachable { .. }) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

pub(super) fn print(cx: &Context, server: Option<&Status>) {
    let line = |name: &str, text: &str| cx.ui.line(&format!("{name:<12}{}", plain(text)));
    let Some(server) = server else {
        line("server", "none answers here");
        return;
    };
    line("server", &format!("{}, since {}", server.software, ui::local_time(server.started)));
    if server.counts.bytes > 0 {
        line(
            "stored",
            &format!("{} in {}", ui::bytes(server.counts.bytes), ui::plural(server.counts.objects, "object")),
        );
    }
    for chore in &server.chores {
        let text = match (&chore.said, chore.last) {
            (Some(said), Some(last)) => {
                let word = if chore.failing { "FAILED: " } else { "" };
                format!("{}: {word}{}", ui::local_time(last), said.lines().next().unwrap_or_default())
            }
            (None, Some(last)) => format!("{}, before this server was started", ui::local_time(last)),
            (_, None) => "not yet".to_owned(),
        };
        cx.ui.line(&format!("  {:<18} {}", plain(&chore.name), plain(&text)));
    }
}
