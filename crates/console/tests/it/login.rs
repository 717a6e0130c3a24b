//! Logging in: limits, forms of other sites, the second factor, what browsers are told.

use crate::stand::{NOW, PASSWORD, Stand, on_both};
use crate::wire::{Reply, ask};
use std::net::SocketAddr;
use vow_console::admin;
use vow_console::auth::{Role, totp};
use vow_console::db::{Scope, audit, people};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

pub(crate) async fn form(web: SocketAddr, target: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let (target, body) = (target.to_owned(), body.to_owned());
    let headers: Vec<_> = headers.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    tokio::task::spawn_blocking(move || {
        let mut all: Vec<(&str, &str)> = headers.iter().map(|(a, b)| (&**a, &**b)).collect();
        all.push(FORM);
        ask(web, "POST", &target, &all, body.as_bytes())
    })
    .await
    .unwrap()
}

pub(crate) async fn page(web: SocketAddr, target: &str, cookie: &str) -> Reply {
    let (target, cookie) = (target.to_owned(), cookie.to_owned());
    tokio::task::spawn_blocking(move || ask(web, "GET", &target, &[("cookie", &cookie)], b"")).await.unwrap()
}

pub(crate) async fn login(web: SocketAddr, name: &str, password: &str, code: &str) -> Reply {
    let password = password.replace(' ', "+");
    form(web, "/login", &[], &format!("name={name}&password={password}&code={code}")).await
}

pub(crate) fn cookie(reply: &Reply) -> String {
    reply.header("set-cookie").unwrap_or_default().split(';').next().unwrap_or_default().to_owned()
}

pub(crate) fn hidden(page: &Reply, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    page.body.split(&mark).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
}

async fn acts(stand: &Stand) -> Vec<String> {
    let entries = audit::list(&mut stand.app.read().await.unwrap(), Scope::All, i64::MAX, 100).await.unwrap();
    entries.into_iter().map(|entry| entry.action).collect()
}

