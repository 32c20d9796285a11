//! A registry of the reference implementation, started on the machine: Debian's 2.8 or distribution 3.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::client::Client;
use crate::command::{Output, program};
use crate::process::Process;
use crate::server::free_port;

/// Time within which the registry must answer after its start.
const START: Duration = Duration::from_secs(30);

/// Starts the registry `binary`, which allows deletes. It keeps its data in the folder.
pub fn start(binary: &Path, folder: &Path) -> (Process, SocketAddr) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let configuration = folder.join("config.yml");
    let text = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
         http:\n  addr: {address}\n  secret: e2e\n",
        folder.join("data").display()
    );
    fs::write(&configuration, text).expect("the folder is ours");
    let mut command = program(binary, ["serve"]);
    command.arg(&configuration).env_clear().env("OTEL_TRACES_EXPORTER", "none");
    let mut process = Process::spawn("the registry", &mut command, &folder.join("log"));
    process.answers(START, || match Client::new(address).get("/v2/") {
        Ok(_) => Output { code: Some(0), ..Output::default() },
        Err(error) => Output { stderr: error.to_string(), ..Output::default() },
    });
    (process, address)
}
