//! A receiver: an HTTP server in this process that remembers what it was told, and answers what a test wants.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Heard {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

type Answering = dyn Fn(&Heard, usize) -> (u16, String) + Send + Sync;

#[derive(Clone)]
struct Shared {
    heard: Arc<Mutex<Vec<Heard>>>,
    answering: Arc<Answering>,
}

pub(crate) struct Receiver {
    pub(crate) url: String,
    shared: Shared,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    /// Answers each request by itself and how many came before.
    pub(crate) async fn start(
        answering: impl Fn(&Heard, usize) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared { heard: Arc::default(), answering: Arc::new(answering) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared, task }
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let heard = Heard { method, path: uri.to_string(), headers, body };
    let before = {
        let mut all = shared.heard.lock().unwrap();
        all.push(heard.clone());
        all.len() - 1
    };
    let (status, text) = (shared.answering)(&heard, before);
    let mut response = (StatusCode::from_u16(status).unwrap(), text).into_response();
    if status == 429 {
        response.headers_mut().insert("retry-after", "77".parse().unwrap());
    }
    response
}