on_both! {
    a_session_begins_with_a_password_and_ends(stand) {
        stand.user("ada", Role::Administrator, None).await;
        let (_, web) = stand.serve();
        assert_eq!(login(web, "ada", "wrong password", "").await.status, 401);
        assert_eq!(login(web, "nobody", PASSWORD, "").await.status, 401);
        let entered = login(web, "ada", PASSWORD, "").await;
        assert_eq!((entered.status, entered.header("location")), (303, Some("/")));
        let set = entered.header("set-cookie").unwrap();
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
        let cookie = cookie(&entered);
        let fleet = page(web, "/", &cookie).await.expect(200);
        for (name, part) in [
            ("content-security-policy", "default-src 'none'"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
        ] {
            assert!(fleet.header(name).unwrap_or_default().contains(part), "{name}");
        }
        assert!(!fleet.body.contains(" style=") && !fleet.body.contains("<script"));
        let token = hidden(&fleet, "form_token");
        assert_eq!(token.len(), 64);
        // Without the session's own token, or from another site, nothing is done.
        assert_eq!(form(web, "/logout", &[("cookie", &cookie)], "").await.status, 403);
        assert_eq!(form(web, "/logout", &[("cookie", &cookie)], &format!("form_token={}", "0".repeat(64))).await.status, 403);
        let good = format!("form_token={token}");
        assert_eq!(form(web, "/logout", &[("cookie", &cookie), ("origin", "https://evil.example")], &good).await.status, 403);
        assert_eq!(form(web, "/logout", &[("cookie", &cookie), ("sec-fetch-site", "cross-site")], &good).await.status, 403);
        assert_eq!(page(web, "/", &cookie).await.status, 200);
        // The same holds for the API with a cookie.
        let sent = form(web, "/api/v1/join-tokens", &[("cookie", &cookie)], "{}").await;
        assert_eq!(sent.status, 403);
        assert_eq!(form(web, "/logout", &[("cookie", &cookie)], &good).await.status, 303);
        assert_eq!(page(web, "/", &cookie).await.status, 303);
        let done = acts(&stand).await;
        for action in ["login", "login.failed", "logout", "user.add"] {
            assert!(done.contains(&action.to_owned()), "{action} in {done:?}");
        }
        stand.stop().await;
    }

    a_session_ends_by_itself_and_with_its_user(stand) {
        stand.user("ada", Role::Operator, None).await;
        let (_, web) = stand.serve();
        let first = cookie(&login(web, "ada", PASSWORD, "").await);
        stand.set_time(NOW + 13 * 3600);
        assert_eq!(page(web, "/", &first).await.status, 303);
        let second = cookie(&login(web, "ada", PASSWORD, "").await);
        assert_eq!(page(web, "/", &second).await.status, 200);
        let user = people::user_by_name(&mut stand.app.read().await.unwrap(), "ada").await.unwrap().unwrap();
        let mut conn = stand.app.db.write().await.unwrap();
        people::disable(&mut conn, user.id, Some(NOW)).await.unwrap();
        conn.commit().await.unwrap();
        assert_eq!(page(web, "/", &second).await.status, 303);
        assert_eq!(login(web, "ada", PASSWORD, "").await.status, 401);
        stand.stop().await;
    }

    whoever_guesses_has_to_wait(stand) {
        stand.user("ada", Role::Operator, None).await;
        let (_, web) = stand.serve();
        for _ in 0..10 {
            assert_eq!(login(web, "ada", "wrong password", "").await.status, 401);
        }
        assert_eq!(login(web, "ada", PASSWORD, "").await.status, 429);
        stand.set_time(NOW + 31 * 60);
        assert_eq!(login(web, "ada", PASSWORD, "").await.status, 303);
        stand.stop().await;
    }

    whoever_guesses_many_at_once_gains_nothing(stand) {
        stand.user("ada", Role::Operator, None).await;
        let (_, web) = stand.serve();
        let mut guesses = tokio::task::JoinSet::new();
        for _ in 0..24 {
            guesses.spawn(async move { login(web, "ada", "wrong password", "").await.status });
        }
        let said = guesses.join_all().await;
        let judged = said.iter().filter(|status| **status == 401).count();
        // Two hashes are made at a time: of those that were made together with the tenth, some may still be told.
        assert!((10..=14).contains(&judged) && said.iter().all(|status| [401, 429].contains(status)), "{said:?}");
        assert_eq!(login(web, "ada", PASSWORD, "").await.status, 429);
        stand.stop().await;
    }

    a_code_is_good_once(stand) {
        stand.user("ada", Role::Operator, None).await;
        let (_, web) = stand.serve();
        let cookie = cookie(&login(web, "ada", PASSWORD, "").await);
        let me = page(web, "/me", &cookie).await.expect(200);
        let (token, secret) = (hidden(&me, "form_token"), hidden(&me, "secret"));
        let password = PASSWORD.replace(' ', "+");
        let turn_on = |code: String| format!("form_token={token}&do=totp-on&secret={secret}&code={code}&old={password}");
        assert_eq!(form(web, "/me", &[("cookie", &cookie)], &turn_on("000000".into())).await.status, 400);
        let code = totp::code_at(&secret, NOW).unwrap();
        assert_eq!(form(web, "/me", &[("cookie", &cookie)], &turn_on(code.clone())).await.status, 303);
        assert_eq!(login(web, "ada", PASSWORD, "").await.status, 401);
        assert_eq!(login(web, "ada", PASSWORD, &code).await.status, 401, "used when it was set up");
        stand.set_time(NOW + 60);
        let code = totp::code_at(&secret, NOW + 60).unwrap();
        assert_eq!(login(web, "ada", PASSWORD, &code).await.status, 303);
        assert_eq!(login(web, "ada", PASSWORD, &code).await.status, 401);
        stand.stop().await;
    }

    a_link_is_good_once_and_for_a_short_time(stand) {
        stand.user("ada", Role::Administrator, None).await;
        let (_, web) = stand.serve();
        let me = admin::at_the_machine();
        let old = admin::add_login_link(&stand.app, &me, "ada", 900).await.unwrap();
        let path = admin::add_login_link(&stand.app, &me, "ada", 900).await.unwrap();
        assert!(admin::add_login_link(&stand.app, &me, "nobody", 900).await.is_err());
        let use_up = |path: &str| format!("secret={}", path.rsplit('/').next().unwrap());
        // Looking at it, however often, uses nothing up and lets nobody in.
        for _ in 0..2 {
            let shown = page(web, &path, "").await.expect(200);
            assert!(shown.header("set-cookie").is_none());
            assert_eq!(format!("secret={}", hidden(&shown, "secret")), use_up(&path));
        }
        // One that was made before is good for nothing any more, nor is one from another site's page.
        assert_eq!(form(web, "/login/link", &[], &use_up(&old)).await.status, 401);
        assert_eq!(form(web, "/login/link", &[("origin", "https://evil.example")], &use_up(&path)).await.status, 403);
        let entered = form(web, "/login/link", &[], &use_up(&path)).await;
        assert_eq!((entered.status, entered.header("location")), (303, Some("/")));
        assert_eq!(page(web, "/users", &cookie(&entered)).await.status, 200);
        assert_eq!(form(web, "/login/link", &[], &use_up(&path)).await.status, 401);
        let late = admin::add_login_link(&stand.app, &me, "ada", 900).await.unwrap();
        stand.set_time(NOW + 901);
        assert_eq!(form(web, "/login/link", &[], &use_up(&late)).await.status, 401);
        assert!(acts(&stand).await.contains(&"login.link".to_owned()));
        stand.stop().await;
    }
}
