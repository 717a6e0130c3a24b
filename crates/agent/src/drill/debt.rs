//! What is drilled tonight: by restorability debt, within a budget of time and bytes. Pure: assets, budget and time in, an order with
//! reasons out.
//!
//! The debt of an asset (a source on a level) is the time since it was last proven, in parts of the term within which it should be. What
//! was touched longest ago, by that measure, comes first, and the first one that costs anything is always drilled, however small the
//! budget: files in part, a database alone. So nothing waits for ever, and what failed, or a level that is away, does not keep the others
//! from their turn.

/// What is proven again before half of its term has passed is proven too often.
const EARLY: f64 = 0.5;
/// What was tried and not proven is tried again after so many seconds.
const AGAIN_SECS: i64 = 20 * 3600;
/// The smallest share of files that is worth a drill.
const SHARE_MIN: f64 = 0.001;

/// A source on a level.
#[derive(Debug, Clone, PartialEq)]
pub struct Asset {
    /// Its name, for people.
    pub name: String,
    /// Within so many seconds it is to be proven again; not 0.
    pub within_secs: u64,
    /// When it was last proven, in seconds since 1970.
    pub proven_secs: Option<i64>,
    /// When it was last tried, whatever came of it.
    pub tried_secs: Option<i64>,
    /// How long drilling all of it takes, in seconds.
    pub cost_secs: f64,
    /// How many bytes all of it are.
    pub bytes: u64,
    /// A part of it can be drilled: files can, databases cannot.
    pub divisible: bool,
}

impl Asset {
    /// There is nothing to restore.
    fn is_free(&self) -> bool {
        self.cost_secs <= 0.0 && self.bytes == 0
    }
}

/// What one night may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Seconds.
    pub secs: f64,
    /// Bytes read.
    pub bytes: u64,
}

/// One drill.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// Which asset, by its place in the list.
    pub asset: usize,
    /// The share of it, above 0 to 1.
    pub share: f64,
    /// Why, as a sentence.
    pub reason: String,
}

/// What is drilled and what is not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Night {
    /// In this order.
    pub due: Vec<Due>,
    /// What is not, and why.
    pub left: Vec<(usize, String)>,
}

/// Seconds that a drill of so many bytes may take when none was measured: a guess on the slow side.
pub fn guessed_secs(bytes: u64, divisible: bool) -> f64 {
    let (start, per_sec) = if divisible { (1.0, 50e6) } else { (10.0, 5e6) };
    start + bytes as f64 / per_sec
}

/// Plans a night.
pub fn plan(assets: &[Asset], budget: Budget, now_secs: i64) -> Night {
    let mut night = Night::default();
    let mut waiting = Vec::new();
    for (number, asset) in assets.iter().enumerate() {
        match not_due(asset, now_secs) {
            Some(why) => night.left.push((number, why)),
            None => waiting.push(number),
        }
    }
    waiting.sort_by(|one, other| {
        let age = |number: &usize| untouched(&assets[*number], now_secs);
        age(other).total_cmp(&age(one)).then_with(|| one.cmp(other))
    });
    let (mut secs, mut bytes) = (budget.secs, budget.bytes as f64);
    for number in waiting {
        let asset = &assets[number];
        let cost = asset.cost_secs.max(0.0);
        let fits = (secs / cost.max(1e-9)).min(bytes / (asset.bytes as f64).max(1.0)).max(0.0);
        // What costs nothing, because there is nothing to restore, takes nobody's turn.
        let first = night.due.iter().all(|due| assets[due.asset].is_free());
        let share = match (asset.divisible, first) {
            _ if fits >= 1.0 => 1.0,
            (true, true) => fits.max(SHARE_MIN),
            (true, false) if fits >= SHARE_MIN => fits,
            // Alone, and over the budget: otherwise it would never be drilled.
            (false, true) => 1.0,
            _ => {
                night.left.push((number, format!("the budget is used up; {}", debt(asset, now_secs))));
                continue;
            }
        };
        secs -= cost * share;
        bytes -= asset.bytes as f64 * share;
        let how = match (share < 1.0, fits < 1.0) {
            (true, _) => format!("; {:.1} % of it fits the budget", share * 100.0),
            (false, true) => "; it fits no budget of this size, and is drilled alone".to_owned(),
            (false, false) => String::new(),
        };
        night.due.push(Due { asset: number, share, reason: format!("{}{how}", debt(asset, now_secs)) });
    }
    night
}

