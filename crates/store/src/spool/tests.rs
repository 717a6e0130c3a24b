use super::*;
use crate::archive::testing::{Maker, Tree};
