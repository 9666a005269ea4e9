//! Whole calls in memory: who is sent what, how its stream goes on, whose packets count.

mod exhaustive;
mod harness;
mod reports;
mod streams;
