//! Users, their sessions, tokens of programs, tokens with which hosts join, and failed logins.

use super::value::args;
use super::{Conn, DbError, Row, Scope};
use crate::auth::Role;
use serde::Serialize;

/// A user.
#[derive(Debug, Clone, Serialize)]
pub struct User {
    /// The number here.
    pub id: i64,
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The only tenant that they see; absent when they see all.
    pub tenant_id: Option<i64>,
    /// Its name.
    pub tenant: Option<String>,
    /// The hash of the password.
    #[serde(skip)]
    pub password: Option<String>,
    /// The secret of the second factor.
    #[serde(skip)]
    pub totp_secret: Option<String>,
    /// Whether there is a second factor.
    pub second_factor: bool,
    /// The step whose code was last used.
    #[serde(skip)]
    pub totp_step: i64,
    /// Since when they are shut out.
    pub disabled_secs: Option<i64>,
    /// When they last logged in.
    pub last_login_secs: Option<i64>,
}

const USER: &str = "SELECT u.id, u.name, u.role, u.tenant_id, t.name AS tenant, u.password, u.totp_secret, u.totp_step, u.disabled_secs, u.last_login_secs \
    FROM users u LEFT JOIN tenants t ON t.id = u.tenant_id";

fn user(row: &Row) -> Result<User, DbError> {
    let totp_secret = row.opt_text("totp_secret")?;
    Ok(User {
        id: row.int("id")?,
        name: row.text("name")?,
        role: role(row)?,
        tenant_id: row.opt_int("tenant_id")?,
        tenant: row.opt_text("tenant")?,
        password: row.opt_text("password")?,
        second_factor: totp_secret.is_some(),
        totp_secret,
        totp_step: row.int("totp_step")?,
        disabled_secs: row.opt_int("disabled_secs")?,
        last_login_secs: row.opt_int("last_login_secs")?,
    })
}

fn role(row: &Row) -> Result<Role, DbError> {
    let word = row.text("role")?;
    word.parse()
        .map_err(|_| DbError::Row { column: "role".to_owned(), reason: format!("{word:?} is no role") })
}

/// Every user in a scope.
pub async fn users(conn: &mut Conn, scope: Scope) -> Result<Vec<User>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{USER} WHERE ($1 IS NULL OR u.tenant_id = $1) ORDER BY u.name LIMIT 5000"
    ));
    conn.rows(sql, args![scope.tenant()]).await?.iter().map(user).collect()
}

/// One user.
pub async fn user_by_id(conn: &mut Conn, id: i64) -> Result<Option<User>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{USER} WHERE u.id = $1"));
    conn.row(sql, args![id]).await?.as_ref().map(user).transpose()
}

/// The user with this name.
pub async fn user_by_name(conn: &mut Conn, name: &str) -> Result<Option<User>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{USER} WHERE u.name = $1"));
    conn.row(sql, args![name]).await?.as_ref().map(user).transpose()
}

/// Adds a user; `None` when the name is taken.
pub async fn add_user(
    conn: &mut Conn,
    name: &str,
    role: Role,
    tenant_id: Option<i64>,
    password: &str,
    now: i64,
) -> Result<Option<i64>, DbError> {
    let sql = "INSERT INTO users (name, role, tenant_id, password, created_secs) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO NOTHING RETURNING id";
    let row = conn.row(sql, args![name, role.word(), tenant_id, password, now]).await?;
    row.map(|row| row.int("id")).transpose()
}

/// Gives a user another password, and ends their sessions but the one that is named.
pub async fn set_password(conn: &mut Conn, id: i64, password: &str, keep: &str) -> Result<(), DbError> {
    conn.run("UPDATE users SET password = $2 WHERE id = $1", args![id, password]).await?;
    conn.run("DELETE FROM sessions WHERE user_id = $1 AND id <> $2", args![id, keep]).await.map(|_| ())
}

/// Gives a user a second factor, or takes it away.
pub async fn set_totp(conn: &mut Conn, id: i64, secret: Option<&str>) -> Result<(), DbError> {
    conn.run("UPDATE users SET totp_secret = $2, totp_step = 0 WHERE id = $1", args![id, secret])
        .await
        .map(|_| ())
}

/// Uses up the code of a step; `false` when that or a later one was used before.
pub async fn use_totp_step(conn: &mut Conn, id: i64, step: i64) -> Result<bool, DbError> {
    let sql = "UPDATE users SET totp_step = $2 WHERE id = $1 AND totp_step < $2";
    Ok(conn.run(sql, args![id, step]).await? == 1)
}

