//! `hythe completion SHELL`: prints a shell's completion script.

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::args::Args;
use crate::console::Printer;

/// Prints a shell's completion script.
pub(super) fn completion(shell: Shell, printer: Printer) {
    printer.raw(&script(shell));
}

fn script(shell: Shell) -> Vec<u8> {
    // Into memory first: the generator panics if stdout is a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut shown(), "hythe", &mut script);
    script
}

/// The command line without its hidden commands: the generator would offer these too.
fn shown() -> Command {
    let all = Args::command();
    let commands = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    Command::new("hythe").args(all.get_arguments().cloned()).subcommands(commands)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn hidden_commands_are_not_offered() {
        let hidden = ["take-logins", "probe", "forget", "docs"];
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            assert!(script.contains("kind-config") && script.contains("output"), "{shell}");
            for command in hidden {
                assert!(!script.contains(command), "{shell} offers {command}");
            }
        }
    }
}
