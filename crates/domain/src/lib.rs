//! The rules of the contact centre: what happened goes in, what to do comes out.
//!
//! Nothing here opens a socket or a file, asks a clock, rolls unseeded dice or awaits anything.

pub mod command;
pub mod config;
pub mod engine;
pub mod event;
pub mod ids;
pub mod leg;
pub mod matrix;
pub mod record;
pub mod view;

pub use engine::Engine;