/// Shuts a user out and ends their sessions, or lets them in again.
pub async fn disable(conn: &mut Conn, id: i64, disabled_secs: Option<i64>) -> Result<(), DbError> {
    conn.run("UPDATE users SET disabled_secs = $2 WHERE id = $1", args![id, disabled_secs]).await?;
    if disabled_secs.is_some() {
        conn.run("DELETE FROM sessions WHERE user_id = $1", args![id]).await?;
    }
    Ok(())
}

/// A session with its user.
#[derive(Debug, Clone)]
pub struct Session {
    /// SHA-256 of the cookie.
    pub id: String,
    /// What every form carries.
    pub form_token: String,
    /// When it was last used.
    pub used_secs: i64,
    /// Whose it is.
    pub user: User,
}

/// How long a session lasts.
#[derive(Debug, Clone, Copy)]
pub struct SessionTerms {
    /// Without use.
    pub idle_secs: i64,
    /// In all.
    pub whole_secs: i64,
}

/// Begins a session.
pub async fn begin_session(
    conn: &mut Conn,
    id: &str,
    user_id: i64,
    form_token: &str,
    address: &str,
    whole_secs: i64,
    now: i64,
) -> Result<(), DbError> {
    let sql = "INSERT INTO sessions (id, user_id, form_token, created_secs, used_secs, ends_secs, address) VALUES ($1, $2, $3, $4, $4, $5, $6)";
    conn.run(sql, args![id, user_id, form_token, now, now + whole_secs, address]).await?;
    conn.run("UPDATE users SET last_login_secs = $2 WHERE id = $1", args![user_id, now]).await.map(|_| ())
}

/// A session that lasts, of a user who is not shut out.
pub async fn session(
    conn: &mut Conn,
    id: &str,
    idle_secs: i64,
    now: i64,
) -> Result<Option<Session>, DbError> {
    let sql = "SELECT id, form_token, used_secs, user_id FROM sessions WHERE id = $1 AND ends_secs > $2 AND used_secs > $3";
    let Some(row) = conn.row(sql, args![id, now, now - idle_secs]).await? else { return Ok(None) };
    let user = user_by_id(conn, row.int("user_id")?).await?.filter(|user| user.disabled_secs.is_none());
    user.map(|user| {
        Ok(Session {
            id: row.text("id")?,
            form_token: row.text("form_token")?,
            used_secs: row.int("used_secs")?,
            user,
        })
    })
    .transpose()
}

/// It was used.
pub async fn touch_session(conn: &mut Conn, id: &str, now: i64) -> Result<(), DbError> {
    conn.run("UPDATE sessions SET used_secs = $2 WHERE id = $1", args![id, now]).await.map(|_| ())
}

/// Ends it.
pub async fn end_session(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.run("DELETE FROM sessions WHERE id = $1", args![id]).await.map(|_| ())
}

/// A token of a program.
#[derive(Debug, Clone, Serialize)]
pub struct Token {
    /// Its number here.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The only tenant that it sees.
    pub tenant_id: Option<i64>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_secs: i64,
    /// When it ends.
    pub ends_secs: Option<i64>,
    /// When it was last used.
    pub used_secs: Option<i64>,
}

const TOKEN: &str = "SELECT id, name, role, tenant_id, created_by, created_secs, ends_secs, used_secs FROM tokens WHERE revoked_secs IS NULL";

fn token(row: &Row) -> Result<Token, DbError> {
    Ok(Token {
        id: row.int("id")?,
        name: row.text("name")?,
        role: role(row)?,
        tenant_id: row.opt_int("tenant_id")?,
        created_by: row.text("created_by")?,
        created_secs: row.int("created_secs")?,
        ends_secs: row.opt_int("ends_secs")?,
        used_secs: row.opt_int("used_secs")?,
    })
}

/// What a new token is.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// SHA-256 of it.
    pub hash: &'a str,
    /// What it is for.
    pub name: &'a str,
    /// What it may do.
    pub role: Role,
    /// The only tenant that it sees.
    pub tenant_id: Option<i64>,
    /// Who makes it.
    pub by: &'a str,
    /// When it ends.
    pub ends_secs: Option<i64>,
}

/// Adds a token.
pub async fn add_token(conn: &mut Conn, new: &NewToken<'_>, now: i64) -> Result<(), DbError> {
    let sql = "INSERT INTO tokens (hash, name, role, tenant_id, created_by, created_secs, ends_secs) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values = args![new.hash, new.name, new.role.word(), new.tenant_id, new.by, now, new.ends_secs];
    conn.run(sql, values).await.map(|_| ())
}

