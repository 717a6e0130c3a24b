//! What a host must not be able to do with its own key, tried for real. An audit runs this against every vault of a plan: a vault that
//! yields anything is no write-only vault, whatever its documents say.
//!
//! Nothing here can do harm to a vault that keeps its promises: every attempt is one that it refuses. To one that does not it does as little
//! as it can: what is deleted, overwritten and read is a pack list that was made to be lost, which no snapshot names. A manifest cannot be made for
//! that, for each is a snapshot: one of the host's own is tried, only where everything before was refused, and what it lost is put back.

use super::link::Request;
use super::problem::Problem;
use super::{Inner, OCTETS, RemoteVault, Retry};
use crate::fault::Word;
use crate::path::{Route, Spot};
use bytes::Bytes;
use http::{Method, StatusCode};
use vow_base::vault::{Deposit, Kind};
use vow_base::{HostId, ObjectId};

/// Something that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What, in words.
    pub what: String,
    /// What came of it.
    pub outcome: Attacked,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attacked {
    /// It was refused, as it must be.
    Refused,
    /// It was done: the worst that there is.
    Yielded(String),
    /// It could not be asked, or did not answer in a way that says yes or no.
    Unclear(String),
}

/// What an attack uses.
#[derive(Debug, Clone)]
pub struct Prey {
    /// The stored bytes of an object that may be lost. It is sent as a segment of a pack list: nobody opens one that nothing names.
    pub list: Vec<u8>,
    /// A manifest of this host that the vault has, with its stored bytes. Without one manifests are not tried.
    pub manifest: Option<(ObjectId, Vec<u8>)>,
}

impl Prey {
    /// An object that may be lost: of this host, and the same for some days. After that the vault sweeps it away, and the next one is another:
    /// one and the same would have to be condemned and revived again and again.
    pub fn list(host: &HostId, now_secs: u64) -> Vec<u8> {
        let text = format!(
            "Made to be lost: an audit of host {host} tries to delete this. No snapshot names it. {}",
            now_secs / LIST_TERM_SECS
        );
        text.into_bytes()
    }
}

/// As long as the usual grace of a sweep.
const LIST_TERM_SECS: u64 = 3 * 86_400;
/// A host that does not exist: its id is no key's hash.
const FOREIGN: HostId = HostId([0x5a; 32]);
const GARBAGE: &[u8] = b"this is what an intruder would leave behind";

impl RemoteVault {
    /// Tries everything that the role of a host does not have.
    pub fn attack(&self, prey: &Prey) -> Vec<Attempt> {
        let (inner, own) = (&*self.inner, self.inner.own);
        let mut attack = Attack { inner, tried: Vec::new() };
        let list = ObjectId::of(&prey.list);
        // An object that is not what is sent: one that is would be taken, and rightly.
        let foreign = |kind| object(FOREIGN, kind, ObjectId::of(GARBAGE));
        attack.lay_out(&prey.list, &list);
        let own_list = object(own, Kind::List, list);
        // No pack is risked: under this name there is none, unless the vault lets one be made.
        let own_pack = object(own, Kind::Pack, ObjectId::of(b"nothing that exists"));
        let packs = |host| Route::Host(host, Spot::Objects(Kind::Pack));
        attack.attempt("read a pack list back", Method::GET, own_list, None);
        attack.attempt("read a pack back", Method::GET, own_pack, None);
        let before = attack.tried.len();
        attack.attempt("overwrite a pack list with other bytes", Method::PUT, own_list, Some(GARBAGE));
        attack.attempt("append to a pack list", Method::PATCH, own_list, Some(GARBAGE));
        attack.attempt("post over a pack list", Method::POST, own_list, Some(GARBAGE));
        attack.attempt("delete a pack list", Method::DELETE, own_list, None);
        attack.attempt("store a pack under another one's name", Method::PUT, own_pack, Some(GARBAGE));
        attack.attempt("delete a pack", Method::DELETE, own_pack, None);
        let held = attack.tried[before..].iter().all(|attempt| attempt.outcome == Attacked::Refused);
        if let Some((id, stored)) = &prey.manifest {
            let own_manifest = object(own, Kind::Manifest, *id);
            attack.attempt("read a manifest back", Method::GET, own_manifest, None);
            // What yields anything before is found out already: no snapshot has to be risked for it.
            if held {
                let before = attack.tried.len();
                attack.attempt(
                    "overwrite a manifest with other bytes",
                    Method::PUT,
                    own_manifest,
                    Some(GARBAGE),
                );
                attack.attempt("delete a manifest", Method::DELETE, own_manifest, None);
                attack.put_back(before, self, id, stored);
            }
        }
        attack.attempt("list the packs of this host", Method::GET, packs(own), None);
        let manifests = Route::Host(own, Spot::Objects(Kind::Manifest));
        attack.attempt("list the manifests of this host", Method::GET, manifests, None);
        attack.attempt("list what is kept", Method::GET, Route::Host(own, Spot::Snapshots), None);
        attack.attempt("list hosts", Method::GET, Route::Hosts, None);
        attack.attempt("read the whole ledger", Method::GET, Route::Ledger, None);
        attack.attempt("write into another host's folder", Method::PUT, foreign(Kind::Pack), Some(GARBAGE));
        attack.attempt("read another host's folder", Method::GET, foreign(Kind::Pack), None);
        let index = Route::Host(FOREIGN, Spot::Objects(Kind::Index));
        attack.attempt("list another host's index", Method::GET, index, None);
        attack.attempt(
            "read another host's receipts",
            Method::GET,
            Route::Host(FOREIGN, Spot::Receipts),
            None,
        );
        attack.attempt("delete in another host's folder", Method::DELETE, foreign(Kind::Pack), None);
        // Of this host it would take what cannot be put back.
        attack.attempt("delete everything of another host", Method::DELETE, packs(FOREIGN), None);
        attack.tried
    }
}

