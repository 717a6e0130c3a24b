//! Asking a vault: connections that are kept, a bound on how many, and trying again.

use super::Options;
use super::body::{Flow, Upload, receive};
use super::connect::{Connection, Dialer};
use super::problem::Problem;
use super::retry::{self, Retry};
use super::watch::{Phase, Watch};
use crate::limits::{ANSWER_JSON_LIMIT_BYTES, IDLE_TIME};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_RANGE, CONTENT_TYPE, HOST, HeaderMap, RANGE, RETRY_AFTER, USER_AGENT};
use http::{Method, StatusCode};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// A connection that was not used for longer than this may be closed by the vault at any moment.
const IDLE_MOST: Duration = IDLE_TIME.saturating_sub(Duration::from_secs(15));
/// Threads that drive all connections of one vault.
const THREADS: usize = 2;

/// How often somebody who waits looks whether he still should.
const CANCEL_TICK: Duration = Duration::from_millis(200);

/// What is asked of a vault.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    /// What is sent, and as what.
    pub(super) body: Option<(Bytes, &'static str)>,
    pub(super) range: Option<String>,
    /// The longest answer that makes sense, in bytes.
    pub(super) limit_bytes: u64,
    /// How long the vault may work on it.
    pub(super) patience: Duration,
}

/// What a vault answered: a success, by its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_range: Option<String>,
    pub(super) body: Vec<u8>,
}

/// The way to one vault.
pub(super) struct Link {
    /// Taken when the link is dropped: it must not be waited for.
    runtime: Option<Runtime>,
    dialer: Dialer,
    authority: String,
    idle: Mutex<Vec<Connection>>,
    at_once: Semaphore,
    up: Option<Gate>,
    down: Option<Gate>,
    options: Options,
}

/// A limited direction.
struct Gate {
    flow: Flow,
    at_once: Semaphore,
}

impl Gate {
    fn new(rate: Option<u64>) -> Option<Self> {
        let flow = Flow::new(rate?);
        let at_once = Semaphore::new(flow.shares());
        Some(Self { flow, at_once })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Also allowed where blocking is not.
            runtime.shutdown_background();
        }
    }
}

impl Link {
    pub(super) fn new(dialer: Dialer, authority: String, options: Options) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("vow-link")
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
            dialer,
            authority,
            idle: Mutex::default(),
            at_once: Semaphore::new(options.connections.max(1)),
            up: Gate::new(options.upload_bytes_per_sec),
            down: Gate::new(options.download_bytes_per_sec),
            options,
        })
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// Asks until there is an answer or the bounds on trying are reached. Blocks; many threads may ask at once.
    pub(super) fn ask(&self, request: &Request) -> Result<Answer, Problem> {
        self.ask_within(&self.options.retry, request)
    }

    /// Likewise, within other bounds.
    pub(super) fn ask_within(&self, retry: &Retry, request: &Request) -> Result<Answer, Problem> {
        let Some(runtime) = &self.runtime else {
            return Err(Problem::Lost("it is not used any more".into()));
        };
        let attempt = || runtime.block_on(self.once_or_cancelled(request));
        retry::run(retry, &*self.options.timing, Problem::verdict, attempt)
    }

    async fn once_or_cancelled(&self, request: &Request) -> Result<Answer, Problem> {
        let cancelled = async {
            while !self.options.timing.is_cancelled() {
                tokio::time::sleep(CANCEL_TICK).await;
            }
        };
        tokio::select! {
            answer = self.once(request) => answer,
            () = cancelled => Err(Problem::Lost("nobody waits for it any more".into())),
        }
    }

    async fn once(&self, request: &Request) -> Result<Answer, Problem> {
        // Both are held for one exchange only, in one order. They are never closed.
        let gate = if request.body.is_some() { &self.up } else { &self.down };
        let _share = match gate {
            Some(gate) => gate.at_once.acquire().await.ok(),
            None => None,
        };
        let _turn = self.at_once.acquire().await.ok();
        if let Some(connection) = self.take_idle() {
            match self.exchange(connection, request).await {
                // The vault may have closed it a moment ago, and the others with it: every request can be sent again.
                Err(Problem::Lost(_)) => self.idle().clear(),
                other => return other,
            }
        }
        self.exchange(self.dialer.dial().await?, request).await
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle();
        idle.retain(|connection| !connection.sender.is_closed() && connection.used.elapsed() < IDLE_MOST);
        idle.pop()
    }

    async fn exchange(&self, mut connection: Connection, request: &Request) -> Result<Answer, Problem> {
        let Options { window, .. } = self.options;
        let watch = Arc::new(Watch::new(connection.meter.clone(), window, request.patience));
        if request.body.is_none() {
            watch.enter(Phase::Waiting);
        }
        let work = self.send(&mut connection, request, &watch);
        let (answer, whole) = tokio::select! {
            answer = work => answer?,
            stalled = watch.stalled() => return Err(Problem::Lost(stalled)),
        };
        if whole {
            connection.used = tokio::time::Instant::now();
            self.idle().push(connection);
        }
        answer
    }

    /// The answer, and whether the connection can be used again.
    async fn send(
        &self,
        connection: &mut Connection,
        request: &Request,
        watch: &Arc<Watch>,
    ) -> Result<(Result<Answer, Problem>, bool), Problem> {
        connection.sender.ready().await.map_err(|e| Problem::of_http(&e))?;
        let sent = connection.sender.send_request(self.head(request, watch)?).await;
        let (head, body) = sent.map_err(|e| Problem::of_http(&e))?.into_parts();
        let whole = watch.phase() == Phase::Waiting;
        watch.enter(Phase::Receiving);
        let limit_bytes =
            if head.status.is_success() { request.limit_bytes } else { ANSWER_JSON_LIMIT_BYTES as u64 };
        let body = receive(body, limit_bytes, self.down.as_ref().map(|gate| &gate.flow), watch).await?;
        let text = |name| text(&head.headers, name);
        if !head.status.is_success() {
            let problem = Problem::of_answer(head.status.as_u16(), text(RETRY_AFTER).as_deref(), &body);
            return Ok((Err(problem), whole));
        }
        Ok((Ok(Answer { status: head.status, content_range: text(CONTENT_RANGE), body }), whole))
    }

    fn head(&self, request: &Request, watch: &Arc<Watch>) -> Result<http::Request<Upload>, Problem> {
        let mut head = http::Request::builder()
            .method(request.method.clone())
            .uri(&request.target)
            .header(HOST, &self.authority)
            .header(USER_AGENT, &self.options.software)
            .header(ACCEPT, "*/*");
        let mut bytes = Bytes::new();
        if let Some((body, content_type)) = &request.body {
            head = head.header(CONTENT_TYPE, *content_type);
            bytes = body.clone();
        }
        if let Some(range) = &request.range {
            head = head.header(RANGE, range);
        }
        let flow = self.up.as_ref().map(|gate| gate.flow.clone());
        head.body(Upload::new(bytes, flow, watch.clone())).map_err(|e| Problem::Nonsense(e.to_string()))
    }
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
