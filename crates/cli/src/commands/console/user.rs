//! `vow console user`.

use super::at::{At, naming};
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::ui::{Table, plain};
use serde_json::json;
use std::io::Read;
use std::path::PathBuf;
use vow_console::admin::{self, NewUser};
use vow_console::auth::Role;
use vow_console::db::{Scope, hosts, people};
use zeroize::Zeroizing;

/// People who may use the console
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Add a user; the password is read from the standard input, or from a file
    Add {
        #[command(flatten)]
        at: At,
        /// The name
        name: String,
        /// administrator, operator, auditor or customer
        #[arg(long)]
        role: Role,
        /// The only tenant that they see; it is made when it is new
        #[arg(long)]
        tenant: Option<String>,
        /// Read the password from this file
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Give a user another password, and take their second factor away
    Reset {
        #[command(flatten)]
        at: At,
        /// The name
        name: String,
        /// Read the password from this file
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Print a link with which a user logs in once, without a password: for whoever sits at the console's machine
    Link {
        #[command(flatten)]
        at: At,
        /// The name
        name: String,
        /// How long it is good
        #[arg(long, value_name = "M", default_value_t = 15, value_parser = clap::value_parser!(i64).range(1..=1440))]
        minutes: i64,
    },
    /// Shut a user out
    Disable {
        #[command(flatten)]
        at: At,
        /// The name
        name: String,
        /// Let them in again
        #[arg(long)]
        undo: bool,
    },
    /// List users
    List {
        #[command(flatten)]
        at: At,
    },
}

/// Runs one of them.
pub(crate) fn run(cx: &Context, command: &Command) -> Outcome<Exit> {
    match command {
        Command::Add { at, name, role, tenant, password_file } => {
            let password = password(password_file.as_ref())?;
            let new = NewUser { name: name.clone(), password, role: *role, tenant: tenant.clone() };
            let id = at.with(|app| async move {
                if let Some(tenant) = &new.tenant {
                    let mut conn = app.db.write().await?;
                    hosts::tenant_id(&mut conn, tenant, app.now()).await?;
                    conn.commit().await?;
                }
                Ok(admin::add_user(&app, &admin::at_the_machine(), &new).await?)
            })?;
            cx.ui.json(&json!({"message_type": "summary", "status": "ok", "id": id, "name": name}));
            cx.ui.say(&format!("{} may log in as {role}", plain(name)));
        }
        Command::Reset { at, name, password_file } => {
            let password = password(password_file.as_ref())?;
            at.with(|app| async move {
                let done = admin::reset_user(&app, &admin::at_the_machine(), name, &password).await;
                done.map_err(naming(format!("user {name:?}")))
            })?;
            cx.ui.json(&json!({"message_type": "summary", "status": "ok", "name": name}));
            cx.ui.say(&format!("{} has another password and no second factor", plain(name)));
        }
        Command::Link { at, name, minutes } => {
            let (path, base) = at.with(|app| async move {
                let made = admin::add_login_link(&app, &admin::at_the_machine(), name, minutes * 60).await;
                let path = made.map_err(naming(format!("user {name:?} who may log in")))?;
                Ok((path, app.config.web_base()))
            })?;
            let link = Zeroizing::new(format!("{base}{}", *path));
            cx.ui.json(&json!({"message_type": "login_link", "link": *link, "term_secs": minutes * 60}));
            cx.ui.line(&link);
            cx.ui.note("it is good once; links that were made before are good for nothing any more");
        }
        Command::Disable { at, name, undo } => {
            at.with(|app| async move {
                let user = people::user_by_name(&mut app.read().await?, name).await?;
                let user =
                    user.ok_or_else(|| Failure::new(Exit::NotFound, format!("there is no user {name:?}")))?;
                Ok(admin::disable_user(&app, &admin::at_the_machine(), user.id, !undo).await?)
            })?;
            cx.ui.json(&json!({"message_type": "summary", "status": "ok", "name": name, "disabled": !undo}));
            cx.ui.say(&format!("{} {}", plain(name), if *undo { "is let in again" } else { "is shut out" }));
        }
        Command::List { at } => {
            let users =
                at.with(|app| async move { Ok(people::users(&mut app.read().await?, Scope::All).await?) })?;
            cx.ui.json(&json!({"message_type": "users", "users": users}));
            let mut table = Table::new(&["name", "role", "tenant", "second factor", ""], &[]);
            for user in &users {
                let tenant = user.tenant.clone().unwrap_or_else(|| "all".into());
                let factor = if user.second_factor { "yes" } else { "no" };
                let out = if user.disabled_secs.is_some() { "SHUT OUT" } else { "" };
                table.row(vec![
                    plain(&user.name),
                    user.role.to_string(),
                    plain(&tenant),
                    factor.into(),
                    out.into(),
                ]);
            }
            table.lines().iter().for_each(|line| cx.ui.line(line));
        }
    }
    Ok(Exit::Done)
}

const PASSWORD_LIMIT_BYTES: u64 = 4096;

/// One line, from a file or the standard input: never from the command line, where others see it.
fn password(file: Option<&PathBuf>) -> Outcome<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    match file {
        Some(path) => {
            let opened = std::fs::File::open(path).map_err(|e| Failure::io("open", path, e))?;
            opened
                .take(PASSWORD_LIMIT_BYTES)
                .read_to_string(&mut text)
                .map_err(|e| Failure::io("read", path, e))?;
        }
        None => {
            let read = std::io::stdin().take(PASSWORD_LIMIT_BYTES).read_to_string(&mut text);
            read.map_err(|e| {
                Failure::failed("the password cannot be read from the standard input").because(&e)
            })?;
        }
    }
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}
