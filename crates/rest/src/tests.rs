//! Each route with its body, who may see what, and what is refused how.

mod operations;
mod reads;
mod world;
