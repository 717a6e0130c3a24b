//! What a request asks for: method and path, read once, to the letter. Nothing that is not in this table reaches anybody.

use crate::access::Verb;
use http::{Method, Uri};
use vow_base::HostId;
use vow_base::vault::Kind;
use vow_protocol::{Route, Spot};

/// A request whose method and path are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) verb: Verb,
    pub(crate) route: Route,
}

impl Asked {
    /// Reads method and path; `None` for everything that `docs/protocol.md` does not name.
    pub(crate) fn read(method: &Method, uri: &Uri) -> Option<Self> {
        // The form with an address, which proxies are sent, is not one of ours.
        if uri.scheme().is_some() || uri.authority().is_some() {
            return None;
        }
        let route = Route::parse(uri.path())?;
        Some(Self { verb: verb_of(method, route)?, route })
    }

    /// The host that it is about.
    pub(crate) fn host(&self) -> Option<HostId> {
        match self.route {
            Route::Host(host, _) => Some(host),
            _ => None,
        }
    }
}

/// What is asked by this method of this path.
pub(crate) fn verb_of(method: &Method, route: Route) -> Option<Verb> {
    Some(match (method.as_str(), route) {
        ("GET", Route::Vault) => Verb::About,
        ("GET", Route::Health) => Verb::Health,
        ("POST", Route::Join) => Verb::Join,
        ("GET", Route::Hosts) => Verb::Hosts,
        ("GET", Route::Head) => Verb::Head,
        ("POST", Route::Witness) => Verb::Witness,
        ("GET", Route::Witness) => Verb::Seen,
        ("GET", Route::Ledger) => Verb::Ledger,
        ("GET", Route::Status) => Verb::Status,
        ("GET", Route::Metrics) => Verb::Metrics,
        ("GET", Route::Host(_, Spot::Receipts)) => Verb::Receipts,
        ("GET", Route::Host(_, Spot::Snapshots)) => Verb::Snapshots,
        ("GET", Route::Host(_, Spot::Introduction)) => Verb::Introduction,
        ("PUT", Route::Host(_, Spot::Introduction)) => Verb::Introduce,
        ("GET", Route::Host(_, Spot::Objects(kind))) => Verb::List(kind),
        ("POST", Route::Host(_, Spot::Missing(kind))) => Verb::Missing(kind),
        ("GET" | "HEAD", Route::Host(_, Spot::Object(kind, _))) => Verb::Read(kind),
        ("PUT", Route::Host(_, Spot::Object(Kind::Manifest, _))) => Verb::Commit,
        ("PUT", Route::Host(_, Spot::Object(kind, _))) => Verb::Put(kind),
        ("PUT", Route::Host(_, Spot::Proof(_))) => Verb::Prove,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, target: &str) -> Option<Verb> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Asked::read(&method, &target.parse().expect("a target")).map(|asked| asked.verb)
    }

    #[test]
    fn nothing_is_ever_deleted_or_replaced() {
        let hex = "ab".repeat(32);
        let mut known = 0;
        for target in [
            "/v1/vault".to_owned(),
            "/v1/join".into(),
            "/v1/hosts".into(),
            "/healthz".into(),
            format!("/v1/hosts/{hex}/packs/{hex}"),
            format!("/v1/hosts/{hex}/manifests/{hex}"),
            format!("/v1/hosts/{hex}/packs"),
            format!("/v1/hosts/{hex}/packs/missing"),
            format!("/v1/hosts/{hex}/receipts"),
            format!("/v1/hosts/{hex}/proofs/{hex}"),
        ] {
            for method in
                ["DELETE", "PATCH", "MOVE", "COPY", "OPTIONS", "TRACE", "PROPFIND", "BREW", "get", "CONNECT"]
            {
                assert_eq!(read(method, &target), None, "{method} {target}");
            }
            known += ["GET", "PUT", "POST", "HEAD"]
                .iter()
                .filter(|method| read(method, &target).is_some())
                .count();
        }
        assert_eq!(known, 14);
    }

    #[test]
    fn only_the_plain_form_of_a_target_is_known() {
        assert_eq!(read("GET", "/v1/vault"), Some(Verb::About));
        for target in [
            "http://vault/v1/vault",
            "https://vault:8443/v1/vault",
            "vault:8443",
            "*",
            "/v1/%76ault",
            "/v1/vault/",
        ] {
            assert_eq!(read("GET", target), None, "{target}");
        }
        assert_eq!(read("HEAD", "/v1/vault"), None);
    }

    const DOCUMENT: &str = include_str!("../../../../docs/openapi.json");
    const METHODS: [&str; 9] = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"];

    /// A template with every value that its places can have.
    fn targets(template: &str) -> Vec<String> {
        let hex = "ab".repeat(32);
        let filled = template.replace("{host}", &hex).replace("{id}", &hex);
        match filled.contains("{kind}") {
            true => {
                ["packs", "lists", "index", "manifests"].map(|kind| filled.replace("{kind}", kind)).into()
            }
            false => vec![filled],
        }
    }

    /// Templates and methods of the document, with the names of their operations.
    fn documented() -> Vec<(String, String, String)> {
        let document: serde_json::Value = serde_json::from_str(DOCUMENT).expect("JSON");
        let mut found = Vec::new();
        for (template, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("an item") {
                if let Some(name) = operation["operationId"].as_str() {
                    found.push((template.clone(), method.to_uppercase(), name.to_owned()));
                }
            }
        }
        found
    }

    #[test]
    fn everything_in_the_document_is_known_here() {
        let documented = documented();
        assert_eq!(documented.len(), 20);
        for (template, method, name) in documented {
            for target in targets(&template) {
                let verb = read(&method, &target).unwrap_or_else(|| panic!("{method} {target}"));
                // The head of an object is read, a manifest is put by committing it.
                let word = match (verb.word(), method.as_str()) {
                    ("read", "HEAD") => "length",
                    ("commit", _) => "put",
                    (word, _) => word,
                };
                assert_eq!(word, name, "{method} {target}");
            }
        }
    }

    #[test]
    fn everything_known_here_is_in_the_document() {
        let documented = documented();
        let is_there = |method: &str, target: &str| {
            documented
                .iter()
                .any(|(template, known, _)| known == method && targets(template).iter().any(|t| t == target))
        };
        let (host, id) = (HostId([0xab; 32]), vow_base::ObjectId([0xab; 32]));
        let mut routes = vec![
            Route::Vault,
            Route::Join,
            Route::Hosts,
            Route::Head,
            Route::Witness,
            Route::Ledger,
            Route::Status,
            Route::Metrics,
            Route::Health,
            Route::Host(host, Spot::Receipts),
            Route::Host(host, Spot::Snapshots),
            Route::Host(host, Spot::Introduction),
            Route::Host(host, Spot::Proof(id)),
        ];
        for kind in [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest] {
            routes.extend(
                [Spot::Objects(kind), Spot::Missing(kind), Spot::Object(kind, id)]
                    .map(|spot| Route::Host(host, spot)),
            );
        }
        for route in routes {
            let target = route.to_string();
            for method in METHODS {
                assert_eq!(read(method, &target).is_some(), is_there(method, &target), "{method} {target}");
            }
        }
    }

    #[test]
    fn every_status_of_the_protocol_is_in_the_document() {
        let document: serde_json::Value = serde_json::from_str(DOCUMENT).expect("JSON");
        let words = document["components"]["schemas"]["Error"]["properties"]["error"]["enum"]
            .as_array()
            .expect("words");
        for word in vow_protocol::Word::ALL {
            let status = word.status().to_string();
            assert!(document["components"]["responses"][&status].is_object(), "{status}");
            assert!(words.contains(&serde_json::to_value(word).expect("a word")), "{word:?}");
        }
    }
}
