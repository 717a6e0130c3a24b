//! Distributions over the dice.

use vow_testkit::Dice;

/// From `low` to `high`, evenly.
pub(super) fn between(dice: &mut Dice, low: f64, high: f64) -> f64 {
    low + (high - low) * (dice.roll() >> 11) as f64 / (1u64 << 53) as f64
}

/// From `low` to `high`, evenly in magnitude.
pub(super) fn magnitude(dice: &mut Dice, low: f64, high: f64) -> f64 {
    between(dice, low.ln(), high.ln()).exp()
}

/// Normally distributed around 0 with a standard deviation of 1, never beyond 6.
pub(super) fn normal(dice: &mut Dice) -> f64 {
    (0..12).map(|_| between(dice, 0.0, 1.0)).sum::<f64>() - 6.0
}

/// A factor around 1 whose logarithm has this deviation.
pub(super) fn factor(dice: &mut Dice, sigma: f64) -> f64 {
    (sigma * normal(dice)).exp()
}

/// Whether something of this probability happens.
pub(super) fn happens(dice: &mut Dice, probability: f64) -> bool {
    between(dice, 0.0, 1.0) < probability
}
