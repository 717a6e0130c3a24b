//! `vow key prove`.

use crate::app::Context;
use crate::entries::snapshot_line;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reading::{Need, ReadArgs, Reading, open_first};
use crate::{identity, ui};
use serde_json::json;
use vow_base::id::hex;
use vow_store::session::challenge::Challenge;

/// Prove that an identity opens the newest snapshot of each source; or, without any vault, that it opens a challenge
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    read: ReadArgs,
    /// Open these challenges of `vow key challenge` instead: a file, VOWC1:…, or - for the standard input. Needs no network and no plan
    #[arg(long, value_name = "FILE|CHALLENGE")]
    challenge: Option<String>,
    /// Write the answers into this file, one a line
    #[arg(long, short = 'o', visible_alias = "output", value_name = "FILE", requires = "challenge")]
    answer: Option<std::path::PathBuf>,
    /// Show the answers as QR codes
    #[arg(long, requires = "challenge")]
    qr: bool,
}

/// Proves. Exit code 12 when one is not opened.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    if let Some(challenge) = &args.challenge {
        return answer(cx, args, challenge);
    }
    let reading = Reading::open(cx, &args.read, Need::Identity)?;
    let newest = super::newest(cx, &reading)?;
    if newest.is_empty() {
        return Err(Failure::new(Exit::NotFound, "there are no snapshots to prove the identity with")
            .hint("run `vow backup` first"));
    }
    let (mut proofs, mut worst) = (Vec::new(), Exit::Done);
    for (info, places) in &newest {
        let opened = open_first(cx, info, places);
        let failure = opened.as_ref().err();
        proofs.push(json!({
            "source": info.manifest.source,
            "snapshot": info.id.to_string(),
            "received": ui::rfc3339(info.receipt.received),
            "status": if failure.is_none() { "ok" } else { "failed" },
            "error": failure.map(Failure::line),
        }));
        match failure {
            None => cx.ui.line(&format!("{}: the identity opens it", snapshot_line(info))),
            Some(failure) => {
                cx.ui.line(&format!("{}: NOT opened", snapshot_line(info)));
                cx.ui.warn(&failure.line());
                worst = failure.exit;
            }
        }
    }
    let status = if worst == Exit::Done { "ok" } else { "failed" };
    cx.ui.json(&json!({"message_type": "summary", "status": status, "proofs": proofs}));
    Ok(worst)
}

/// Opens challenges.
fn answer(cx: &Context, args: &Args, challenge: &str) -> Outcome<Exit> {
    let text = super::challenge::given(challenge)?;
    let challenges: Vec<Challenge> = text.lines().filter_map(Challenge::parse).collect();
    if challenges.is_empty() {
        return Err(Failure::new(Exit::Usage, "there is no challenge in it: a challenge begins with VOWC1:"));
    }
    let identity = identity::required(args.read.identity.as_deref(), None)?;
    let (mut lines, mut list, mut others) = (String::new(), Vec::new(), 0);
    for challenge in &challenges {
        let recipient = hex(&challenge.recipient);
        match challenge.open(&identity.keys) {
            Ok(answer) => {
                let text = answer.text();
                super::challenge::show(
                    cx,
                    &format!("the answer of {recipient}"),
                    &text,
                    args.qr,
                    args.answer.is_none(),
                )?;
                lines.push_str(&format!("{text}\n"));
                list.push(json!({"recipient": recipient, "answer": text}));
            }
            Err(error) => {
                others += 1;
                cx.ui.note(&format!("the challenge for {recipient} is not opened: {error}"));
            }
        }
    }
    if let Some(path) = args.answer.as_deref().filter(|_| !lines.is_empty()) {
        std::fs::write(path, &lines).map_err(|e| Failure::io("write", path, e))?;
        let answers = ui::plural(list.len() as u64, "answer");
        cx.ui.say(&format!("{answers} in {}, for `vow key accept`", path.display()));
    }
    let status = if list.is_empty() { "failed" } else { "ok" };
    cx.ui.json(&json!({"message_type": "summary", "status": status, "answers": list, "not_opened": others}));
    if list.is_empty() {
        return Err(Failure::new(Exit::Identity, "this identity opens none of the challenges")
            .hint("each is sealed to one recipient: give the identity of that one"));
    }
    Ok(Exit::Done)
}
