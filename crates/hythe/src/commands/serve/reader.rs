//! Reads the configuration of a server.

use crate::config::{ConfigError, Environment, Inputs, Loaded, Reloaded, load, reload};
use crate::console::Printer;
use crate::settings::Settings;

/// Reads the configuration, the first time and again (SIGHUP).
pub struct Reader {
    pub(super) inputs: Inputs,
    pub(super) environment: Environment,
    pub(super) printer: Printer,
}

impl Reader {
    /// A reader of these inputs.
    pub(in crate::commands) fn new(inputs: Inputs, environment: &Environment, printer: Printer) -> Self {
        Self { inputs, environment: environment.clone(), printer }
    }

    /// The configuration, with the logins of the upstreams looked up.
    pub fn read(&self) -> Result<Loaded, ConfigError> {
        let mut loaded = load(&self.inputs, &self.environment)?;
        loaded.log_in(&self.environment)?;
        Ok(loaded)
    }

    /// The settings to run with from now on; `None` if the configuration cannot be used, which changes nothing.
    pub fn read_again(&self, running: &Settings) -> Option<Reloaded> {
        match self.read() {
            Ok(loaded) => {
                self.printer.warnings(&loaded.warnings);
                Some(reload(running, &loaded.settings))
            }
            Err(error) => {
                self.printer.failure(&error.into());
                self.printer
                    .note("the configuration was not reloaded; the previous configuration stays in effect");
                None
            }
        }
    }

    /// Prints what changed, after the change.
    pub fn tell(&self, reloaded: &Reloaded) {
        for key in &reloaded.applied {
            let value = key.kind.show(&reloaded.settings);
            self.printer.note(format_args!("reloaded: {} = {value}", key.name));
        }
        for table in &reloaded.tables {
            self.printer.note(format_args!("reloaded: {table}"));
        }
        for key in &reloaded.waiting {
            self.printer.note(format_args!(
                "warning: `{}` changed; the change takes effect at the next start",
                key.name
            ));
        }
    }
}
