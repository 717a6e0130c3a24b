//! What each HTTP channel says, and what it makes of the answers.

use super::receiver::Receiver;
use super::{channel, outgoing, secret};
use serde_json::json;
use vow_console::notify::channel::{Channel, DeliverError};
use vow_console::notify::config::ChannelSettings;
use vow_console::notify::ping_out::{PingSettings, Pinger, Signal};
use vow_console::notify::webhook::sign;
use vow_console::records::*;

#[tokio::test]
async fn a_webhook_is_signed_recognisable_and_confirmed_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|heard, before| match before {
        0 => (200, json!({ "received": heard.json()["id"] }).to_string()),
        _ => (204, String::new()),
    })
    .await;
    let (key, token) = (secret(dir.path(), "key", "s3cret"), secret(dir.path(), "token", "t0ken"));
    let webhook = channel(&format!(
        "name = 'hook'\ntype = 'webhook'\nurl = '{}/in?x=1'\nsecret_file = '{key}'\ntoken_file = '{token}'\n",
        receiver.url
    ));
    let message = outgoing("aaaa", 1, NoticeKind::Opened);
    assert!(webhook.deliver(&message).await.unwrap().confirmed);
    assert!(!webhook.deliver(&message).await.unwrap().confirmed, "a mere yes confirms nothing");
    let heard = receiver.heard();
    assert_eq!(heard[0].path, "/in?x=1");
    assert_eq!(heard[0].header("idempotency-key"), "aaaa.1.test");
    assert_eq!(heard[1].header("idempotency-key"), "aaaa.1.test", "a repeat is recognised");
    assert_eq!(heard[0].header("authorization"), "Bearer t0ken");
    let signature = heard[0].header("vow-signature").to_owned();
    let at: i64 = signature[2..].split(',').next().unwrap().parse().unwrap();
    assert_eq!(signature, sign("s3cret", at, &heard[0].body));
    assert_ne!(signature, sign("s3cret", at, &format!("{} ", heard[0].body)));
    let body = heard[0].json();
    assert_eq!(
        (&body["severity"], &body["key"]),
        (&json!("critical"), &json!("acme/size/source/web-1/orders"))
    );
    assert_eq!(body["sentence"], json!(message.message.sentence));
}

#[tokio::test]
async fn the_signature_is_the_one_that_others_compute() {
    // RFC 4231 has no such form; this value is from `printf '1700000000.{}' | openssl dgst -sha256 -hmac key`.
    assert_eq!(
        sign("key", 1_700_000_000, "{}"),
        "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    );
}

#[tokio::test]
async fn a_template_makes_the_body() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, _| (200, String::new())).await;
    let template = secret(
        dir.path(),
        "template.json",
        r#"{"msgtype": "m.text", "body": "{{title}} {{next_step}}", "open": "{{open}}"}"#,
    );
    let webhook = channel(&format!(
        "name = 'hook'\ntype = 'webhook'\nurl = '{}'\ntemplate_file = '{template}'\n",
        receiver.url
    ));
    webhook.deliver(&outgoing("aaaa", 1, NoticeKind::Closed)).await.unwrap();
    let body = receiver.heard()[0].json();
    assert_eq!((&body["msgtype"], &body["open"]), (&json!("m.text"), &json!(false)));
    assert!(body["body"].as_str().unwrap().ends_with("Look what is gone."), "{body}");
}

#[tokio::test]
async fn answers_are_told_apart() {
    let statuses = [500, 503, 429, 401, 404, 301, 400, 422];
    let receiver = Receiver::start(move |_, before| (statuses[before], "no <b>way</b>\n".to_owned())).await;
    let webhook = channel(&format!("name = 'hook'\ntype = 'webhook'\nurl = '{}'\n", receiver.url));
    for status in statuses {
        let error = webhook.deliver(&outgoing("aaaa", 1, NoticeKind::Opened)).await.unwrap_err();
        assert!(error.to_string().contains(&format!("{status}: no <b>way</b>")), "{error}");
        match (status, error) {
            (400 | 422, DeliverError::Refused { .. }) => {}
            (429, DeliverError::Later { after_secs, .. }) => assert_eq!(after_secs, Some(77)),
            (500 | 503 | 401 | 404 | 301, DeliverError::Later { .. }) => {}
            (status, other) => panic!("{status}: {other:?}"),
        }
    }
    let nobody = channel("name = 'hook'\ntype = 'webhook'\nurl = 'http://127.0.0.1:1/secret-in-path'\n");
    let error = nobody.deliver(&outgoing("aaaa", 1, NoticeKind::Opened)).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1 cannot be reached") && !error.contains("secret"), "{error}");
}

#[tokio::test]
async fn slack_wakes_nobody_by_the_name_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, _| (200, "ok".to_owned())).await;
    let url = secret(dir.path(), "url", &format!("{}/services/T/B/X", receiver.url));
    let slack = channel(&format!("name = 'chat'\ntype = 'slack'\nurl_file = '{url}'\n"));
    slack.deliver(&outgoing("aaaa", 1, NoticeKind::Opened)).await.unwrap();
    let heard = receiver.heard();
    assert_eq!(heard[0].path, "/services/T/B/X");
    assert!(
        !heard[0].body.contains("<!channel>") && heard[0].body.contains("&lt;!channel&gt;"),
        "{}",
        heard[0].body
    );
    assert_eq!(heard[0].json()["attachments"][0]["color"], json!("#c62828"));
}

