//! Charts as SVG: a line of days, with what lies ahead where that is known.

use super::draw::date;
use maud::{Markup, html};

/// What is drawn.
pub(super) struct Chart<'a> {
    /// What it shows.
    pub(super) title: &'a str,
    /// A value of a day; days without one are left out.
    pub(super) points: Vec<(i64, f64)>,
    /// The values of days to come.
    pub(super) ahead: Vec<(i64, f64)>,
    /// A value that must not be passed.
    pub(super) limit: Option<f64>,
    /// How a value is written.
    pub(super) write: fn(f64) -> String,
}

const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 4.0;
const TOP: f64 = 18.0;
const BOTTOM: f64 = 20.0;
/// More points than this are not seen.
const POINTS_MAX: usize = 400;

impl Chart<'_> {
    /// The picture, with the newest value in words.
    pub(super) fn draw(&self) -> Markup {
        let Some((last_day, last)) = self.points.last() else {
            return html! { figure { figcaption { (self.title) } p.soft { "Nothing to draw yet." } } };
        };
        let all = || self.points.iter().chain(&self.ahead);
        let first = self.points[0].0;
        let newest = all().map(|(day, _)| *day).max().unwrap_or(*last_day);
        let end = newest.max(first + 1);
        let top = all().map(|(_, value)| *value).chain(self.limit).fold(0.0, f64::max);
        let top = if top > 0.0 { top } else { 1.0 };
        let x = |day: i64| LEFT + (day - first) as f64 / (end - first) as f64 * (WIDTH - 2.0 * LEFT);
        let y = |value: f64| TOP + (1.0 - value / top) * (HEIGHT - TOP - BOTTOM);
        let path = |points: &[(i64, f64)]| {
            let step = points.len().div_ceil(POINTS_MAX).max(1);
            let kept = points.iter().enumerate().filter(|(at, _)| at % step == 0 || at + 1 == points.len());
            let mut text = String::new();
            for (at, (_, (day, value))) in kept.enumerate() {
                let letter = if at == 0 { 'M' } else { 'L' };
                text.push_str(&format!("{letter}{:.1} {:.1}", x(*day), y(*value)));
            }
            text
        };
        let line = path(&self.points);
        let ground = HEIGHT - BOTTOM;
        let area = format!("{line}L{:.1} {ground}L{:.1} {ground}Z", x(*last_day), x(first));
        let mut ahead = self.ahead.clone();
        ahead.insert(0, (*last_day, *last));
        let highest = self.points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        let told = format!(
            "{}: {} on {}, at most {} since {}",
            self.title,
            (self.write)(*last),
            date(*last_day),
            (self.write)(highest),
            date(first)
        );
        html! {
            figure {
                figcaption { (self.title) " " small { "now " ((self.write)(*last)) } }
                svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(told) {
                    line.axis x1=(LEFT) x2=(WIDTH - LEFT) y1=(ground) y2=(ground) {}
                    line.axis x1=(LEFT) x2=(WIDTH - LEFT) y1=(TOP) y2=(TOP) {}
                    path.area d=(area) {}
                    path.line d=(line) {}
                    // A line of one point is not seen.
                    circle.dot cx=(format!("{:.1}", x(*last_day))) cy=(format!("{:.1}", y(*last))) r="3" {}
                    @if !self.ahead.is_empty() { path.ahead d=(path(&ahead)) {} }
                    @if let Some(limit) = self.limit { line.limit x1=(LEFT) x2=(WIDTH - LEFT) y1=(y(limit)) y2=(y(limit)) {} }
                    text x=(LEFT) y="12" { ((self.write)(top)) }
                    text x=(LEFT) y=(HEIGHT - 5.0) { (date(first)) }
                    @if newest > first { text x=(WIDTH - LEFT) y=(HEIGHT - 5.0) text-anchor="end" { (date(end)) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(i64, f64)>) -> String {
        Chart {
            title: "<Size>",
            points,
            ahead: vec![(40, 9.0)],
            limit: Some(10.0),
            write: |value| format!("{value:.0}"),
        }
        .draw()
        .into_string()
    }

    #[test]
    fn a_chart_says_what_it_shows_and_stays_small() {
        let drawn = chart((0..30).map(|day| (day, day as f64 / 10.0)).collect());
        assert!(
            drawn.contains("now 3") && drawn.contains("&lt;Size&gt;") && drawn.contains("class=\"ahead\""),
            "{drawn}"
        );
        assert!(!drawn.contains("NaN") && !drawn.contains("style="));
        let long = chart((0..100_000).map(|day| (day, 1.0)).collect());
        assert!(long.len() < 30_000, "{}", long.len());
    }

    #[test]
    fn little_or_nothing_is_drawn_too() {
        assert!(chart(vec![]).contains("Nothing to draw yet"));
        let one = chart(vec![(5, 0.0)]);
        assert!(!one.contains("NaN") && one.contains("class=\"dot\""), "{one}");
    }
}
