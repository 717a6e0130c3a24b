//! A report as a page: one file, no script, nothing from elsewhere, made to be printed too.

use super::sheet::{Block, Sheet, is_short};
use crate::web::plain;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("report.css");

pub(super) fn draw(sheet: &Sheet) -> String {
    let page: Markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (plain(&sheet.title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (plain(&sheet.title)) }
                    dl { @for (term, value) in &sheet.facts { dt { (plain(term)) } dd { (plain(value)) } } }
                    @for block in &sheet.blocks { (part(block)) }
                }
            }
        }
    };
    page.into_string()
}

fn part(block: &Block) -> Markup {
    html! {
        @match block {
            Block::Heading(text) => h2 { (plain(text)) },
            Block::Text(text) => p { (plain(text)) },
            Block::Numbers(numbers) => ul.numbers { @for (what, value) in numbers { li { b { (plain(value)) } " " (plain(what)) } } },
            Block::Table { head, rows, more } => {
                table {
                    thead { tr { @for (name, _) in head { th scope="col" { (name) } } } }
                    tbody { @for row in rows { tr { @for cell in row { td.short[is_short(cell)] { (plain(cell)) } } } } }
                }
                @if *more > 0 { p { (more) " more rows are not shown." } }
            },
        }
    }
}