#[tokio::test]
async fn pagerduty_has_one_incident_for_a_ticket_and_resolves_it() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|heard, _| {
        (202, json!({ "status": "success", "dedup_key": heard.json()["dedup_key"] }).to_string())
    })
    .await;
    let key = secret(dir.path(), "key", "R0UT1NG");
    let duty = channel(&format!(
        "name = 'duty'\ntype = 'pagerduty'\nrouting_key_file = '{key}'\nurl = '{}'\n",
        receiver.url
    ));
    for (number, kind) in [(1, NoticeKind::Opened), (2, NoticeKind::Worse), (3, NoticeKind::Closed)] {
        assert!(duty.deliver(&outgoing("aaaa", number, kind)).await.unwrap().confirmed);
    }
    let bodies: Vec<_> = receiver.heard().iter().map(|heard| heard.json()).collect();
    assert!(bodies.iter().all(|body| body["dedup_key"] == "vow-aaaa" && body["routing_key"] == "R0UT1NG"));
    let actions: Vec<_> = bodies.iter().map(|body| body["event_action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["trigger", "trigger", "resolve"]);
    assert_eq!(bodies[0]["payload"]["severity"], "critical");
}

#[tokio::test]
async fn an_alert_is_read_back_from_alertmanager() {
    let receiver = Receiver::start(|heard, _| match heard.method.as_str() {
        "POST" => (200, String::new()),
        _ => (200, json!([{ "fingerprint": "f00" }]).to_string()),
    })
    .await;
    let alerts = channel(&format!("name = 'am'\ntype = 'alertmanager'\nurl = '{}/'\n", receiver.url));
    let delivery = alerts.deliver(&outgoing("aaaa", 1, NoticeKind::Opened)).await.unwrap();
    assert_eq!((delivery.receipt.as_deref(), delivery.confirmed), (Some("f00"), true));
    assert!(
        !alerts.deliver(&outgoing("aaaa", 2, NoticeKind::Closed)).await.unwrap().confirmed,
        "it is still shown"
    );
    let heard = receiver.heard();
    assert_eq!(heard[1].path, "/api/v2/alerts?filter=vow%5Fticket%3D%22aaaa%22");
    let posted = heard[0].json();
    let open: Vec<_> = posted
        .as_array()
        .unwrap()
        .iter()
        .filter(|alert| alert["endsAt"].as_str().unwrap() > "2026-06")
        .map(|alert| alert["labels"]["severity"].as_str().unwrap())
        .collect();
    assert_eq!(open, ["critical"], "milder alerts of the ticket are resolved");
    assert!(
        heard[2].json().as_array().unwrap().iter().all(|alert| alert["endsAt"] == "2026-01-05T03:05:00Z")
    );
}

#[tokio::test]
async fn pings_go_out_as_healthchecks_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, before| (if before == 3 { 404 } else { 200 }, "OK".to_owned())).await;
    let url_file = secret(dir.path(), "url", &format!("{}/ping/5bf66975", receiver.url)).into();
    let pinger = Pinger::open(&PingSettings { url_file, ca_file: None }).unwrap();
    for signal in [Signal::Start, Signal::Success, Signal::Fail] {
        pinger.ping(signal, "3 of 3 channels").await.unwrap();
    }
    let error = pinger.ping(Signal::Success, "").await.unwrap_err().to_string();
    assert!(error.contains("404") && !error.contains("5bf66975"), "{error}");
    let paths: Vec<_> = receiver.heard().into_iter().map(|heard| heard.path).collect();
    assert_eq!(paths[..3], ["/ping/5bf66975/start", "/ping/5bf66975", "/ping/5bf66975/fail"]);
}

#[test]
fn settings_that_cannot_work_are_refused_with_the_channel_and_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let two = secret(dir.path(), "two", "a\nb");
    for (settings, words) in [
        ("name = 'a'\ntype = 'webhook'\n".to_owned(), "either `url` or `url_file`"),
        ("name = 'a'\ntype = 'webhook'\nurl = 'ftp://x'\n".to_owned(), "begins with https://"),
        ("name = 'a'\ntype = 'slack'\nurl_file = '/nonexistent/x'\n".to_owned(), "/nonexistent/x cannot be read"),
        (format!("name = 'a'\ntype = 'slack'\nurl_file = '{two}'\n"), "one line of text"),
        ("name = 'a'\ntype = 'smtp'\nserver = 'mail.example.net'\nsecurity = 'none'\nfrom = 'a@b.c'\nto = ['a@b.c']\n".to_owned(), "localhost"),
        ("name = 'a'\ntype = 'smtp'\nserver = 'x'\nfrom = 'a@b.c'\nto = []\n".to_owned(), "names nobody"),
        ("name = 'a'\ntype = 'smtp'\nserver = 'x'\nuser = 'u'\nfrom = 'a@b.c'\nto = ['a@b.c']\n".to_owned(), "belong together"),
    ] {
        let parsed: ChannelSettings = toml::from_str(&settings).unwrap();
        let error = Channel::open(&parsed).err().unwrap().to_string();
        assert!(error.starts_with("channel a: ") && error.contains(words), "{error}");
    }
}
