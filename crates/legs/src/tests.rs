//! Scripts for legs: what phones send and the domain orders, and all that follows.

mod calls;
mod chance;
mod connections;
mod dialogs;
mod entry;
mod families;
mod forks;
mod guessing;
mod phone;
mod pickup;
mod proving;
mod reliable;
mod timers;
mod trunks;
mod world;

use self::world::check;
