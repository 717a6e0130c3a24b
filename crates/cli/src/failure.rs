//! The one error that users see: what failed, why, and what to do next.

mod convert;

pub(crate) use convert::{UNTRUE, next_step};

use crate::exit::Exit;
use std::error::Error;
use std::path::Path;
use vow_base::disk::DiskError;

/// Why a command did not do what it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The exit code it leads to.
    pub(crate) exit: Exit,
    /// What failed, with the name of the object.
    pub(crate) message: String,
    /// Why, outermost first.
    pub(crate) causes: Vec<String>,
    /// The next step.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure that ends with this code.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// A failure of the ordinary kind.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// A failure to do something to a file.
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        DiskError::at(action, path)(source).into()
    }

    /// Adds what an error and its sources say.
    #[must_use]
    pub(crate) fn because(mut self, error: &dyn Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            // An error that repeats its source in its own text says it once here.
            if !self.message.contains(&text) && !self.causes.iter().any(|cause| cause.contains(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Says what to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what to do next, where that is known.
    #[must_use]
    pub(crate) fn hint_of(self, hint: Option<&'static str>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Puts what was being done before what went wrong with it.
    #[must_use]
    pub(crate) fn during(mut self, what: impl Into<String>) -> Self {
        let inner = std::mem::replace(&mut self.message, what.into());
        self.causes.insert(0, inner);
        self
    }

    /// The message and its causes in one line.
    pub(crate) fn line(&self) -> String {
        let mut line = self.message.clone();
        for cause in &self.causes {
            line.push_str(": ");
            line.push_str(cause);
        }
        line
    }

    /// It was asked to stop.
    pub(crate) fn interrupted() -> Self {
        match crate::signals::received() {
            Some(signal) => Self::new(Exit::Signal(signal), "interrupted"),
            None => Self::failed("interrupted"),
        }
    }
}

/// The result of a command or a part of one.
pub(crate) type Outcome<T> = Result<T, Failure>;
