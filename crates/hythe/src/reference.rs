//! The reference pages, made from the tables that the program runs by.

mod cli;
mod configuration;

/// Each page's name and text.
pub fn pages() -> [(&'static str, String); 2] {
    [("cli.md", cli::page()), ("configuration.md", configuration::page())]
}
