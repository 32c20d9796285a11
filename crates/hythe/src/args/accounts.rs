//! Arguments of `hythe user` and `hythe token`.

use std::time::Duration;

use clap::Subcommand;
use hythe_auth::Subject;

use crate::values::parse_duration;

pub(super) const USER_EXAMPLES: &str = "\
Examples:
  hythe user add alice                         create a user, and print the password
  pass show registry | hythe user add alice --password-stdin
                                               create a user with this password, or change it
  hythe user ls                                list the users
  hythe user rm alice                          remove a user and the user's tokens

The registry must run with users: `hythe serve --users` (auth.users).";

pub(super) const TOKEN_EXAMPLES: &str = "\
Examples:
  hythe token create robot:ci --note 'build server' --valid 90d
                                               create a token of a robot, and print it
  hythe token create user:alice                create a personal token of a user
  hythe token ls                               list the tokens with their last use
  hythe token rm 0123456789abcdef              revoke a token

A token is the password of `docker login`; the user name beside it does not matter. What a robot may do is a matter of rules:
subjects = [\"robot:ci\"].";

/// The options of `hythe user`.
#[derive(Clone, Debug, clap::Args)]
pub struct UserArgs {
    /// The registry: a URL, or HOST:PORT for plain HTTP [default: `HYTHE_REGISTRY`, else `http://localhost:5001` or the
    /// port in `REG_PORT`]
    #[arg(long, global = true, value_name = "URL")]
    pub registry: Option<String>,
    /// The subcommand.
    #[command(subcommand)]
    pub command: UserCommand,
}

/// The subcommands of `hythe user`.
#[derive(Clone, Debug, Subcommand)]
pub enum UserCommand {
    /// Create a user, or change a user's password
    #[command(after_help = USER_EXAMPLES)]
    Add {
        /// The user's name
        name: String,
        /// Read the password from stdin; otherwise the command makes one, and prints it
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the users
    Ls,
    /// Remove a user and the user's tokens
    Rm {
        /// The user's name
        name: String,
    },
}

/// The options of `hythe token`.
#[derive(Clone, Debug, clap::Args)]
pub struct TokenArgs {
    /// The registry: a URL, or HOST:PORT for plain HTTP [default: `HYTHE_REGISTRY`, else `http://localhost:5001` or the
    /// port in `REG_PORT`]
    #[arg(long, global = true, value_name = "URL")]
    pub registry: Option<String>,
    /// The subcommand.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// The subcommands of `hythe token`.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token of a robot or of a user, and print it
    #[command(after_help = TOKEN_EXAMPLES)]
    Create {
        /// Whose token it is: robot:NAME or user:NAME
        #[arg(value_name = "KIND:NAME")]
        subject: Subject,
        /// The purpose, for `hythe token ls`
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
        /// How long the token is valid [default: until it is revoked]
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        valid: Option<Duration>,
    },
    /// List the tokens with their last use
    Ls {
        /// Only the tokens of this user or robot
        #[arg(value_name = "KIND:NAME")]
        subject: Option<Subject>,
    },
    /// Revoke a token
    Rm {
        /// The token's id, its part after `hythe_`
        id: String,
    },
}
