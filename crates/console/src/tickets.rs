//! Tickets: one for each problem, from its first occurrence to its end.
//!
//! [`step`] is the engine: a ticket and what happens to it make a ticket and what has to be told. [`plan`] makes the steps that a
//! judgement asks for, [`Desk`] carries them out over a [`store::TicketStore`].

mod desk;
mod engine;
mod history;
pub mod memory;
mod plan;
mod settings;
pub mod store;

pub use desk::{Desk, DeskError};
pub use engine::{Step, StepError, step};
pub use history::said;
pub use plan::{plan, plan_action, plan_tick};
pub use settings::TicketSettings;

#[cfg(test)]
mod tests;
