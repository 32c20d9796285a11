//! A real S3 server for one test: versitygw, which keeps objects in a folder.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::binary::built_tool;
use crate::command::{Output, program};
use crate::process::Process;
use crate::server::free_port;

/// The access key that may do everything.
pub const ID: &str = "test-access-key";
/// The key's secret.
pub const SECRET: &str = "test-secret-key";

/// Time limit for a start. It is long because the machine may be busy with other suites.
const START: Duration = Duration::from_mins(1);

/// A running S3 server.
pub struct S3 {
    process: Process,
    address: SocketAddr,
    folder: TempDir,
}

impl S3 {
    /// Starts a server without buckets.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("hythe-e2e-s3-").tempdir().expect("a temporary folder");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let objects = folder.path().join("objects");
        std::fs::create_dir(&objects).expect("the folder is ours");
        let mut command = program(built_tool("versitygw"), ["--port", &address.to_string(), "posix"]);
        command.arg(&objects).env("ROOT_ACCESS_KEY", ID).env("ROOT_SECRET_KEY", SECRET);
        let mut process = Process::spawn("versitygw", &mut command, &folder.path().join("versitygw.log"));
        process.answers(START, || {
            let code = TcpStream::connect(address).map_or(1, |_| 0);
            Output { code: Some(code), ..Output::default() }
        });
        Self { process, address, folder }
    }

    /// Makes a bucket.
    pub fn make(&self, bucket: &str) {
        std::fs::create_dir(self.bucket(bucket)).expect("the bucket is new");
    }

    /// The folder with the objects of a bucket.
    pub fn bucket(&self, bucket: &str) -> PathBuf {
        self.folder.path().join("objects").join(bucket)
    }

    /// The server's URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The variables that lead a program to this server.
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
    }

    /// Gives a command the variables that lead it to this server.
    pub fn lead<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.envs(self.variables())
    }

    /// The server's log so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}