/// Why it is not due, if it is not.
fn not_due(asset: &Asset, now: i64) -> Option<String> {
    let failed = asset.tried_secs.filter(|tried| asset.proven_secs.is_none_or(|proven| *tried > proven));
    if let Some(tried) = failed.map(|tried| now.saturating_sub(tried)).filter(|since| *since < AGAIN_SECS) {
        return Some(format!(
            "tried {} ago, and not proven; tried again after {}",
            time(tried),
            time(AGAIN_SECS)
        ));
    }
    let since = now.saturating_sub(asset.proven_secs?);
    let early = (since as f64) < asset.within_secs as f64 * EARLY;
    early.then(|| format!("proven {} ago, and due within {}", time(since), term(asset)))
}

/// How long ago it was touched, in parts of its term; what never was comes first.
fn untouched(asset: &Asset, now: i64) -> f64 {
    match asset.tried_secs.max(asset.proven_secs) {
        Some(touched) => now.saturating_sub(touched) as f64 / asset.within_secs.max(1) as f64,
        None => f64::INFINITY,
    }
}

fn debt(asset: &Asset, now: i64) -> String {
    match asset.proven_secs.map(|proven| now.saturating_sub(proven)) {
        None => "never proven".to_owned(),
        Some(since) if since as f64 > asset.within_secs as f64 => {
            format!("OVERDUE: proven {} ago, and due within {}", time(since), term(asset))
        }
        Some(since) => format!("proven {} ago, and due within {}", time(since), term(asset)),
    }
}

fn term(asset: &Asset) -> String {
    time(i64::try_from(asset.within_secs).unwrap_or(i64::MAX))
}

