//! Generates the reference pages from the tables that the program itself uses.

mod cli;
mod configuration;

/// The file name and text of each page.
pub fn pages() -> [(&'static str, String); 2] {
    [("cli.md", cli::page()), ("configuration.md", configuration::page())]
}
