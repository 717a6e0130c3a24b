//! Pings in the manner of healthchecks: one address per check, asked at `/start`, at the address itself, and at `/fail`.
//!
//! The address is a secret of a kind: whoever has it can say that all is well. It stands in no error.

use std::time::Duration;

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ping {
    /// A run begins.
    Start,
    /// It ended well.
    Success,
    /// It did not.
    Fail,
}

/// Why a ping did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// It cannot be sent.
    #[error("the ping address cannot be used: {0}")]
    Address(&'static str),
    /// This program cannot talk.
    #[error("pings cannot be sent: {0}")]
    Setup(String),
    /// No answer, or not a good one.
    #[error("the ping to {host} did not arrive: {reason}")]
    Lost {
        /// Who should have taken it.
        host: String,
        /// Why it did not.
        reason: String,
    },
}

/// A ping may take this long altogether.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is said besides may be this long, in bytes; receivers keep about as much.
const BODY_MAX_BYTES: usize = 10_000;

/// A checked address.
#[derive(Clone)]
pub struct PingUrl(reqwest::Url);

impl PingUrl {
    /// Reads an address: `http` or `https`, without a fragment.
    ///
    /// # Errors
    /// What is wrong with it; the address is not repeated.
    pub fn parse(text: &str) -> Result<Self, PingError> {
        let url = reqwest::Url::parse(text.trim()).map_err(|_| PingError::Address("it is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(PingError::Address("it does not begin with https:// or http:// and a name"));
        }
        if url.fragment().is_some() {
            return Err(PingError::Address("it has a part behind #"));
        }
        Ok(Self(url))
    }

    /// Where it goes: without what is secret.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The address for one ping of the run with this id.
    fn of(&self, ping: Ping, run: &str) -> reqwest::Url {
        let mut url = self.0.clone();
        let ending = match ping {
            Ping::Start => "/start",
            Ping::Success => "",
            Ping::Fail => "/fail",
        };
        let path = format!("{}{ending}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        if let Some(run) = as_uuid(run) {
            url.query_pairs_mut().append_pair("rid", &run);
        }
        url
    }
}

impl std::fmt::Debug for PingUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PingUrl({}, …)", self.host())
    }
}

/// Sends one ping and waits for the answer. `run` is a run's id of 32 hexadecimal digits: receivers match start and end by it.
///
/// # Errors
/// Why it did not arrive.
pub fn ping(url: &PingUrl, ping: Ping, run: &str, body: &str) -> Result<(), PingError> {
    let setup = |error: &dyn std::fmt::Display| PingError::Setup(error.to_string());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| setup(&e))?;
    let mut end = body.len().min(BODY_MAX_BYTES);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::limited(3))
            .user_agent(concat!("vow/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| setup(&e.without_url()))?;
        let lost = |reason: String| PingError::Lost { host: url.host().to_owned(), reason };
        let sent = client.post(url.of(ping, run)).body(body[..end].to_owned()).send().await;
        let status = sent.map_err(|error| lost(chain(&error.without_url())))?.status();
        if status.is_success() { Ok(()) } else { Err(lost(format!("it answered {}", status.as_u16()))) }
    })
}

/// The causes say more than the error itself.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// 32 hexadecimal digits as receivers want them.
fn as_uuid(run: &str) -> Option<String> {
    let digits = run.len() == 32 && run.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| format!("{}-{}-{}-{}-{}", &run[..8], &run[8..12], &run[12..16], &run[16..20], &run[20..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    const RUN: &str = "000102030405060708090a0b0c0d0e0f";

    /// Answers one request and gives its first line and body.
    fn receive(listener: &TcpListener, status: &str) -> (String, String) {
        let (stream, _) = listener.accept().expect("a ping");
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first).expect("a line");
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a line");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        write!(reader.get_mut(), "HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nOK").expect("answered");
        (first, String::from_utf8(body).expect("text"))
    }

    #[test]
    fn pings_say_start_end_and_failure_with_the_run() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let url = PingUrl::parse(&format!("http://{address}/ping/secret-uuid/")).expect("a URL");
        let rid = "rid=00010203-0405-0607-0809-0a0b0c0d0e0f";
        for (which, path) in [(Ping::Start, "/start"), (Ping::Success, ""), (Ping::Fail, "/fail")] {
            let got = std::thread::scope(|scope| {
                let got = scope.spawn(|| receive(&listener, "200 OK"));
                ping(&url, which, RUN, "two files").expect("arrived");
                got.join().expect("received")
            });
            assert_eq!(got.0.trim(), format!("POST /ping/secret-uuid{path}?{rid} HTTP/1.1"));
            assert_eq!(got.1, "two files");
        }
        let refused = std::thread::scope(|scope| {
            scope.spawn(|| receive(&listener, "404 Not Found"));
            ping(&url, Ping::Start, "x", "").expect_err("refused")
        });
        assert!(refused.to_string().contains("404") && !refused.to_string().contains("secret"), "{refused}");
        drop(listener);
        let lost = ping(&url, Ping::Start, RUN, "").expect_err("nobody is there");
        assert!(!lost.to_string().contains("secret") && lost.to_string().contains("127.0.0.1"), "{lost}");
        assert!(!format!("{url:?}").contains("secret"));
    }

    #[test]
    fn addresses_that_make_no_sense_are_refused() {
        for bad in ["", "hc-ping.com/x", "ftp://x/y", "https://", "https://x/y#z", "file:///etc/passwd"] {
            assert!(PingUrl::parse(bad).is_err(), "{bad}");
        }
        let long = "ä".repeat(BODY_MAX_BYTES);
        let url = PingUrl::parse("http://127.0.0.1:9/x").expect("a URL");
        assert!(ping(&url, Ping::Start, RUN, &long).is_err());
    }
}
