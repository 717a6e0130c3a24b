//! `vow report`: a customer's month, signed; and checking one.

use super::console::at::At;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use vow_base::Fingerprint;
use vow_base::id::{from_hex, hex};
use vow_base::sign::PublicKey;
use vow_console::admin;
use vow_console::db::hosts;
use vow_console::report::{Format, Month, VerifyError, verify};

/// Signed reports of a customer's month
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make the report of a tenant for a month, signed with the console's key
    Make {
        #[command(flatten)]
        at: At,
        /// The tenant
        #[arg(long)]
        tenant: String,
        /// The month, as 2026-10
        #[arg(long)]
        month: Month,
        /// A PDF instead of a page
        #[arg(long)]
        pdf: bool,
        /// The file [default: vow-report-TENANT-MONTH.html or .pdf]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check a report with the console's public key alone. Exit code 4 when it is not what was signed
    Verify {
        /// The report
        file: PathBuf,
        /// The fingerprint of the console's key, or a file with that or the public key
        #[arg(long, value_name = "FILE|FINGERPRINT")]
        key: String,
    },
    /// Show the public key that reports of this console are signed with
    Key {
        #[command(flatten)]
        at: At,
    },
}

/// Runs one of them.
pub(crate) fn run(cx: &Context, command: &Command) -> Outcome<Exit> {
    match command {
        Command::Make { at, tenant, month, pdf, output } => {
            make(cx, at, (tenant, *month), *pdf, output.as_deref())
        }
        Command::Verify { file, key } => check(cx, file, key),
        Command::Key { at } => {
            let key = at.folder()?.key()?.public();
            let print = Fingerprint::of(&key).to_string();
            cx.ui.json(&json!({"message_type": "key", "public_key": hex(&key.0), "fingerprint": print}));
            cx.ui.line(&print);
            cx.ui.line(&hex(&key.0));
            Ok(Exit::Done)
        }
    }
}

fn make(
    cx: &Context,
    at: &At,
    (tenant, month): (&str, Month),
    pdf: bool,
    output: Option<&Path>,
) -> Outcome<Exit> {
    let (format, kind) = if pdf { (Format::Pdf, "pdf") } else { (Format::Html, "html") };
    let path =
        output.map_or_else(|| PathBuf::from(format!("vow-report-{tenant}-{month}.{kind}")), Path::to_owned);
    let file = at.with(|app| async move {
        let id = hosts::find_tenant(&mut app.read().await?, tenant).await?;
        let id = id.ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("there is no tenant {tenant:?} in this console"))
        })?;
        Ok(app.report(&admin::at_the_machine(), id, month, format).await?)
    })?;
    fs::write(&path, &file).map_err(|e| Failure::io("write", &path, e))?;
    cx.ui.json(&json!({"message_type": "summary", "status": "ok", "file": path.to_string_lossy(), "bytes": file.len()}));
    cx.ui.line(&path.display().to_string());
    Ok(Exit::Done)
}

/// What the caller trusts.
fn trusted(text: &str) -> Outcome<Fingerprint> {
    let of = |text: &str| {
        let key = from_hex(text).map(|key| Fingerprint::of(&PublicKey(key)));
        text.parse::<Fingerprint>().ok().or(key)
    };
    if let Some(print) = of(text) {
        return Ok(print);
    }
    let path = Path::new(text);
    let content = fs::read_to_string(path).map_err(|e| Failure::io("read", path, e))?;
    content.split_whitespace().find_map(of).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{text} holds neither a fingerprint nor a public key"))
            .hint("`vow report key` prints both, on the console's machine")
    })
}

fn check(cx: &Context, file: &Path, key: &str) -> Outcome<Exit> {
    let wanted = trusted(key)?;
    let bytes = fs::read(file).map_err(|e| Failure::io("read", file, e))?;
    match verify(&bytes, |found| Fingerprint::of(found) == wanted) {
        Ok(signed) => {
            cx.ui.json(&json!({"message_type": "summary", "status": "ok", "bytes": signed.bytes, "fingerprint": wanted.to_string()}));
            cx.ui.line(&format!("{}: {} bytes, as {wanted} signed them", file.display(), signed.bytes));
            Ok(Exit::Done)
        }
        Err(error) => {
            let other = matches!(error, VerifyError::OtherKey { .. });
            cx.ui.json(&json!({"message_type": "summary", "status": "problems", "error": error.to_string()}));
            let hint = if other {
                "ask whoever runs the console for its fingerprint, not whoever gave you the report"
            } else {
                "ask for the report again; do not rely on this one"
            };
            Err(Failure::new(Exit::Problems, format!("{}: {error}", file.display())).hint(hint))
        }
    }
}
