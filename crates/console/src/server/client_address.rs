//! From where a request really comes.

use super::app::App;
use super::speak::Peer;
use http::HeaderMap;
use std::net::IpAddr;

/// The address of the other end; behind a proxy on this machine, the one that the proxy names last.
pub(crate) fn of(app: &App, peer: Option<&Peer>, headers: &HeaderMap) -> String {
    let direct = peer.map(|peer| peer.address.ip());
    let named = || {
        let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
        last.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
    };
    let trusted = app.config.behind_proxy && direct.is_some_and(|address| address.is_loopback());
    let address = if trusted { named().or(direct) } else { direct };
    address.map_or_else(|| "-".to_owned(), |address| address.to_canonical().to_string())
}