/// Tokens that were not revoked.
pub async fn tokens(conn: &mut Conn, scope: Scope) -> Result<Vec<Token>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{TOKEN} AND ($1 IS NULL OR tenant_id = $1) ORDER BY id DESC LIMIT 5000"
    ));
    conn.rows(sql, args![scope.tenant()]).await?.iter().map(token).collect()
}

/// A token that lasts.
pub async fn token_by_hash(conn: &mut Conn, hash: &str, now: i64) -> Result<Option<Token>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{TOKEN} AND hash = $1 AND (ends_secs IS NULL OR ends_secs > $2)"));
    conn.row(sql, args![hash, now]).await?.as_ref().map(token).transpose()
}

/// It was used.
pub async fn touch_token(conn: &mut Conn, id: i64, now: i64) -> Result<(), DbError> {
    conn.run("UPDATE tokens SET used_secs = $2 WHERE id = $1", args![id, now]).await.map(|_| ())
}

/// Revokes a token; gives whether there was one in scope.
pub async fn revoke_token(conn: &mut Conn, scope: Scope, id: i64, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE tokens SET revoked_secs = $3 WHERE id = $1 AND ($2 IS NULL OR tenant_id = $2) AND revoked_secs IS NULL";
    Ok(conn.run(sql, args![id, scope.tenant(), now]).await? == 1)
}

/// A token with which a host joins.
#[derive(Debug, Clone)]
pub struct JoinToken {
    /// Its number here.
    pub id: i64,
    /// The tenant that the host gets; absent when the host says.
    pub tenant: Option<String>,
    /// The name that it must have.
    pub name: Option<String>,
    /// The key that used it.
    pub used_by: Option<String>,
}

/// What a new one is.
#[derive(Debug, Clone)]
pub struct NewJoinToken<'a> {
    /// SHA-256 of its secret.
    pub hash: &'a str,
    /// The tenant that the host gets.
    pub tenant: Option<&'a str>,
    /// The name that it must have.
    pub name: Option<&'a str>,
    /// Who makes it.
    pub by: &'a str,
    /// When it ends.
    pub ends_secs: i64,
}

/// Adds one.
pub async fn add_join_token(conn: &mut Conn, new: &NewJoinToken<'_>, now: i64) -> Result<(), DbError> {
    let sql = "INSERT INTO join_tokens (hash, tenant, name, created_by, created_secs, ends_secs) VALUES ($1, $2, $3, $4, $5, $6)";
    conn.run(sql, args![new.hash, new.tenant, new.name, new.by, now, new.ends_secs]).await.map(|_| ())
}

/// One that lasts.
pub async fn join_token(conn: &mut Conn, hash: &str, now: i64) -> Result<Option<JoinToken>, DbError> {
    let sql = "SELECT id, tenant, name, used_by FROM join_tokens WHERE hash = $1 AND ends_secs > $2";
    let row = conn.row(sql, args![hash, now]).await?;
    row.map(|row| {
        Ok(JoinToken {
            id: row.int("id")?,
            tenant: row.opt_text("tenant")?,
            name: row.opt_text("name")?,
            used_by: row.opt_text("used_by")?,
        })
    })
    .transpose()
}

/// Uses it up for a key; `false` when another key was quicker.
pub async fn use_join_token(conn: &mut Conn, id: i64, key_id: &str, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE join_tokens SET used_by = $2, used_secs = $3 WHERE id = $1 AND (used_by IS NULL OR used_by = $2)";
    Ok(conn.run(sql, args![id, key_id, now]).await? == 1)
}

/// Counts a failed login of `who` (a name, an address) in the slot of time `slot`; gives how many there were in it.
pub async fn count_failure(conn: &mut Conn, who: &str, slot: i64) -> Result<i64, DbError> {
    let sql = "INSERT INTO attempts (who, slot, failures) VALUES ($1, $2, 1) ON CONFLICT (who, slot) DO UPDATE SET failures = attempts.failures + 1 RETURNING failures";
    conn.one(sql, args![who, slot]).await?.int("failures")
}

/// Failed logins of `who` since `since`.
pub async fn failures(conn: &mut Conn, who: &str, since: i64) -> Result<i64, DbError> {
    let sql = "SELECT CAST(COALESCE(SUM(failures), 0) AS BIGINT) AS failures FROM attempts WHERE who = $1 AND slot >= $2";
    conn.one(sql, args![who, since]).await?.int("failures")
}

/// A login succeeded: what failed before counts no more.
pub async fn forget_failures(conn: &mut Conn, who: &str) -> Result<(), DbError> {
    conn.run("DELETE FROM attempts WHERE who = $1", args![who]).await.map(|_| ())
}
