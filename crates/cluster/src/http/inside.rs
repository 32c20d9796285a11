//! Sends a request from inside a node, by a program that the node has: curl, bash or wget.

use super::{Answer, Silence, request};
use hythe_engine::{Engine, Output};

/// Seconds that a request may take.
const PATIENCE: &str = "5";

/// A script that sends its standard input to the host and port in its arguments. No input becomes part of the script.
const BY_BASH: &str = r#"exec 3<>"/dev/tcp/$1/$2" || exit 7; cat >&3; cat <&3"#;

/// Requests a URL from inside a node; with `direct`, without the node's proxy.
pub(crate) async fn ask(
    engine: &Engine,
    node: &str,
    method: &str,
    url: &str,
    accept: &str,
    direct: bool,
) -> Result<Answer, Silence> {
    let accept = format!("Accept: {accept}");
    let mut command =
        vec!["curl", "--silent", "--show-error", "--include", "--suppress-connect-headers", "--http1.1"];
    command.extend(["--max-time", PATIENCE, "--header", &accept]);
    if method == "HEAD" {
        command.push("--head");
    }
    if direct {
        command.extend(["--noproxy", "*"]);
    }
    command.extend(["--", url]);
    if let Some(answer) = run(engine, node, &command, None, |output| output.stdout.as_bytes().to_vec()).await
    {
        return answer;
    }
    if let Some((host, port, path)) = url.strip_prefix("http://").and_then(parts) {
        let text = request(method, &path, &format!("{host}:{port}"), &[("Accept", &accept[8..])], b"");
        let command = ["timeout", PATIENCE, "bash", "-c", BY_BASH, "bash", &host, &port];
        let answer =
            run(engine, node, &command, Some(&text), |output| output.stdout.as_bytes().to_vec()).await;
        if let Some(answer) = answer {
            return answer;
        }
    }
    let proxy = if direct { "off" } else { "on" };
    let command = ["wget", "-S", "-O", "-", "-T", PATIENCE, "-Y", proxy, "--header", &accept, url];
    let answer = run(engine, node, &command, None, |output| {
        // wget prints the head among its own words on standard error, and the body on standard output.
        let lines: Vec<&str> = output.stderr.lines().map(str::trim).collect();
        let head =
            lines.iter().rposition(|line| line.starts_with("HTTP/")).map_or(&[][..], |start| &lines[start..]);
        format!("{}\r\n\r\n{}", head.join("\r\n"), output.stdout).into_bytes()
    });
    answer.await.unwrap_or(Err(Silence::NoTool))
}

/// Runs a program that makes the request; none if the node does not have the program.
async fn run(
    engine: &Engine,
    node: &str,
    command: &[&str],
    stdin: Option<&[u8]>,
    exchange: impl FnOnce(&Output) -> Vec<u8>,
) -> Option<Result<Answer, Silence>> {
    let output = match engine.exec_with(node, command, stdin).await {
        Ok(output) => output,
        Err(error) => return Some(Err(Silence::Failed(error.to_string()))),
    };
    if is_missing(&output) {
        return None;
    }
    Some(Answer::parse(&exchange(&output)).ok_or_else(|| silence(&output)))
}

/// Whether the node does not have a program, which the engine reports by these exit codes.
pub(crate) fn is_missing(output: &Output) -> bool {
    matches!(output.code, 126 | 127)
}

/// Why no answer came, by the words of the program: the exit codes differ between programs.
fn silence(output: &Output) -> Silence {
    let said = output.stderr.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    if has(&["refused", "failed to connect", "could not connect", "cannot assign requested address"])
        && !has(&["timed out", "no route", "unreachable"])
    {
        Silence::Refused
    } else if has(&["could not resolve", "not known", "bad address", "name resolution", "unable to resolve"])
    {
        Silence::NoSuchName
    } else if has(&["no route to host", "unreachable"]) {
        Silence::NoRoute
    } else if output.code == 124 || output.code == 28 || has(&["timed out"]) {
        Silence::TimedOut
    } else {
        let last = output.stderr.lines().rfind(|line| !line.trim().is_empty());
        Silence::Failed(last.map_or_else(
            || format!("the program that asked ended with exit code {}", output.code),
            |line| line.trim().to_owned(),
        ))
    }
}

/// The host, the port and the path of an `http://` URL, without its scheme.
fn parts(rest: &str) -> Option<(String, String, String)> {
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority: hythe_oci::Authority = authority.parse().ok()?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let path = if path.is_empty() { "/" } else { path };
    Some((host, authority.port().unwrap_or(80).to_string(), path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_each_program_tell_why_no_answer_came() {
        for (code, stderr, expected) in [
            (
                7,
                "curl: (7) Failed to connect to kind-registry port 5001: Connection refused",
                Silence::Refused,
            ),
            (
                7,
                "bash: connect: Connection refused\nbash: line 1: /dev/tcp/kind-registry/5001: Connection refused",
                Silence::Refused,
            ),
            (6, "curl: (6) Could not resolve host: kind-registry", Silence::NoSuchName),
            (7, "bash: kind-registry: Name or service not known", Silence::NoSuchName),
            (1, "wget: bad address 'kind-registry:5000'", Silence::NoSuchName),
            (28, "curl: (28) Connection timed out after 5001 milliseconds", Silence::TimedOut),
            (124, "", Silence::TimedOut),
            (7, "bash: connect: No route to host", Silence::NoRoute),
            (
                60,
                "curl: (60) SSL certificate problem: unable to get local issuer certificate",
                Silence::Failed(
                    "curl: (60) SSL certificate problem: unable to get local issuer certificate".to_owned(),
                ),
            ),
        ] {
            let output = Output { code, stdout: String::new(), stderr: stderr.to_owned() };
            assert_eq!(silence(&output), expected, "{stderr}");
        }
    }

    #[test]
    fn a_url_has_a_host_a_port_and_a_path() {
        let table = [
            ("kind-registry:5000/v2/?ns=a", ("kind-registry", "5000", "/v2/?ns=a")),
            ("m", ("m", "80", "/")),
            ("[::1]:5000/", ("::1", "5000", "/")),
        ];
        for (url, (host, port, path)) in table {
            assert_eq!(parts(url), Some((host.to_owned(), port.to_owned(), path.to_owned())));
        }
    }
}
