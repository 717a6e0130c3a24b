//! A small strict server that speaks the protocol over a vault in a directory. It stands in for the real one.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE, RETRY_AFTER};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use vow_base::disk::Disk;
use vow_base::receipt::Receipt;
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError};
use vow_base::{Fingerprint, HostId, ObjectId};
use vow_protocol::fault::retry_after_text;
use vow_protocol::limits::{
    ENTRIES_PAGE_MAX, MISSING_MAX, OBJECTS_PAGE_MAX, REQUEST_JSON_LIMIT_BYTES, is_name,
};
use vow_protocol::path::{content_range_text, parse_after_id, parse_after_position, parse_range};
use vow_protocol::wire::{
    About, Base64, Entries, Hex, HostEntry, Hosts, Ids, Join, Joined, Objects, Role, Status,
};
use vow_protocol::{ErrorBody, JoinSecret, Route, Spot, Word, tls};
use vow_vault::Vault;

/// What the server does instead of what it should, once.
#[derive(Debug, Clone)]
pub(crate) enum Trick {
    /// Answers this, after the request was read.
    Answer(Word, Option<Duration>),
    /// Answers this, before the body of the request is read.
    EarlyAnswer(Word),
    /// Does what it should, then answers this.
    DoneBut(Word),
}

/// A vault behind a port, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

/// What the server and the test both see.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) root: PathBuf,
    pub(crate) vault: Vault,
    /// Keys that may do something, beside the hosts.
    pub(crate) grants: Mutex<HashMap<PublicKey, Role>>,
    pub(crate) token: Mutex<Option<JoinSecret>>,
    pub(crate) tricks: Mutex<VecDeque<Trick>>,
    pub(crate) always: Mutex<Option<Trick>>,
    pub(crate) witnessed: Mutex<Vec<Vec<u8>>>,
    pub(crate) connections: AtomicUsize,
    /// Requests in the order in which they came: method and target.
    pub(crate) requests: Mutex<Vec<String>>,
    used: Mutex<HashMap<String, PublicKey>>,
    /// Pages are cut to this.
    pub(crate) page: AtomicUsize,
}

