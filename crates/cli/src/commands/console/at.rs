//! The console that a command is about, in its own folder.

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::owner;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use vow_base::clock::SystemClock;
use vow_console::db::DbError;
use vow_console::server::error::Error;
use vow_console::server::{App, Folder, FolderError};

/// Which console.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct At {
    /// The folder of the console: that of its console.toml
    #[arg(long, value_name = "DIR", env = "VOW_CONSOLE_DIR", hide_env_values = true)]
    pub(in crate::commands) dir: PathBuf,
}

impl At {
    /// Reads its settings.
    pub(in crate::commands) fn folder(&self) -> Outcome<Folder> {
        let dir = std::path::absolute(&self.dir).map_err(|e| Failure::io("find", &self.dir, e))?;
        Ok(Folder::open(&dir)?)
    }

    /// Opens it, does something with it, and closes it.
    pub(in crate::commands) fn with<T, F>(&self, work: impl FnOnce(Arc<App>) -> F) -> Outcome<T>
    where
        F: Future<Output = Outcome<T>>,
    {
        let folder = self.folder()?;
        // SQLite leaves the files of a database to its owner; one that is not there yet would be root's.
        if folder.makes_database() {
            owner::refuse_root(&self.dir, "vow console …")?;
        }
        runtime()?.block_on(async {
            let app = Arc::new(folder.app(Arc::new(SystemClock)).await?);
            let done = work(app.clone()).await;
            app.db.close().await;
            done
        })
    }
}

/// Names what is not there.
pub(super) fn naming(what: String) -> impl FnOnce(Error) -> Failure {
    move |error| match error {
        Error::Absent => Failure::new(Exit::NotFound, format!("there is no {what} in this console")),
        other => other.into(),
    }
}

/// What a console runs on.
pub(crate) fn runtime() -> Outcome<tokio::runtime::Runtime> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("vow-console").build();
    built.map_err(|e| Failure::failed("no threads can be started").because(&e))
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        match &error {
            FolderError::Absent(_) => {
                Self::new(Exit::NotFound, error.to_string()).hint("make one: vow console init --dir DIR")
            }
            FolderError::Settings { .. } => Self::new(Exit::Usage, error.to_string())
                .hint("correct that line; docs/console.md, \"Settings\", has all of them"),
            FolderError::Db(_) | FolderError::File { .. } | FolderError::Channel(_) => {
                Self::failed(error.to_string())
            }
        }
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        let exit = if matches!(error, DbError::Busy(_)) { Exit::Busy } else { Exit::Failed };
        Self::new(exit, error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Db(error) => error.into(),
            Error::Absent => Self::new(Exit::NotFound, "there is no such thing in this console"),
            Error::Malformed(_) => Self::new(Exit::Usage, error.to_string()),
            _ => Self::failed(error.to_string()),
        }
    }
}
