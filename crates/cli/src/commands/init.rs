//! `vow init`.

use super::vault::join::read_token;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::layout::{self, Made, NewPlan};
use serde_json::json;
use std::path::{Path, PathBuf};
use vow_agent::plan::{Place, check_name};
use vow_base::id::from_hex;
use vow_base::sign::PublicKey;
use vow_store::session::Recipient;

/// Make keys, a vault, a recovery key and vow.toml for this host
///
/// Nothing is asked and nothing is overwritten. When it fails, nothing is left behind.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder to make all of it in
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The customer this host belongs to
    #[arg(long, value_name = "T", default_value = "default")]
    tenant: String,
    /// Name of this host [default: its hostname]
    #[arg(long, value_name = "HOST")]
    name: Option<String>,
    /// Back up this path; may be given several times [default: /etc and the home folder]
    #[arg(long = "path", value_name = "P")]
    paths: Vec<PathBuf>,
    /// Seal backups to this age recipient; may be given several times [default: a new recovery key]
    #[arg(long = "recipient", value_name = "age1…")]
    recipients: Vec<String>,
    /// With --recipient: let the restorer with this key read what is sent to vaults behind an address; may be given several times
    ///
    /// `vow key new` prints it beside the recipient.
    #[arg(long = "reader", value_name = "KEY")]
    readers: Vec<String>,
    /// Join a vault behind an address as well: a token from `vow vault join-token`, or - to read it from the standard input
    #[arg(long, value_name = "TOKEN")]
    join: Option<String>,
    /// With --join: make no vault on this host
    #[arg(long, requires = "join")]
    no_local: bool,
}

/// Makes a plan.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let usage = |why: String| Failure::new(Exit::Usage, why);
    check_name("tenant", &args.tenant).map_err(usage)?;
    let host = match &args.name {
        Some(name) => check_name("host", name).map(|()| name.clone()).map_err(usage)?,
        None => hostname(),
    };
    let recipients =
        args.recipients.iter().map(|text| Ok(text.parse()?)).collect::<Outcome<Vec<Recipient>>>()?;
    let readers = args.readers.iter().map(|text| reader(text)).collect::<Outcome<Vec<_>>>()?;
    let join = args.join.as_deref().map(read_token).transpose()?;
    let plan = NewPlan {
        readers,
        local: !args.no_local,
        join: join.map(|token| ("remote".to_owned(), token)),
        dir: absolute(&args.dir)?,
        tenant: args.tenant.clone(),
        host,
        paths: paths_or_default(&args.paths)?,
        exclude: Vec::new(),
        recipients,
        sources: None,
        console: false,
    };
    let made = layout::create(&plan)?;
    report(cx, &plan, &made);
    Ok(Exit::Done)
}

fn reader(text: &str) -> Outcome<PublicKey> {
    from_hex::<32>(text).map(PublicKey).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{text:?} is not the key of a reader: 64 hexadecimal digits"))
            .hint("`vow key new` prints it beside the recipient")
    })
}

fn report(cx: &Context, plan: &NewPlan, made: &Made) {
    let local = made.vaults.iter().find(|vault| matches!(vault.place, Place::Folder(_)));
    let vaults = made.vaults.iter().map(|vault| {
        json!({"name": vault.name, "place": vault.place.to_string(), "fingerprint": vault.fingerprint.to_string()})
    });
    cx.ui.json(&json!({
        "message_type": "summary",
        "status": "ok",
        "config": made.config.to_string_lossy(),
        "recovery_key": made.recovery.as_ref().map(|path| path.to_string_lossy()),
        "vault": local.map(|vault| vault.place.to_string()),
        "vault_fingerprint": local.map(|vault| vault.fingerprint.to_string()),
        "vaults": vaults.collect::<Vec<_>>(),
        "host": plan.host,
        "tenant": plan.tenant,
        "paths": plan.paths.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
    }));
    let ui = cx.ui;
    ui.say(&format!("made {}, for {}/{}", made.config.display(), plan.tenant, plan.host));
    for vault in &made.vaults {
        ui.say(&format!("  vault {:<6}  {} ({})", vault.name, vault.place, vault.fingerprint));
    }
    let paths: Vec<_> = plan.paths.iter().map(|path| path.display().to_string()).collect();
    ui.say(&format!("  source files  {}", paths.join(", ")));
    if let Some(recovery) = &made.recovery {
        ui.say(&format!("  recovery key  {}", recovery.display()));
        ui.say(
            "MOVE THE RECOVERY KEY AWAY from this machine, to two safe places: without it nobody can restore, \
             with it anybody can read the backups.",
        );
    }
    if plan.join.is_some() && plan.readers.is_empty() && made.recovery.is_none() {
        ui.warn(
            "no reader was named: what this host sends to the vault behind the address, nobody can read before its operator lets a \
             restorer in (`vow vault join-token --role restore`)",
        );
    }
    ui.say(&format!("next step: vow --config {} backup", made.config.display()));
}

/// The absolute form of a path.
pub(crate) fn absolute(path: &Path) -> Outcome<PathBuf> {
    std::path::absolute(path)
        .map_err(|e| Failure::new(Exit::Usage, format!("{path:?} is not a path")).because(&e))
}

/// The paths given, made absolute, each once; or /etc and the home folder.
pub(crate) fn paths_or_default(given: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for path in given {
        let path = absolute(path)?;
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).ok_or_else(|| {
            Failure::new(Exit::Usage, "there is no home folder to back up: $HOME is not set")
                .hint("name what to back up with --path")
        })?;
        paths = vec![PathBuf::from("/etc"), absolute(Path::new(&home))?];
    }
    Ok(paths)
}

/// The machine's name, made fit for a name in the plan.
pub(crate) fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let fit = |c: char| {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c) { c } else { '-' }
    };
    let name: String = name.trim().chars().map(fit).take(63).collect();
    let name = name.trim_start_matches(['.', '_', '-']);
    if name.is_empty() { "host".to_owned() } else { name.to_owned() }
}