impl Server {
    /// Serves the vault at `root`.
    pub(crate) fn start(vault: Vault, disk: Arc<dyn Disk>, root: PathBuf, key: &SigningKey) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let fingerprint = Fingerprint::of(&vault.public_key());
        let shared = Arc::new(Shared {
            disk,
            root,
            vault,
            grants: Mutex::default(),
            token: Mutex::default(),
            tricks: Mutex::default(),
            always: Mutex::default(),
            witnessed: Mutex::default(),
            connections: AtomicUsize::new(0),
            requests: Mutex::default(),
            used: Mutex::default(),
            page: AtomicUsize::new(usize::MAX),
        });
        let acceptor = TlsAcceptor::from(tls::server_config(key).unwrap());
        let accepting = shared.clone();
        runtime.spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                stream.set_nodelay(true).unwrap();
                accepting.connections.fetch_add(1, SeqCst);
                let (acceptor, shared) = (acceptor.clone(), accepting.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let key = tls::peer_key(stream.get_ref().1.peer_certificates());
                    let service = service_fn(move |request| {
                        let shared = shared.clone();
                        async move { Ok::<_, std::convert::Infallible>(answer(shared, key, request).await) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, fingerprint, shared, runtime: Some(runtime) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Reply = Response<Full<Bytes>>;

/// A request that was read whole.
struct Asked {
    method: Method,
    route: Route,
    query: Option<String>,
    headers: HeaderMap,
    body: Bytes,
}

async fn answer(shared: Arc<Shared>, key: Option<PublicKey>, request: http::Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    shared.requests.lock().unwrap().push(format!("{} {target}", head.method));
    let trick = shared.tricks.lock().unwrap().pop_front();
    let trick = trick.or_else(|| shared.always.lock().unwrap().clone());
    if let Some(Trick::EarlyAnswer(word)) = trick {
        return refuse(word, "early", None);
    }
    let Some(route) = Route::parse(head.uri.path()) else {
        return refuse(Word::Absent, "no such path", None);
    };
    let is_upload = head.method != Method::GET;
    if is_upload && !head.headers.contains_key(CONTENT_LENGTH) {
        return refuse(Word::NoLength, "no length", None);
    }
    let limit = match route {
        Route::Host(_, Spot::Object(kind, _)) => kind.limit_bytes() as usize,
        _ => REQUEST_JSON_LIMIT_BYTES,
    };
    let Ok(body) = Limited::new(body, limit).collect().await else {
        return refuse(Word::Length, "too long, or cut short", None);
    };
    let asked = Asked {
        method: head.method,
        route,
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body: body.to_bytes(),
    };
    if let Some(Trick::Answer(word, after)) = trick {
        return refuse(word, "as the test wants it", after);
    }
    let done = tokio::task::spawn_blocking(move || shared.serve(key, &asked)).await.unwrap();
    match trick {
        Some(Trick::DoneBut(word)) => refuse(word, "after it was done", None),
        _ => done.unwrap_or_else(refuse_error),
    }
}

impl Shared {
    fn serve(&self, key: Option<PublicKey>, asked: &Asked) -> Result<Reply, VaultError> {
        let role = self.role(key)?;
        let method = asked.method.as_str();
        let query = asked.query.as_deref();
        let reads = matches!(role, Some(Role::Restore | Role::Replicate));
        let sees = reads || role == Some(Role::Console);
        let known = role.is_some();
        let own = key.map(|key| key.host_id()).filter(|_| role == Some(Role::Write));
        Ok(match (method, asked.route) {
            ("GET", Route::Health) => empty(),
            ("GET", Route::Vault) => json(&About {
                vault: Hex(self.vault.public_key()),
                protocol: 1,
                software: "test".into(),
                time: 1,
                role,
                host: own.map(Hex),
                introduced: None,
            }),
            ("POST", Route::Join) => return self.join(key, &asked.body),
            ("GET", Route::Hosts) if sees => {
                let of = |key| HostEntry { key: Hex(key), tenant: "acme".into(), name: "web-1".into() };
                json(&Hosts { hosts: self.vault.hosts()?.into_iter().map(of).collect() })
            }
            ("GET", Route::Head) if known => match self.ledger()?.pop() {
                Some(stored) => octets(stored),
                None => empty(),
            },
            ("POST", Route::Witness) if matches!(role, Some(Role::Write | Role::Replicate)) => {
                self.witnessed.lock().unwrap().push(asked.body.to_vec());
                empty()
            }
            ("GET", Route::Ledger) if matches!(role, Some(Role::Replicate | Role::Console)) => {
                self.entries(query, |_| true)?
            }
            ("GET", Route::Status) if role == Some(Role::Console) => {
                json(&Status { ledger: self.ledger()?.len() as u64, ..Status::default() })
            }
            (_, Route::Host(host, spot)) => return self.host(method, host, spot, own, reads, sees, asked),
            _ => refuse(Word::Absent, "nothing here", None),
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn host(
        &self,
        method: &str,
        host: HostId,
        spot: Spot,
        own: Option<HostId>,
        reads: bool,
        sees: bool,
        asked: &Asked,
    ) -> Result<Reply, VaultError> {
        let mine = own == Some(host);
        let query = asked.query.as_deref();
        let deposit = || {
            let key = self.vault.hosts()?.into_iter().find(|key| key.host_id() == host);
            self.vault.deposit(&key.ok_or(VaultError::NotJoined { host, place: String::new() })?)
        };
        Ok(match (method, spot) {
            ("PUT", Spot::Object(Kind::Manifest, id)) if mine => {
                let receipt = deposit()?.commit(&id, &asked.body)?;
                octets(self.ledger()?.swap_remove(receipt.position as usize - 1))
            }
            ("PUT", Spot::Object(kind, id)) if mine => {
                if ObjectId::of(&asked.body) != id {
                    return Ok(refuse(Word::Hash, "the bytes hash to something else", None));
                }
                let there = self.vault.objects(&host, kind)?.iter().any(|(there, _)| *there == id);
                deposit()?.put(kind, &id, &asked.body)?;
                let status = if there { StatusCode::OK } else { StatusCode::CREATED };
                Response::builder().status(status).body(Full::default()).unwrap()
            }
            ("POST", Spot::Missing(kind)) if mine => {
                let Ok(Ids { ids }) = serde_json::from_slice(&asked.body) else {
                    return Ok(refuse(Word::Malformed, "no ids", None));
                };
                if ids.len() > MISSING_MAX {
                    return Ok(refuse(Word::Malformed, "too many ids", None));
                }
                let ids: Vec<_> = ids.into_iter().map(|id| id.0).collect();
                json(&Ids { ids: deposit()?.missing(kind, &ids)?.into_iter().map(Hex).collect() })
            }
            ("GET", Spot::Receipts) if mine || sees => {
                self.entries(query, |receipt| receipt.host == host.0)?
            }
            ("GET", Spot::Snapshots) if sees => self.entries(query, |receipt| receipt.host == host.0)?,
            ("GET", Spot::Objects(kind)) if reads || (mine && kind == Kind::Index) => {
                let Ok(after) = parse_after_id(query) else {
                    return Ok(refuse(Word::Malformed, "query", None));
                };
                let mut objects = self.vault.objects(&host, kind)?;
                objects.sort_unstable();
                objects.retain(|(id, _)| after.is_none_or(|after| *id > after));
                let page = OBJECTS_PAGE_MAX.min(self.page.load(SeqCst));
                let more = objects.len() > page;
                objects.truncate(page);
                json(&Objects { objects: objects.into_iter().map(|(id, n)| (Hex(id), n)).collect(), more })
            }
            ("GET", Spot::Object(kind, id)) if reads || (mine && kind == Kind::Index) => {
                part(self.vault.get(&host, kind, &id)?, &asked.headers)
            }
            _ => refuse(Word::Absent, "nothing here", None),
        })
    }

    fn role(&self, key: Option<PublicKey>) -> Result<Option<Role>, VaultError> {
        let Some(key) = key else { return Ok(None) };
        if let Some(role) = self.grants.lock().unwrap().get(&key) {
            return Ok(Some(*role));
        }
        let hosts: HashSet<_> = self.vault.hosts()?.into_iter().collect();
        Ok(hosts.contains(&key).then_some(Role::Write))
    }

    fn join(&self, key: Option<PublicKey>, body: &[u8]) -> Result<Reply, VaultError> {
        let Some(key) = key else { return Ok(refuse(Word::Key, "no key", None)) };
        let Ok(join) = serde_json::from_slice::<Join>(body) else {
            return Ok(refuse(Word::Malformed, "no join", None));
        };
        let known = self.token.lock().unwrap().as_ref() == Some(&join.secret);
        let mut used = self.used.lock().unwrap();
        let first = *used.entry(join.secret.name()).or_insert(key);
        if !known || first != key || !is_name(&join.name) {
            return Ok(refuse(Word::Absent, "no such token", None));
        }
        self.vault.join(&key)?;
        for reader in &join.readers {
            self.grants.lock().unwrap().insert(reader.0, Role::Restore);
        }
        let tenant = join.tenant.unwrap_or_else(|| "acme".into());
        Ok(json(&Joined { vault: Hex(self.vault.public_key()), role: Role::Write, tenant, name: join.name }))
    }

    /// Stored bytes of every entry.
    fn ledger(&self) -> Result<Vec<Vec<u8>>, VaultError> {
        let folder = self.root.join("ledger");
        let names = self.disk.list(&folder)?;
        Ok(names.iter().map(|name| self.disk.read(&folder.join(name), 4096)).collect::<Result<_, _>>()?)
    }

    fn entries(&self, query: Option<&str>, wanted: impl Fn(&Receipt) -> bool) -> Result<Reply, VaultError> {
        let Ok(after) = parse_after_position(query) else {
            return Ok(refuse(Word::Malformed, "query", None));
        };
        let mut entries = self.ledger()?;
        entries.retain(|stored| {
            let receipt = Receipt::open(stored).unwrap();
            receipt.position > after && wanted(&receipt)
        });
        let page = ENTRIES_PAGE_MAX.min(self.page.load(SeqCst));
        let more = entries.len() > page;
        entries.truncate(page);
        Ok(json(&Entries { entries: entries.into_iter().map(Base64).collect(), more }))
    }
}

fn part(bytes: Vec<u8>, headers: &HeaderMap) -> Reply {
    let Some(range) = headers.get(RANGE) else { return octets(bytes) };
    let total = bytes.len() as u64;
    match range.to_str().ok().and_then(parse_range) {
        Some((first, last)) if last < total => {
            let body = bytes[first as usize..=last as usize].to_vec();
            Response::builder()
                .status(StatusCode::PARTIAL_CONTENT)
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_RANGE, content_range_text(first, last, total))
                .body(body.into())
                .unwrap()
        }
        Some(_) => refuse(Word::Range, "not inside the object", None),
        None => refuse(Word::Malformed, "range", None),
    }
}

fn empty() -> Reply {
    Response::builder().status(StatusCode::NO_CONTENT).body(Full::default()).unwrap()
}

fn octets(bytes: Vec<u8>) -> Reply {
    Response::builder().header(CONTENT_TYPE, "application/octet-stream").body(bytes.into()).unwrap()
}

fn json(body: &impl serde::Serialize) -> Reply {
    let bytes = serde_json::to_vec(body).unwrap();
    Response::builder().header(CONTENT_TYPE, "application/json").body(bytes.into()).unwrap()
}

fn refuse(word: Word, message: &str, after: Option<Duration>) -> Reply {
    refuse_with(&ErrorBody::new(word, message), after)
}

fn refuse_with(body: &ErrorBody, after: Option<Duration>) -> Reply {
    let mut reply = json(body);
    *reply.status_mut() = StatusCode::from_u16(body.error.status()).unwrap();
    if let Some(after) = after {
        reply.headers_mut().insert(RETRY_AFTER, retry_after_text(after).parse().unwrap());
    }
    reply
}

fn refuse_error(error: VaultError) -> Reply {
    let word = match &error {
        VaultError::Missing(objects) => return refuse_with(&ErrorBody::missing(objects), None),
        VaultError::Absent { .. } => Word::Absent,
        VaultError::NotJoined { .. } => Word::NotJoined,
        VaultError::Busy { .. } => Word::Busy,
        VaultError::Refused(_) | VaultError::Signed { .. } => Word::Refused,
        VaultError::WrongHash { .. } => Word::Hash,
        error if error.is_full() => Word::Full,
        _ => Word::Storage,
    };
    refuse(word, &error.to_string(), None)
}
