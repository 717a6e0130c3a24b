//! Retention: recorded histories with their explanations, and random ones against a naive model.

mod golden;
mod history;
mod made;
mod naive;
mod properties;