fn time(secs: i64) -> String {
    match secs {
        ..7200 => format!("{} min", secs.max(0) / 60),
        7200..172_800 => format!("{} h", secs / 3600),
        _ => format!("{} days", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 86_400;

    fn asset(proven: Option<i64>, cost_secs: f64, bytes: u64, divisible: bool) -> Asset {
        Asset {
            name: "x".into(),
            within_secs: 7 * DAY as u64,
            proven_secs: proven,
            tried_secs: proven,
            cost_secs,
            bytes,
            divisible,
        }
    }

    #[test]
    fn the_longest_debt_comes_first_and_what_is_fresh_waits() {
        let assets = [
            asset(Some(99 * DAY), 60.0, 10, true),
            asset(Some(90 * DAY), 60.0, 10, true),
            asset(None, 60.0, 10, false),
            asset(Some(80 * DAY), 60.0, 10, false),
        ];
        let night = plan(&assets, Budget { secs: 180.0, bytes: 1000 }, 100 * DAY);
        assert_eq!(night.due.iter().map(|due| due.asset).collect::<Vec<_>>(), [2, 3, 1]);
        assert!(night.due[0].reason.contains("never proven") && night.due[1].reason.contains("OVERDUE"));
        assert!(night.left.len() == 1 && night.left[0].1.contains("proven 24 h ago"), "{:?}", night.left);
    }

    #[test]
    fn what_is_too_large_is_drilled_in_part_or_alone() {
        let budget = Budget { secs: 100.0, bytes: 1000 };
        let night = plan(&[asset(None, 1000.0, 500, true)], budget, 0);
        assert!((night.due[0].share - 0.1).abs() < 1e-9 && night.due[0].reason.contains("10.0 %"));
        let night = plan(&[asset(None, 1000.0, 500, false), asset(None, 1.0, 1, false)], budget, 0);
        assert_eq!((night.due.len(), night.due[0].share), (1, 1.0));
        assert!(night.due[0].reason.contains("alone") && night.left[0].1.contains("budget is used up"));
    }

    #[test]
    fn a_level_that_is_away_takes_no_turn() {
        let away = asset(None, 0.0, 0, true);
        let night = plan(&[away, asset(None, 1000.0, 500, false)], Budget { secs: 100.0, bytes: 100 }, 0);
        assert_eq!(night.due.iter().map(|due| due.asset).collect::<Vec<_>>(), [0, 1]);
        assert!(night.due[1].reason.contains("alone"), "{night:?}");
    }

    #[test]
    fn what_failed_is_tried_again_the_next_night_and_does_not_block_the_others() {
        let mut failing = asset(None, 1000.0, 10, false);
        failing.tried_secs = Some(100 * DAY);
        let other = asset(Some(90 * DAY), 1000.0, 10, false);
        let budget = Budget { secs: 100.0, bytes: 1000 };
        let first = plan(&[failing.clone(), other.clone()], budget, 100 * DAY + 3600);
        assert_eq!(first.due[0].asset, 1);
        assert!(first.left[0].1.contains("not proven"));
        let next = plan(&[failing, other], budget, 101 * DAY);
        assert_eq!(next.due[0].asset, 1, "the one that was touched longer ago");
    }

    fn any_asset() -> impl Strategy<Value = Asset> {
        let times = prop::option::of(0i64..200 * DAY);
        (1u64..60, times.clone(), times, 0.0f64..5000.0, 0u64..5000, any::<bool>()).prop_map(
            |(days, proven_secs, tried, cost_secs, bytes, divisible)| Asset {
                name: "x".into(),
                within_secs: days * DAY as u64,
                proven_secs,
                tried_secs: tried.max(proven_secs),
                cost_secs,
                bytes,
                divisible,
            },
        )
    }

    proptest! {
        #[test]
        fn a_night_keeps_to_its_budget_and_leaves_out_nothing_without_a_reason(
            assets in prop::collection::vec(any_asset(), 0..20), secs in 0.0f64..10_000.0, bytes in 0u64..10_000,
        ) {
            let now = 200 * DAY;
            let night = plan(&assets, Budget { secs, bytes }, now);
            let mut seen: Vec<_> = night.due.iter().map(|due| due.asset).chain(night.left.iter().map(|left| left.0)).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..assets.len()).collect::<Vec<_>>());
            prop_assert!(night.due.iter().all(|due| due.share > 0.0 && due.share <= 1.0 && !due.reason.is_empty()));
            prop_assert!(night.due.iter().all(|due| due.share == 1.0 || assets[due.asset].divisible));
            // Only the first one that costs anything may be over the budget, and then it is alone but for what costs nothing.
            let cost = |due: &Due| assets[due.asset].cost_secs * due.share;
            let read = |due: &Due| assets[due.asset].bytes as f64 * due.share;
            let rest = || night.due.iter().filter(|due| !assets[due.asset].is_free()).skip(1);
            prop_assert!(rest().map(cost).sum::<f64>() <= secs * (1.0 + 1e-6) + 1e-6);
            prop_assert!(rest().map(read).sum::<f64>() <= bytes as f64 * (1.0 + 1e-6) + 1e-6);
            // By time since the last touch.
            let ages: Vec<_> = night.due.iter().map(|due| untouched(&assets[due.asset], now)).collect();
            prop_assert!(ages.windows(2).all(|pair| pair[0] >= pair[1]));
            // Something is drilled whenever something is due.
            let any_due = assets.iter().any(|asset| not_due(asset, now).is_none());
            prop_assert_eq!(any_due, !night.due.is_empty());
        }

        /// Night after night, whatever the budget, everything has its turn: what is due every day does not keep back for ever what is due
        /// every two months.
        #[test]
        fn nothing_waits_for_ever(assets in prop::collection::vec(any_asset(), 1..10), secs in 0.0f64..100.0, fails in any::<u16>()) {
            let mut assets = assets;
            let mut turns = vec![false; assets.len()];
            let mut now = 400 * DAY;
            for _ in 0..60 * (assets.len() + 1) {
                if turns.iter().all(|turn| *turn) {
                    break;
                }
                for due in plan(&assets, Budget { secs, bytes: 10 }, now).due {
                    turns[due.asset] = true;
                    assets[due.asset].tried_secs = Some(now);
                    if fails >> due.asset & 1 == 0 {
                        assets[due.asset].proven_secs = Some(now);
                    }
                }
                now += DAY;
            }
            prop_assert!(turns.iter().all(|turn| *turn), "{turns:?}");
        }
    }
}
