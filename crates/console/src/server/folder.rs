//! The folder of a console: its settings, its key, its database.

use super::App;
use super::config::{Config, ConfigError};
use crate::db::{Db, DbError, Place};
use crate::ingest::Judge;
use crate::notify::channel::{Channel, ChannelError};
use crate::notify::config::ChannelSettings;
use crate::notify::route::Routes;
use crate::tickets::TicketSettings;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_base::clock::Clock;
use vow_base::disk::RealDisk;
use vow_base::id::{from_hex, hex};
use vow_base::publish::publish;
use vow_base::sign::{SigningKey, random_secret};
use zeroize::Zeroizing;

/// The name of the settings.
pub const SETTINGS: &str = "console.toml";
const KEY: &str = "console.key";
const DATABASE: &str = "console.db";

/// Why a console cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is none.
    #[error("there is no console in {dir}: it has no {SETTINGS}", dir = .0.display())]
    Absent(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The settings make no sense.
    #[error("{path}: {source}", path = path.display())]
    Settings {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        source: ConfigError,
    },
    /// A channel.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A console's folder, with its settings read.
#[derive(Debug, Clone)]
pub struct Folder {
    dir: PathBuf,
    /// What it is told; paths in it are absolute.
    pub config: Config,
}

impl Folder {
    /// Makes a console in a folder that is there: its key, and then its settings, which say that it is whole.
    pub fn create(dir: &Path, settings: &str) -> Result<Self, FolderError> {
        let (key, file) = (dir.join(KEY), dir.join(SETTINGS));
        let failed = |path: &Path, reason: String| FolderError::File { path: path.to_owned(), reason };
        if !key.exists() {
            let seed = random_secret().map_err(|error| failed(&key, error.to_string()))?;
            let text = Zeroizing::new(format!("{}\n", hex(&*seed)));
            publish(&RealDisk, dir, &key, text.as_bytes(), None, true)
                .map_err(|error| failed(&key, error.to_string()))?;
        }
        publish(&RealDisk, dir, &file, settings.as_bytes(), None, false)
            .map_err(|error| failed(&file, error.to_string()))?;
        Self::open(dir)
    }

    /// Reads the settings in a folder.
    pub fn open(dir: &Path) -> Result<Self, FolderError> {
        let file = dir.join(SETTINGS);
        let text = std::fs::read_to_string(&file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => FolderError::Absent(dir.to_owned()),
            _ => FolderError::File { path: file.clone(), reason: error.to_string() },
        })?;
        let mut config =
            Config::parse(&text).map_err(|source| FolderError::Settings { path: file.clone(), source })?;
        let files = [
            &mut config.certificate,
            &mut config.key,
            &mut config.database_password_file,
            &mut config.database_ca_file,
        ];
        let of_ping =
            config.ping.iter_mut().flat_map(|ping| [Some(&mut ping.url_file), ping.ca_file.as_mut()]);
        let of_channels = config.channel.iter_mut().flat_map(|channel| channel.kind.files());
        for path in files.into_iter().map(Option::as_mut).chain(of_ping).flatten().chain(of_channels) {
            *path = dir.join(&*path);
        }
        Ok(Self { dir: dir.to_owned(), config })
    }

    /// Whether opening the database makes a file here: the first time.
    pub fn makes_database(&self) -> bool {
        self.config.database.is_none() && !self.dir.join(DATABASE).exists()
    }

    /// The console's key.
    pub fn key(&self) -> Result<SigningKey, FolderError> {
        let path = self.dir.join(KEY);
        let failed = |reason: String| FolderError::File { path: path.clone(), reason };
        let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?);
        let seed: Option<[u8; 32]> = from_hex(text.trim());
        let seed =
            Zeroizing::new(seed.ok_or_else(|| failed("it holds no key: 64 hexadecimal digits".into()))?);
        Ok(SigningKey::from_seed(&seed))
    }

    fn place(&self) -> Result<Place, FolderError> {
        let Some(url) = self.config.database.clone() else { return Ok(Place::File(self.dir.join(DATABASE))) };
        let password = match &self.config.database_password_file {
            Some(path) => {
                let text = std::fs::read_to_string(path);
                let text = text
                    .map_err(|error| FolderError::File { path: path.clone(), reason: error.to_string() })?;
                Some(Zeroizing::new(text.trim_end().to_owned()))
            }
            None => None,
        };
        Ok(Place::Postgres { url, password, ca: self.config.database_ca_file.clone() })
    }

    /// Opens the database, and puts together what every request shares.
    pub async fn app(&self, clock: Arc<dyn Clock>) -> Result<App, FolderError> {
        let channels = self.config.channel.iter().map(Channel::open).collect::<Result<Vec<_>, _>>()?;
        let db = Db::open(&self.place()?).await?;
        let judge = Judge {
            routes: Routes {
                web_address: self.config.web_address.clone(),
                routes: self.config.channel.iter().map(ChannelSettings::route).collect(),
            },
            tickets: TicketSettings::default(),
            listening_since_secs: clock.now().div_euclid(1_000_000_000),
        };
        let key = Arc::new(self.key()?);
        let app = App::new(db, Arc::new(judge), clock, self.config.clone(), key.public(), channels);
        app.sign_with(key);
        Ok(app)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_meant_from_the_folder_of_the_console() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("hook.secret"), "sesame\n").expect("written");
        std::fs::write(dir.path().join("check.url"), "https://hc.example.net/x\n").expect("written");
        let settings = "certificate = 'web.pem'\nkey = '/etc/web.key'\n[ping]\nurl_file = 'check.url'\n\
            [[channel]]\nname = 'hook'\ntype = 'webhook'\nurl = 'https://hook.example.net'\nsecret_file = 'hook.secret'\n";
        let config = Folder::create(dir.path(), settings).expect("made").config;
        assert_eq!(config.certificate, Some(dir.path().join("web.pem")));
        assert_eq!(config.key.as_deref(), Some(Path::new("/etc/web.key")));
        assert_eq!(
            config.ping.as_ref().map(|ping| ping.url_file.clone()),
            Some(dir.path().join("check.url"))
        );
        assert!(Channel::open(&config.channel[0]).is_ok(), "its secret is found");
    }
}
