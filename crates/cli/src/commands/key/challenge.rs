//! `vow key challenge` and `vow key accept`: asking whether somebody still has an identity, from a host that has none.

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::{reporting, ui};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use vow_agent::reporting::now_secs;
use vow_base::disk::RealDisk;
use vow_base::id::hex;
use vow_base::publish::publish;
use vow_protocol::report::{Body, KeyProofReport};
use vow_store::session::Recipient;
use vow_store::session::challenge::{Answer, Challenge};

/// An answer must come within this time.
const TERM_SECS: i64 = 30 * 86_400;
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Ask whether somebody still has the identity of a recipient: a challenge that only it can open
///
/// It goes to the machine where the identity is kept, also one without a network: as a file, or from screen to camera as a QR code.
/// `vow key prove --challenge` opens it there, and `vow key accept` takes the answer here.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only for this recipient of the plan: age1…, or its fingerprint [default: each of them]
    #[arg(value_name = "RECIPIENT")]
    recipient: Option<String>,
    /// Write the challenges into this file, one a line
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show them as QR codes
    #[arg(long)]
    qr: bool,
}

/// Take the answer to a challenge, and report that the identity was proven
#[derive(clap::Args)]
pub(crate) struct AcceptArgs {
    /// The answers: a file, VOWA1:…, or - for the standard input
    #[arg(value_name = "FILE|ANSWER")]
    answer: String,
}

/// What a host remembers of a challenge that it made.
#[derive(Serialize, Deserialize)]
struct Asked {
    recipient: String,
    made_secs: i64,
    /// SHA-256 of the answer: what lies here answers nothing.
    answer_sha256: String,
}

/// Asks.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let config = cx.load_config()?;
    let is_meant = |one: &&Recipient| match args.recipient.as_deref() {
        Some(wanted) => one.text() == wanted || hex(&one.fingerprint()) == wanted.to_lowercase(),
        None => true,
    };
    let meant: Vec<_> = config.recipients.iter().filter(is_meant).collect();
    if meant.is_empty() {
        return Err(Failure::new(Exit::NotFound, "the plan has no such recipient")
            .hint("`vow key list` shows its recipients"));
    }
    let folder = folder(&config.state);
    fs::create_dir_all(&folder).map_err(|e| Failure::io("create", &folder, e))?;
    let mut texts = Vec::new();
    for recipient in meant {
        let (challenge, answer) = Challenge::new(recipient)
            .map_err(|error| Failure::failed("the challenge was not made").because(&error))?;
        let print = hex(&recipient.fingerprint());
        let asked =
            Asked { recipient: print.clone(), made_secs: now_secs(), answer_sha256: hex(&answer.hash()) };
        let path = folder.join(hex(&challenge.id));
        let text = serde_json::to_vec(&asked).map_err(|e| Failure::failed("a challenge").because(&e))?;
        publish(&RealDisk, &folder, &path, &text, None, true)
            .map_err(|e| Failure::failed(format!("{} was not written", path.display())).because(&e))?;
        texts.push((print, challenge.text()));
    }
    let lines: String = texts.iter().map(|(_, text)| format!("{text}\n")).collect();
    if let Some(path) = &args.output {
        fs::write(path, &lines).map_err(|e| Failure::io("write", path, e))?;
        cx.ui.say(&format!("{} in {}", ui::plural(texts.len() as u64, "challenge"), path.display()));
    }
    let list: Vec<_> =
        texts.iter().map(|(print, text)| json!({"recipient": print, "challenge": text})).collect();
    cx.ui.json(&json!({"message_type": "summary", "status": "ok", "challenges": list}));
    for (print, text) in &texts {
        show(cx, &format!("for the identity of {print}"), text, args.qr, args.output.is_none())?;
    }
    cx.ui.note("where the identity is: `vow key prove --challenge FILE --identity FILE`; then here: `vow key accept ANSWER`");
    Ok(Exit::Done)
}

