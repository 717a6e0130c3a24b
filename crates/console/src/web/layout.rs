//! What every page has around it.

use crate::auth::Right;
use crate::server::caller::Caller;
use maud::{DOCTYPE, Markup, html};

/// A page with this title, for this person.
pub(super) fn page(title: &str, at: &str, who: &Caller, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body {
                a.skip href="#main" { "To the content" }
                header.top {
                    a.brand href="/" { (mark()) span { "Vow" } }
                    nav aria-label="Pages" {
                        @for (href, word, right) in PAGES {
                            @if who.role.may(right) {
                                a href=(href) aria-current=[(href == at).then_some("page")] { (word) }
                            }
                        }
                    }
                    div.who {
                        a href="/me" { (super::draw::plain(&who.name)) }
                        @if who.session.is_some() {
                            form method="post" action="/logout" {
                                (token(who))
                                button.quiet type="submit" { "Log out" }
                            }
                        }
                    }
                }
                main id="main" { (body) }
                footer { "Times are UTC. What vaults have received is believed over what hosts report, and both over silence." }
            }
        }
    }
}

const PAGES: [(&str, &str, Right); 7] = [
    ("/", "Fleet", Right::See),
    ("/tickets", "Tickets", Right::See),
    ("/tenants", "Tenants", Right::See),
    ("/proofs", "Proofs", Right::See),
    ("/vaults", "Vaults", Right::SeeVaults),
    ("/users", "Access", Right::Admit),
    ("/audit", "Log", Right::SeeAudit),
];

/// The session's own token, in every form.
pub(super) fn token(who: &Caller) -> Markup {
    html! { input type="hidden" name="form_token" value=(who.form_token()); }
}

/// A page for somebody who is not known yet.
pub(super) fn bare(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body.bare { main id="main" { div.brand { (mark()) span { "Vow" } } (body) } }
        }
    }
}

/// A page that says what went wrong.
pub(super) fn problem(text: &str, who: Option<&Caller>) -> Markup {
    let body = html! {
        section.card { h1 { "This did not work" } p { (text) } p { a href="/" { "To the fleet" } } }
    };
    match who {
        Some(who) => page("This did not work", "", who, body),
        None => bare("This did not work", body),
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (super::draw::plain(title)) " · Vow" }
            link rel="icon" href="/favicon.svg";
            link rel="stylesheet" href="/style.css";
        }
    }
}

fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" {
            path d="M12 2 4 5v6c0 5 3.4 8.7 8 11 4.6-2.3 8-6 8-11V5z" {}
            path.tick d="m8 11.5 3 3 5.5-6" {}
        }
    }
}

/// A few facts, as a list of terms.
pub(super) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! {
        dl.facts { @for (term, value) in facts { div { dt { (term) } dd { (value) } } } }
    }
}

/// What people wrote down, if they did.
pub(super) fn written(text: &str) -> Markup {
    html! { @if text.is_empty() { span.none { "not written down" } } @else { (super::draw::plain(text)) } }
}

/// The way here.
pub(super) fn trail(steps: &[(String, String)]) -> Markup {
    html! {
        nav.trail aria-label="You are here" {
            ol { @for (href, word) in steps { li { a href=(href) { (super::draw::plain(word)) } } } }
        }
    }
}
