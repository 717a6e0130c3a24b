//! Passwords, hashed with Argon2id.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::OnceLock;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// The shortest password, in characters.
pub const CHARS_MIN: usize = 10;
/// The longest, in bytes.
pub const BYTES_MAX: usize = 1024;

/// Why a password cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a password has at least {CHARS_MIN} characters and at most {BYTES_MAX} bytes")]
    Length,
    /// The library or the system failed.
    #[error("the password cannot be hashed: {0}")]
    Failed(String),
}

/// 19 MiB and two passes: what OWASP recommends at least.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Hashes at a time: they are what a login costs.
const AT_ONCE: usize = 2;

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn failed(error: impl std::fmt::Display) -> PasswordError {
    PasswordError::Failed(error.to_string())
}

/// The hash of a password, to be stored.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < CHARS_MIN || password.len() > BYTES_MAX {
        return Err(PasswordError::Length);
    }
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(failed)?;
    let salt = SaltString::encode_b64(&salt).map_err(failed)?;
    Ok(argon2()?.hash_password(password.as_bytes(), &salt).map_err(failed)?.to_string())
}

/// Whether a password has this hash.
pub fn fits(password: &str, stored: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(stored) else { return false };
    argon2().is_ok_and(|argon2| argon2.verify_password(password.as_bytes(), &parsed).is_ok())
}

/// Whether a password has this hash; without a hash, no, after the same time: nobody learns which names there are.
pub async fn check(password: Zeroizing<String>, stored: Option<String>) -> bool {
    static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);
    static NOBODY: OnceLock<String> = OnceLock::new();
    // It is never closed.
    let Ok(_turn) = TURNS.acquire().await else { return false };
    if password.len() > BYTES_MAX {
        return false;
    }
    let checked = tokio::task::spawn_blocking(move || match stored {
        Some(stored) => fits(&password, &stored),
        None => {
            let nobody = NOBODY.get_or_init(|| hash("nobody has this one").unwrap_or_default());
            std::hint::black_box(fits(&password, nobody));
            false
        }
    });
    checked.await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let stored = hash("correct horse battery").expect("a hash");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(check(Zeroizing::new("correct horse battery".into()), Some(stored.clone())).await);
        assert!(!check(Zeroizing::new("correct horse batter".into()), Some(stored.clone())).await);
        assert!(!check(Zeroizing::new("nobody has this one".into()), None).await);
        assert!(!check(Zeroizing::new("x".into()), Some("no hash".into())).await);
        assert!(matches!(hash("short"), Err(PasswordError::Length)));
        assert!(matches!(hash(&"x".repeat(2000)), Err(PasswordError::Length)));
    }
}
