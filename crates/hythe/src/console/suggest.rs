//! Completes the commands that messages suggest with the options of this run.
//!
//! A message writes a command between backticks, with only the options of its own case: `` `hythe up --port 5002` ``.
//! The printer completes it here, so that it addresses the same registry, engine and cluster as this run.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::args::{BundleCommand, Command};
use crate::config::{Environment, REGISTRY_VARIABLE};

/// The port of a registry, unless an option or variable sets another.
const DEFAULT_PORT: u16 = 5001;

/// Options that the next command also reads from a variable.
const VARIABLES: [(Taker, &str, &str); 4] = [
    (Taker::Engine, "--engine", "HYTHE_ENGINE"),
    (Taker::Container, "--name", "REG_NAME"),
    (Taker::Up, "--port", "REG_PORT"),
    (Taker::Served, "--registry", REGISTRY_VARIABLE),
];

/// Separators between two commands in one suggestion.
const JOINTS: [&str; 3] = [" && ", " | ", "; "];

/// Options that exclude each other: an option that a suggestion names, and the options that it replaces.
const REPLACES: [(&str, &[&str]); 6] = [
    ("--adopt", &["--data", "--volume", "--process"]),
    ("--data", &["--volume"]),
    ("--volume", &["--data", "--process"]),
    ("--mirror-port", &["--process"]),
    ("--image", &["--binary"]),
    ("--host-path", &["--size", "--storage-class", "--claim"]),
];

/// The commands that take an option.
#[cfg_attr(
    not(feature = "cluster"),
    allow(dead_code, reason = "without engines and clusters, no option of theirs is in effect")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taker {
    /// Commands that use a container engine.
    Engine,
    /// Commands about a registry's container.
    Container,
    /// Commands that choose a cluster from the kubeconfig.
    Context,
    /// Commands about a registry in a cluster.
    Deployed,
    /// Commands that talk to a registry by HTTP.
    Served,
    /// `up` only, to repeat a run that failed.
    Up,
    /// `deploy` only, to repeat a run.
    Deploy,
    /// `serve` only, to repeat a run.
    Serve,
}

/// An option of this run.
#[derive(Clone, Debug)]
struct Given {
    taker: Taker,
    flag: String,
    value: Option<String>,
    /// Whether the option can be given several times.
    is_list: bool,
}

impl Given {
    fn switch(taker: Taker, flag: impl Into<String>) -> Self {
        Self { taker, flag: flag.into(), value: None, is_list: false }
    }

    /// The flag's name, without a value in the same word (`--flag=value`).
    fn name(&self) -> &str {
        self.flag.split('=').next().unwrap_or_default()
    }
}

/// The options of this run that a suggested command needs too.
#[derive(Debug, Default)]
pub struct InEffect {
    given: Vec<Given>,
    port: OnceLock<u16>,
    /// The registry that commands use by default: `HYTHE_REGISTRY`, else `localhost` and the port of `REG_PORT`.
    asked: String,
}

