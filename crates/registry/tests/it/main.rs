//! The registry through its public API, over memory and over a folder.

mod collector;
mod deletes;
mod lost_bytes;
mod model;
mod restart;
mod uploads;
mod world;
