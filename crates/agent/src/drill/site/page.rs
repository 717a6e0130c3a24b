//! What a page leads to, and whether there is anything on it. Pure, over hostile bytes: nothing is trusted, everything is bounded.

use std::collections::BTreeSet;

/// What one page leads to at most; more is not looked at.
const LINKS_MAX: usize = 10_000;

/// What stands on a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Paths on the same site that it leads to or is made of.
    pub(super) links: BTreeSet<String>,
    /// Those of them that are pictures.
    pub(super) images: BTreeSet<String>,
    /// Whether a person would see anything: text, a picture, something to watch or fill in.
    pub(super) shows: bool,
}

/// Elements that show something without text in them.
const SHOWING: [&str; 9] = ["img", "video", "audio", "canvas", "svg", "iframe", "object", "input", "embed"];

/// Reads a page that was found at this path.
pub(super) fn read(html: &[u8], at: &str) -> Page {
    let text = String::from_utf8_lossy(html);
    let mut page = Page::default();
    let (mut rest, mut in_head) = (text.as_ref(), false);
    while let Some(found) = rest.find('<') {
        page.shows |= !in_head && !rest[..found].trim().is_empty();
        rest = &rest[found..];
        if let Some(after) = rest.strip_prefix("<!--") {
            rest = after.find("-->").map_or("", |end| &after[end + 3..]);
            continue;
        }
        let Some(end) = end_of_tag(rest) else { break };
        let (tag, after) = (&rest[1..end], &rest[end + 1..]);
        rest = after;
        let name: String = tag.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/').collect();
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "head" => in_head = true,
            "/head" | "body" => in_head = false,
            // What stands in these is not shown, and no markup.
            "script" | "style" | "title" | "noscript" | "template" => {
                let close = format!("</{name}");
                rest = find_ignoring_case(after, &close).map_or("", |end| &after[end..]);
            }
            _ => {}
        }
        page.shows |= SHOWING.contains(&name.as_str());
        let is_image = matches!(name.as_str(), "img" | "image");
        for (key, value) in attributes(&tag[name.len().min(tag.len())..]) {
            let leads = matches!(
                (name.as_str(), key.as_str()),
                ("a" | "area" | "link", "href")
                    | ("img" | "script" | "iframe" | "source" | "video" | "audio" | "embed" | "track", "src")
                    | ("video", "poster")
            );
            let Some(path) = leads.then(|| resolve(at, &value)).flatten() else { continue };
            if page.links.len() < LINKS_MAX {
                if is_image {
                    page.images.insert(path.clone());
                }
                page.links.insert(path);
            }
        }
    }
    page.shows |= !in_head && !rest.trim().is_empty() && !rest.starts_with('<');
    page
}

/// Where a tag ends: a `>` in quotes is none.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    let wanted = wanted.as_bytes();
    text.as_bytes().windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted))
}

/// Names in lower case, values without quotes and with the usual entities resolved.
fn attributes(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    loop {
        text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        let end = text.find(|c: char| c.is_whitespace() || c == '=' || c == '/').unwrap_or(text.len());
        if text.is_empty() {
            return found;
        }
        let name = text[..end].to_ascii_lowercase();
        text = text[end..].trim_start();
        let Some(after) = text.strip_prefix('=') else {
            // A name that is no name must not hold us up.
            if end == 0 {
                text = text.get(1..).unwrap_or_default();
            }
            continue;
        };
        let after = after.trim_start();
        let (value, left) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
            _ => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
        };
        let value = value.replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
        found.push((name, value));
        text = left;
    }
}

/// The path on the same site that a reference on the page `at` means, not decoded; `None` for what leads elsewhere.
pub(super) fn resolve(at: &str, reference: &str) -> Option<String> {
    let reference = reference.trim();
    let path = reference.split(['?', '#']).next().unwrap_or_default();
    let scheme_end = path.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
    let has_scheme = scheme_end.is_some_and(|end| path[end..].starts_with(':'));
    if path.is_empty() || path.starts_with("//") || path.contains('\\') || has_scheme {
        return None;
    }
    let folder = at.rsplit_once('/').map_or("", |(folder, _)| folder);
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{folder}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let last_is_folder = whole.ends_with("/.") || whole.ends_with("/..");
    let joined = format!("/{}", parts.join("/"));
    Some(if last_is_folder && !joined.ends_with('/') { format!("{joined}/") } else { joined })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_leads_where_a_browser_would_go() {
        let html = br##"<!DOCTYPE html><html><head><title>t</title><link rel=stylesheet href="css/a.css?v=1">
            <script src='/js/x.js'>document.write("<a href='/not-this'>")</script></head>
            <body><!-- <a href="/nor-this"> --><a class="b>c" href="../up.html#top">up</a> <A HREF=about/>about</A>
            <img src="/i/1.png" alt="a > b"><a href="mailto:x@y">m</a><a href="https://else.where/">e</a><a href="//cdn/x">c</a>
            <a href="#here">h</a><a href="a%20b.html?x=1&amp;y=2">s</a></body></html>"##;
        let page = read(html, "/docs/index.html");
        let links: Vec<_> = page.links.iter().map(String::as_str).collect();
        assert_eq!(
            links,
            ["/docs/a%20b.html", "/docs/about/", "/docs/css/a.css", "/i/1.png", "/js/x.js", "/up.html"]
        );
        assert_eq!(page.images.iter().collect::<Vec<_>>(), ["/i/1.png"]);
        assert!(page.shows);
    }

    #[test]
    fn a_page_without_anything_on_it_is_empty() {
        for empty in [
            "",
            "<html><head><title>t</title></head><body> \n</body></html>",
            "<body><script>x()</script><p></p>",
            "<!-- x",
        ] {
            assert!(!read(empty.as_bytes(), "/").shows, "{empty}");
        }
        for shown in ["hello", "<body><p>x", "<body><img src=x>", "<html><body>\n<svg></svg>"] {
            assert!(read(shown.as_bytes(), "/").shows, "{shown}");
        }
    }

    #[test]
    fn nothing_leads_above_the_site() {
        assert_eq!(resolve("/a/b.html", "../../../etc/passwd").as_deref(), Some("/etc/passwd"));
        assert_eq!(resolve("/a/b.html", "..").as_deref(), Some("/"));
        assert_eq!(resolve("/a/b.html", "./c/.").as_deref(), Some("/a/c/"));
        for elsewhere in ["javascript:x", "data:image/png;base64,x", "", "#", "?q", "\\\\x\\y"] {
            assert_eq!(resolve("/", elsewhere), None, "{elsewhere}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400), text in "[<>a-z=\"'/! -]{0,200}") {
            let _ = read(&bytes, "/");
            let _ = read(text.as_bytes(), "/x/y");
        }
    }
}