fn object(host: HostId, kind: Kind, id: ObjectId) -> Route {
    Route::Host(host, Spot::Object(kind, id))
}

/// An attack that is under way.
struct Attack<'a> {
    inner: &'a Inner,
    tried: Vec<Attempt>,
}

impl Attack<'_> {
    fn attempt(&mut self, what: &str, method: Method, route: Route, body: Option<&[u8]>) {
        let outcome = self.inner.provoke(method, route, body);
        self.tried.push(Attempt { what: what.to_owned(), outcome });
    }

    /// Sends what may be lost. Without it nothing is proven about what lies there.
    fn lay_out(&mut self, stored: &[u8], id: &ObjectId) {
        let sent = self.inner.upload(Kind::List, id, stored).and_then(|request| {
            let answer = self.inner.link.ask_within(&self.inner.once(), &request);
            let what = "place for an object that may be lost";
            let answer = answer.map_err(|problem| self.inner.error(problem, what))?;
            self.inner.expect(answer, what, &[StatusCode::OK, StatusCode::CREATED])
        });
        if let Err(error) = sent {
            self.tried.push(Attempt {
                what: "send an object that may be lost".to_owned(),
                outcome: Attacked::Unclear(error.to_string()),
            });
        }
    }

    /// Gives the vault back what attempts since then took from it, and says whether it took that.
    fn put_back(&mut self, since: usize, vault: &RemoteVault, id: &ObjectId, stored: &[u8]) {
        let mut what_came = None;
        for attempt in &mut self.tried[since..] {
            let Attacked::Yielded(said) = &mut attempt.outcome else { continue };
            said.push_str(what_came.get_or_insert_with(|| match vault.commit(id, stored) {
                Ok(_) => format!("; snapshot {id} was committed again"),
                Err(error) => format!("; snapshot {id} is LOST there, and is not taken again: {error}"),
            }));
        }
    }
}

impl Inner {
    fn once(&self) -> Retry {
        Retry { tries: 2, ..self.link.options().retry.brief() }
    }

    fn provoke(&self, method: Method, route: Route, body: Option<&[u8]>) -> Attacked {
        let body = body.map(|bytes| (Bytes::copy_from_slice(bytes), OCTETS));
        let request = Request { method, body, ..self.get(route, None) };
        match self.link.ask_within(&self.once(), &request) {
            Ok(answer) => Attacked::Yielded(format!("it answers {}", answer.status.as_u16())),
            Err(Problem::Said(said)) if !said.word.is_passing() || said.word == Word::Hash => {
                Attacked::Refused
            }
            // 405 is a refusal that has no word of its own.
            Err(Problem::Nonsense(text)) if text.ends_with("status 405") => Attacked::Refused,
            Err(problem) => Attacked::Unclear(self.error(problem, "answer to an attack").to_string()),
        }
    }
}
