//! Generates the reference page of the command line.

use std::fmt::Write as _;

use clap::CommandFactory;

use crate::args::{Args, RegistryArgs};
use crate::failure::EXIT_CODES;

const INTRODUCTION: &str = "\
<!-- Written by `hythe docs docs/reference`; change the program's tables instead. -->
# Command line

hythe prints data to stdout and messages to stderr. `--output json` prints the data as JSON, for programs.
";

/// The page's text. Writing to a string cannot fail, so the results are dropped.
pub(super) fn page() -> String {
    // Without a fixed width, help is wrapped to the terminal, and the page would depend on the terminal.
    let mut command = Args::command().term_width(100);
    command.build();
    let mut page = INTRODUCTION.to_owned();
    let _ = write!(page, "\n```text\n{EXIT_CODES}\n```\n");
    section(&mut page, "hythe", &mut command);
    subcommands(&mut page, "hythe", &mut command);
    // The same program, called as `registry`.
    let mut command = RegistryArgs::command().term_width(100);
    command.build();
    section(&mut page, "registry", &mut command);
    subcommands(&mut page, "registry", &mut command);
    page
}

fn subcommands(page: &mut String, of: &str, command: &mut clap::Command) {
    for subcommand in command.get_subcommands_mut() {
        if !subcommand.is_hide_set() && subcommand.get_name() != "help" {
            let title = format!("{of} {}", subcommand.get_name());
            section(page, &title, subcommand);
            subcommands(page, &title, subcommand);
        }
    }
}

fn section(page: &mut String, title: &str, command: &mut clap::Command) {
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.trim().lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## {title}\n\n```text\n{}\n```\n", lines.join("\n"));
}
