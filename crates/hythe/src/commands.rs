//! hythe's commands, one file per verb.

mod accounts;
mod backup;
mod build;
mod bundle;
mod cache;
mod completion;
mod config;
mod copy;
#[cfg(feature = "cluster")]
mod copy_engine;
#[cfg(feature = "cluster")]
mod deploy;
mod docs;
mod du;
#[cfg(feature = "cluster")]
mod engine;
#[cfg(target_os = "linux")]
mod forget;
#[cfg(feature = "cluster")]
mod forward;
mod gc;
mod import;
mod inspect;
mod interpolate;
mod interrupt;
#[cfg(feature = "cluster")]
mod local;
mod ls;
#[cfg(target_os = "linux")]
mod offline;
mod own;
mod policy;
mod probe;
mod promote;
#[cfg(feature = "cluster")]
mod pull;
#[cfg(feature = "cluster")]
mod push;
#[cfg(all(feature = "cluster", target_os = "linux"))]
mod read_layers;
mod recover;
mod registries;
mod registry;
mod restore;
mod retain;
mod rm;
#[cfg(feature = "cluster")]
mod roll_out;
mod runtime;
pub mod serve;
mod tags;
#[cfg(target_os = "linux")]
mod take_logins;
mod test;
mod undelete;
mod verify;
mod version;

pub use cache::{Listing, list_images, parse_image};
pub use registry::registry;

use crate::args::Command;
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::Failure;

/// Runs the command.
pub fn run(command: Command, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::serve(args.inputs(), environment, printer),
        #[cfg(feature = "cluster")]
        Command::Up(args) => local::up(&args, environment, printer),
        #[cfg(feature = "cluster")]
        Command::Down(args) => local::down(&args, environment, printer),
        #[cfg(feature = "cluster")]
        Command::Status(args) => local::status(&args, environment, printer),
        #[cfg(feature = "cluster")]
        Command::Logs(args) => local::logs(&args, printer),
        #[cfg(feature = "cluster")]
        Command::Upgrade(args) => local::upgrade(&args, environment, printer),
        #[cfg(feature = "cluster")]
        Command::Attach(args) => local::attach(&args, environment, printer),
        #[cfg(feature = "cluster")]
        Command::Detach(args) => local::detach(&args, environment, printer),
        #[cfg(feature = "cluster")]
        Command::Doctor(args) => local::doctor(&args, environment, printer),
        #[cfg(feature = "cluster")]
        Command::Image(args) => local::image(&args, printer),
        #[cfg(feature = "cluster")]
        Command::KindConfig(args) => local::kind_config(&args, printer),
        Command::Config(args) => config::config(&args.inputs(), environment, printer),
        Command::Cache(args) => cache::cache(args, environment, printer),
        #[cfg(feature = "cluster")]
        Command::Deploy(args) => deploy::deploy(*args, environment, printer),
        #[cfg(feature = "cluster")]
        Command::Forward(args) => forward::forward(&args, environment, printer),
        Command::Backup(args) => backup::backup(&args, environment, printer),
        Command::Restore(args) => restore::restore(&args, environment, printer),
        Command::Gc(args) => gc::gc(&args, environment, printer),
        Command::Retain(args) => retain::retain(&args, environment, printer),
        Command::Import(args) => import::import(&args, environment, printer),
        Command::Promote(args) => promote::promote(&args, environment, printer),
        Command::Build(args) => build::build(&args, environment, printer),
        #[cfg(feature = "cluster")]
        Command::Copy(args) if args.has_engine() => copy_engine::copy(&args, environment, printer),
        Command::Copy(args) => copy::copy(&args, environment, printer),
        #[cfg(feature = "cluster")]
        Command::Push(args) => push::push(&args, environment, printer),
        #[cfg(feature = "cluster")]
        Command::Pull(args) => pull::pull(&args, environment, printer),
        Command::Bundle(args) => bundle::bundle(args, environment, printer),
        Command::Ls(args) => ls::ls(&args, environment, printer),
        Command::Tags(args) => tags::tags(&args, environment, printer),
        Command::Inspect(args) => inspect::inspect(&args, environment, printer),
        Command::Du(args) => du::du(&args, environment, printer),
        Command::Rm(args) => rm::rm(&args, environment, printer),
        Command::Undelete(args) => undelete::undelete(&args, environment, printer),
        Command::Test(args) => test::test(&args, environment, printer),
        Command::Verify(args) => verify::verify(&args, environment, printer),
        Command::Recover(args) => recover::recover(&args, environment, printer),
        Command::User(args) => accounts::user(&args, environment, printer),
        Command::Token(args) => accounts::token(&args, environment, printer),
        Command::Policy(args) => policy::policy(&args.command, environment, printer),
        Command::Version => {
            version::version(printer);
            Ok(())
        }
        Command::Completion { shell } => {
            completion::completion(shell, printer);
            Ok(())
        }
        #[cfg(target_os = "linux")]
        Command::Own { folder, user, group, import } => {
            let owner = (user, group.unwrap_or(user));
            if import { own::import(&folder, owner, environment) } else { own::own(&folder, owner) }
        }
        #[cfg(target_os = "linux")]
        Command::Forget { folder } => forget::forget(&folder),
        #[cfg(target_os = "linux")]
        Command::TakeLogins { folder } => take_logins::take_logins(&folder, printer),
        #[cfg(all(feature = "cluster", target_os = "linux"))]
        Command::ReadLayers { root, driver } => read_layers::read_layers(root, driver),
        Command::Probe { port } => probe::probe(port, printer),
        Command::Docs { folder } => docs::docs(&folder, printer),
    }
}