impl InEffect {
    /// The options of a command line, without those that the environment gives to the next command too.
    pub fn of(command: &Command, environment: &Environment) -> Self {
        let mut in_effect = Self::default();
        match command {
            Command::Cache(args) => in_effect.add(Taker::Served, "--registry", args.registry.as_ref()),
            Command::Gc(args) => in_effect.add(Taker::Served, "--registry", args.registry.as_ref()),
            Command::Retain(args) => in_effect.add(Taker::Served, "--registry", args.registry.as_ref()),
            Command::Undelete(args) => in_effect.add(Taker::Served, "--registry", args.registry.as_ref()),
            Command::Verify(args) => in_effect.add(Taker::Served, "--registry", args.registry.as_ref()),
            Command::Backup(args) => in_effect.add(Taker::Served, "--registry", args.registry.as_ref()),
            Command::Restore(args) => in_effect.add(Taker::Served, "--registry", args.registry.as_ref()),
            Command::Import(args) => in_effect.add(Taker::Served, "--registry", args.registry.as_ref()),
            Command::Bundle(args) => {
                if let BundleCommand::Load(args) = &args.command {
                    in_effect.add(Taker::Served, "--registry", args.registry.as_ref());
                }
            }
            Command::Serve(args) => {
                let file = args.file.as_ref().or(args.config.as_ref());
                in_effect.add(Taker::Serve, "--config", file.map(|file| file.display()));
                for (flag, values) in args.flags.given() {
                    // A switch takes a value only after `=`.
                    let options = values.iter().map(|value| format!("--{flag}={value}"));
                    in_effect.given.extend(options.map(|flag| Given::switch(Taker::Serve, flag)));
                }
            }
            #[cfg(feature = "cluster")]
            command => local::of(&mut in_effect, command),
            #[cfg(not(feature = "cluster"))]
            _ => {}
        }
        let variable = |name: &str| environment.variables.get(name).and_then(|value| value.to_str());
        let is_said = |given: &Given| {
            VARIABLES.iter().any(|(taker, flag, name)| {
                given.taker == *taker && given.flag == *flag && given.value.as_deref() == variable(name)
            })
        };
        in_effect.given.retain(|given| !is_said(given));
        let port = variable("REG_PORT").and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_PORT);
        let named = variable(REGISTRY_VARIABLE).filter(|named| !named.is_empty());
        in_effect.asked = named.map_or_else(|| format!("localhost:{port}"), str::to_owned);
        in_effect
    }

    fn add(&mut self, taker: Taker, flag: &str, value: Option<impl ToString>) {
        let flag = flag.to_owned();
        let value = value.map(|value| value.to_string());
        self.given.extend(value.map(|value| Given { taker, flag, value: Some(value), is_list: false }));
    }

    /// Sets the port, on this machine, of the registry that this run is about. Later calls have no effect.
    pub(crate) fn registry_port(&self, port: u16) {
        // The first call has the port of the registry that the user named.
        let _ = self.port.set(port);
    }

    /// Completes the commands in a text with the options of this run.
    pub fn complete<'a>(&self, text: &'a str) -> Cow<'a, str> {
        const START: &str = "`hythe ";
        if !text.contains(START) {
            return Cow::Borrowed(text);
        }
        let mut completed = String::with_capacity(text.len() + 64);
        let mut rest = text;
        while let Some(at) = rest.find(START) {
            let (before, command) = rest.split_at(at + 1);
            completed.push_str(before);
            let end = command.find(['`', '\n']).unwrap_or(command.len());
            completed.push_str(&self.complete_line(&command[..end]));
            rest = &command[end..];
        }
        completed.push_str(rest);
        Cow::Owned(completed)
    }

    /// Completes each command of a line such as `hythe down && hythe up`.
    fn complete_line(&self, line: &str) -> String {
        let joint = JOINTS.iter().filter_map(|joint| Some((line.find(joint)?, *joint))).min();
        match joint {
            Some((at, joint)) => {
                let rest = self.complete_line(&line[at + joint.len()..]);
                format!("{}{joint}{rest}", self.complete_command(&line[..at]))
            }
            None => self.complete_command(line),
        }
    }

    fn complete_command(&self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        if words.first() != Some(&"hythe") {
            return command.to_owned();
        }
        let mut completed = command.to_owned();
        let has = |flag: &str| words.iter().any(|word| word.split('=').next() == Some(flag));
        let is_replaced =
            |flag: &str| REPLACES.iter().any(|(named, replaced)| has(named) && replaced.contains(&flag));
        let is_named = self.given.iter().any(|given| given.taker == Taker::Served);
        let port = self.port.get().filter(|_| !is_named).map(|port| format!("localhost:{port}"));
        let port = port.filter(|at| *at != self.asked);
        let port = port.map(|at| Given {
            taker: Taker::Served,
            flag: "--registry".to_owned(),
            value: Some(at),
            is_list: false,
        });
        for given in self.given.iter().chain(&port) {
            let flag = given.name();
            if !given.taker.takes(&words) || is_replaced(flag) || (has(flag) && !given.is_list) {
                continue;
            }
            completed.push(' ');
            completed.push_str(&quoted(&given.flag));
            if let Some(value) = &given.value {
                completed.push(' ');
                completed.push_str(&quoted(value));
            }
        }
        completed
    }
}

impl Taker {
    fn takes(self, words: &[&str]) -> bool {
        let verb = words.get(1).copied().unwrap_or_default();
        let beside = ["up", "down", "status", "logs", "upgrade", "doctor", "attach", "detach"];
        let is_in_cluster = words.contains(&"--in-cluster");
        match self {
            Self::Engine => beside.contains(&verb) || ["image", "deploy"].contains(&verb),
            Self::Container => beside.contains(&verb) && !is_in_cluster,
            Self::Context => ["deploy", "forward"].contains(&verb),
            Self::Deployed => ["deploy", "forward"].contains(&verb) || is_in_cluster,
            // The subcommands of `backup` are about a folder.
            Self::Served if verb == "backup" => {
                words.get(2).is_none_or(|word| !["list", "verify", "prune"].contains(word))
            }
            Self::Served => ["cache", "gc", "retain", "undelete", "verify"].contains(&verb),
            Self::Up => verb == "up",
            Self::Serve => verb == "serve",
            Self::Deploy => verb == "deploy" && words.get(2).is_none_or(|word| word.starts_with("--")),
        }
    }
}

/// Quotes a value for a shell, if needed.
fn quoted(value: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    if !value.is_empty() && value.bytes().all(is_plain) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("'{}'", value.replace('\'', r"'\''")))
}

#[cfg(feature = "cluster")]
mod local;

#[cfg(test)]
mod tests;
