//! `hythe probe`: tells the program that runs this container (an engine or Kubernetes) whether the registry is ready.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::console::Printer;
use crate::failure::{AnswerError, Failure};

/// How long to wait for the connection, and for each read and write.
const PATIENCE: Duration = Duration::from_secs(2);

/// Fails unless the registry on a port of loopback says that it is ready.
pub(super) fn probe(port: u16, printer: Printer) -> Result<(), Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let status = ask(address).map_err(|error| AnswerError::Silent { address, error })?;
    if status != "200" {
        return Err(AnswerError::NotReady { address, status }.into());
    }
    printer.data("ready", || serde_json::json!({ "ready": true }));
    Ok(())
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET /readyz HTTP/1.0\r\nHost: localhost:{}\r\n\r\n", address.port());
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(64).read_to_string(&mut answer)?;
    Ok(answer.split_whitespace().nth(1).unwrap_or("no status").to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::values::Output;

    fn probed(answer: &'static str) -> Result<(), Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            // Read the whole request: closing with unread bytes would reset the connection.
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend_from_slice(&byte);
            }
            assert!(request.starts_with(b"GET /readyz HTTP/1.0\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let result = probe(port, Printer::new(Output::Text));
        server.join().unwrap();
        result
    }

    #[test]
    fn a_registry_is_ready_once_it_says_so() {
        probed("HTTP/1.1 200 OK\r\n\r\nready\n").unwrap();
        let error = probed("HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap_err();
        assert!(error.to_string().ends_with("is not ready: 503"), "{error}");
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn a_registry_that_does_not_listen_is_not_ready() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        assert_eq!(probe(free, Printer::new(Output::Text)).unwrap_err().exit_code(), 1);
    }
}
