//! `vow console join`.

use crate::app::Context;
use crate::commands::vault::join::{read_token, replace};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::{hostkeys, reporting, signals};
use serde_json::json;
use std::fs;
use toml_edit::{DocumentMut, Item, Table, value};
use vow_agent::plan::quoted;
use vow_agent::plan::{self, Config, ConsolePlan};
use vow_protocol::JoinToken;
use vow_protocol::client::{ConsoleError, JoinAs, JoinedConsole};

/// Join a console with a token from it, and add it to the configuration
///
/// On the console: `vow console join-token`. From then on every run, every drill and every audit of this host is reported to it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The token, in one piece; or - to read it from the standard input
    #[arg(value_name = "TOKEN")]
    token: String,
}

/// Joins.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let config = cx.load_config()?;
    let (plan, joined) = join(&config, &read_token(&args.token)?)?;
    cx.ui.json(&json!({
        "message_type": "summary", "status": "ok", "url": plan.address.to_string(),
        "fingerprint": plan.fingerprint.to_string(), "tenant": joined.tenant, "host": joined.name,
    }));
    let (tenant, name) = (crate::ui::plain(&joined.tenant), crate::ui::plain(&joined.name));
    cx.ui.say(&format!(
        "{tenant}/{name} has joined the console at {}; it is in {}",
        plan.address,
        config.file.display()
    ));
    cx.ui.say("next step: run the agent (packaging/systemd/vow-agent.service), or `vow backup`: both report");
    Ok(Exit::Done)
}

/// Joins a console with a token, and adds it to the plan.
pub(crate) fn join(config: &Config, token: &JoinToken) -> Outcome<(ConsolePlan, JoinedConsole)> {
    let plan = ConsolePlan { address: token.address.clone(), fingerprint: token.fingerprint };
    if let Some(known) = config.console.as_ref().filter(|known| **known != plan) {
        let message = format!("{} names another console already: {}", config.file.display(), known.address);
        return Err(Failure::new(Exit::Usage, message)
            .hint("remove that [console] first, if this one is to take its place"));
    }
    let key = hostkeys::signing_key(&config.keys)?;
    let join = JoinAs { tenant: Some(&config.tenant), name: &config.host, readers: &[], introduction: None };
    let joined = reporting::remote(&plan, &key, signals::stop_flag())
        .and_then(|remote| remote.join(&token.secret, join));
    let joined = joined.map_err(|error| {
        let hint = match &error {
            ConsoleError::Token { .. } | ConsoleError::Refused { .. } => "ask for a new token: `vow console join-token` on the console",
            ConsoleError::Other { .. } => "find out who answers there; a token names the console that it is from",
            _ => "check the address, the network, and whether the console is running, and run the command again",
        };
        Failure::failed("the console was not joined").because(&error).hint(hint)
    })?;
    if config.console.is_none() {
        add(config, &plan)?;
    }
    Ok((plan, joined))
}

/// Adds it to the configuration; everything else there stays as it is.
fn add(config: &Config, plan: &ConsolePlan) -> Outcome<()> {
    let paste = |failure: Failure| {
        let (url, fingerprint) = (quoted(&plan.address.to_string()), quoted(&plan.fingerprint.to_string()));
        failure
            .during(format!("the console was joined, but {} could not be changed", config.file.display()))
            .hint(format!(
                "put this into it:\n    [console]\n    url = {url}\n    fingerprint = {fingerprint}"
            ))
    };
    let at = |action| move |e| paste(Failure::io(action, &config.file, e));
    let text = fs::read_to_string(&config.file).map_err(at("read"))?;
    let text = added(&text, plan).map_err(&paste)?;
    plan::parse(&text, &config.file, config.origin).map_err(|error| paste(error.into()))?;
    replace(&config.file, text.as_bytes()).map_err(at("write"))
}

fn added(text: &str, plan: &ConsolePlan) -> Outcome<String> {
    let mut document: DocumentMut =
        text.parse().map_err(|e: toml_edit::TomlError| Failure::failed("it is not TOML").because(&e))?;
    let mut table = Table::new();
    table.insert("url", value(plan.address.to_string()));
    table.insert("fingerprint", value(plan.fingerprint.to_string()));
    table.decor_mut().set_prefix("\n");
    document.insert("console", Item::Table(table));
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vow_base::Fingerprint;

    #[test]
    fn everything_else_in_the_file_stays_as_it_is() {
        let plan = ConsolePlan {
            address: "https://console.example.net:8444".parse().expect("an address"),
            fingerprint: Fingerprint([0xab; 32]),
        };
        let before = "# mine\n[host]\nname = 'a' # the name\n\n[[source]]\nname = \"x\"\n";
        let text = added(before, &plan).expect("a plan");
        let fingerprint = format!("SHA256:{}", "ab".repeat(32));
        let block = format!(
            "\n[console]\nurl = \"https://console.example.net:8444\"\nfingerprint = \"{fingerprint}\"\n"
        );
        assert_eq!(text, format!("{before}{block}"));
    }
}
