//! What a host must not be able to do with its own key, tried for real. An audit runs this against every vault of a plan: a vault that
//! yields anything is no write-only vault, whatever its documents say.
//!
//! Nothing here can do harm to a vault that keeps its promises: every attempt is one that it refuses.

use super::link::Request;
use super::problem::Problem;
use super::{Inner, OCTETS, RemoteVault, Retry};
use crate::fault::Word;
use crate::path::{Route, Spot};
use bytes::Bytes;
use http::Method;
use vow_base::vault::Kind;
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

/// What is known of the vault's content to try it with: objects of this host that are there.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// A pack.
    pub pack: Option<ObjectId>,
    /// A manifest.
    pub manifest: Option<ObjectId>,
}

/// A host that does not exist: its id is no key's hash.
const FOREIGN: HostId = HostId([0x5a; 32]);
const GARBAGE: &[u8] = b"this is what an intruder would leave behind";

impl RemoteVault {
    /// Tries everything that the role of a host does not have.
    pub fn attack(&self, known: &Known) -> Vec<Attempt> {
        let (inner, own) = (&*self.inner, self.inner.own);
        let some = ObjectId::of(GARBAGE);
        // An object that is not what is sent: one that is would be taken, and rightly.
        let other = ObjectId::of(b"nothing that exists");
        let (pack, manifest) = (known.pack.unwrap_or(other), known.manifest.unwrap_or(other));
        let object = |host, kind, id| Route::Host(host, Spot::Object(kind, id));
        let own_pack = object(own, Kind::Pack, pack);
        let own_manifest = object(own, Kind::Manifest, manifest);
        let mut tried = Vec::new();
        let mut attempt = |what: &str, method: Method, route: Route, body: Option<&[u8]>| {
            tried.push(Attempt { what: what.to_owned(), outcome: inner.provoke(method, route, body) });
        };
        attempt("delete a pack", Method::DELETE, own_pack, None);
        attempt("delete a manifest", Method::DELETE, own_manifest, None);
        attempt(
            "delete everything of this host",
            Method::DELETE,
            Route::Host(own, Spot::Objects(Kind::Pack)),
            None,
        );
        attempt("overwrite a pack with other bytes", Method::PUT, own_pack, Some(GARBAGE));
        attempt("overwrite a manifest with other bytes", Method::PUT, own_manifest, Some(GARBAGE));
        attempt("append to a pack", Method::PATCH, own_pack, Some(GARBAGE));
        attempt("post over a pack", Method::POST, own_pack, Some(GARBAGE));
        attempt("read a pack back", Method::GET, own_pack, None);
        attempt("read a manifest back", Method::GET, own_manifest, None);
        attempt(
            "list the packs of this host",
            Method::GET,
            Route::Host(own, Spot::Objects(Kind::Pack)),
            None,
        );
        attempt(
            "list the manifests of this host",
            Method::GET,
            Route::Host(own, Spot::Objects(Kind::Manifest)),
            None,
        );
        attempt("list what is kept", Method::GET, Route::Host(own, Spot::Snapshots), None);
        attempt("list hosts", Method::GET, Route::Hosts, None);
        attempt("read the whole ledger", Method::GET, Route::Ledger, None);
        attempt(
            "write into another host's folder",
            Method::PUT,
            object(FOREIGN, Kind::Pack, some),
            Some(GARBAGE),
        );
        attempt("read another host's folder", Method::GET, object(FOREIGN, Kind::Pack, some), None);
        attempt(
            "list another host's index",
            Method::GET,
            Route::Host(FOREIGN, Spot::Objects(Kind::Index)),
            None,
        );
        attempt("read another host's receipts", Method::GET, Route::Host(FOREIGN, Spot::Receipts), None);
        attempt("delete in another host's folder", Method::DELETE, object(FOREIGN, Kind::Pack, some), None);
        tried
    }
}

impl Inner {
    fn provoke(&self, method: Method, route: Route, body: Option<&[u8]>) -> Attacked {
        let body = body.map(|bytes| (Bytes::copy_from_slice(bytes), OCTETS));
        let request = Request { method, body, ..self.get(route, None) };
        let once = Retry { tries: 2, ..self.link.options().retry.brief() };
        match self.link.ask_within(&once, &request) {
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