/// Shows a text, and its QR code when that is wanted.
pub(super) fn show(cx: &Context, about: &str, text: &str, qr: bool, line: bool) -> Outcome<()> {
    if qr && !cx.ui.json {
        cx.ui.say(about);
        cx.ui.line(&code(text)?);
    }
    if line {
        cx.ui.line(text);
    }
    Ok(())
}

/// A QR code in characters: dark on light, as cameras want it, whatever the terminal's colours are.
fn code(text: &str) -> Outcome<String> {
    let made = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::L);
    let made = made.map_err(|_| {
        Failure::failed("it is too long for a QR code").hint("hand it over as a file: --output FILE")
    })?;
    let mut drawn = made.render::<qrcode::render::unicode::Dense1x2>();
    let (dark, light) = (qrcode::render::unicode::Dense1x2::Light, qrcode::render::unicode::Dense1x2::Dark);
    Ok(drawn.dark_color(dark).light_color(light).quiet_zone(true).build())
}

/// Takes answers.
pub(crate) fn accept(cx: &Context, args: &AcceptArgs) -> Outcome<Exit> {
    let config = cx.load_config()?;
    let text = given(&args.answer)?;
    let answers: Vec<Answer> = text.lines().filter_map(Answer::parse).collect();
    if answers.is_empty() {
        return Err(Failure::new(Exit::Usage, "there is no answer in it: an answer begins with VOWA1:"));
    }
    let (folder, now) = (folder(&config.state), now_secs());
    let (mut proofs, mut all) = (Vec::new(), true);
    for answer in answers {
        let path = folder.join(hex(&answer.id));
        let asked = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Asked>(&text).ok());
        let problem = match &asked {
            None => Some("this host made no such challenge, or it was answered before"),
            Some(asked) if now - asked.made_secs > TERM_SECS => {
                Some("its challenge is older than 30 days: make a new one")
            }
            Some(asked) if asked.answer_sha256 != hex(&answer.hash()) => Some("it is wrong"),
            Some(_) => None,
        };
        let print = asked.as_ref().map(|asked| asked.recipient.clone()).unwrap_or_default();
        if let (None, Some(asked)) = (problem, asked) {
            // What is kept for the console first: a challenge that is answered twice says nothing new.
            let proof = KeyProofReport {
                recipient: asked.recipient,
                challenge: hex(&answer.id),
                challenged_secs: asked.made_secs,
                proven_secs: now,
            };
            reporting::keep(cx.ui, &config, Body::KeyProof(proof));
            fs::remove_file(&path).map_err(|e| Failure::io("remove", &path, e))?;
            cx.ui.line(&format!("{print}: somebody has its identity"));
        }
        if let Some(problem) = problem {
            all = false;
            ui::diagnose(&format!("the answer to {} was not accepted: {problem}", hex(&answer.id)));
        }
        proofs.push(json!({"challenge": hex(&answer.id), "recipient": print, "status": if problem.is_none() { "ok" } else { "failed" }, "error": problem}));
    }
    reporting::post(cx.ui, &config);
    cx.ui.json(
        &json!({"message_type": "summary", "status": if all { "ok" } else { "failed" }, "proofs": proofs}),
    );
    Ok(if all { Exit::Done } else { Exit::Identity })
}

fn folder(state: &Path) -> PathBuf {
    state.join("challenges")
}

/// A text given as a file, as itself, or on the standard input.
pub(super) fn given(text: &str) -> Outcome<String> {
    use std::io::Read;
    if text.starts_with("VOW") && text.contains(':') {
        return Ok(text.to_owned());
    }
    let mut read = String::new();
    if text == "-" {
        std::io::stdin()
            .take(FILE_BYTES_MAX)
            .read_to_string(&mut read)
            .map_err(|e| Failure::failed("the standard input cannot be read").because(&e))?;
        return Ok(read);
    }
    let path = Path::new(text);
    let file = fs::File::open(path).map_err(|e| Failure::io("open", path, e))?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut read).map_err(|e| Failure::io("read", path, e))?;
    Ok(read)
}
