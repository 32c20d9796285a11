//! Who may do what: every subject with every request, logins, and tokens.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

mod accounts;
mod logins;
mod matrix;
mod tokens;
mod world;
