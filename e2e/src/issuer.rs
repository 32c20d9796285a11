//! A token server. It gives a user who logs in a short-lived token for exactly the requested scope, and counts its
//! answers.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::tool;
use crate::command::{program, run};
use crate::user::{PASSWORD, USER};

const NAME: &str = "e2e-issuer";
const SERVICE: &str = "e2e-upstream";

/// Seconds for which distribution accepts a token after its expiry. The server's tokens state an expiry that is earlier
/// by this time.
const LEEWAY: u64 = 60;

/// A running token server. It ends with the test's process.
pub struct Issuer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// The folder with the signing key and its certificate.
    folder: TempDir,
    /// The lifetime of a token, in seconds.
    lifetime: AtomicU64,
    /// The scope of each issued token.
    given: Mutex<Vec<String>>,
    /// The number of requests with other credentials than [`USER`]'s, or without any.
    refused: AtomicU64,
}

impl Issuer {
    /// Starts a token server with a new key.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        run(program(tool("openssl"), ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=e2e-issuer", "-keyout", &at("key.pem"), "-out", &at("certificate.pem")]));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            folder,
            lifetime: AtomicU64::new(300),
            given: Mutex::default(),
            refused: AtomicU64::new(0),
        });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                served.answer(&stream);
            }
        });
        Self { address, shared }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the lifetime of tokens that are issued from now on, in whole seconds.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.shared.lifetime.store(lifetime.as_secs(), Ordering::SeqCst);
    }

    /// The scopes of the tokens that were issued so far.
    pub fn given(&self) -> Vec<String> {
        self.shared.given.lock().clone()
    }

    /// The number of refused requests for a token.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// The part of distribution's configuration that makes it trust this issuer.
    pub(crate) fn auth(&self) -> String {
        let certificate = self.shared.folder.path().join("certificate.pem");
        format!(
            "auth:\n  token:\n    realm: http://{}/token\n    service: {SERVICE}\n    issuer: {NAME}\n    \
             rootcertbundle: {}\n    signingalgorithms: [RS256]\n",
            self.address,
            certificate.display()
        )
    }
}

impl Shared {
    fn answer(&self, mut stream: &TcpStream) {
        let Some((target, authorization)) = read_request(stream) else { return };
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (status, body) = if path == "/token" {
            self.token(query, &authorization)
        } else {
            ("404 Not Found", json!({"details": "there are tokens at /token only"}))
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    }

    fn token(&self, query: &str, authorization: &str) -> (&'static str, Value) {
        let expected = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        let service = values(query, "service");
        if authorization != expected || service != [SERVICE] {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return ("401 Unauthorized", json!({"details": "who are you?"}));
        }
        let scopes = values(query, "scope");
        let access: Vec<Value> = scopes.iter().map(|scope| access(scope)).collect();
        let lifetime = self.lifetime.load(Ordering::SeqCst);
        let now =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970").as_secs();
        let claims = json!({
            "iss": NAME, "sub": USER, "aud": SERVICE,
            "iat": now, "nbf": now - LEEWAY, "exp": now + lifetime - LEEWAY,
            "access": access,
        });
        let token = sign(self.folder.path(), &claims);
        self.given.lock().push(scopes.join(" "));
        ("200 OK", json!({"token": token, "expires_in": lifetime}))
    }
}

/// The target of a request and its `Authorization`.
fn read_request(stream: &TcpStream) -> Option<(String, String)> {
    let mut lines = BufReader::new(stream).lines();
    let target = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut authorization = String::new();
    for line in lines {
        let line = line.ok()?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                value.trim().clone_into(&mut authorization);
            }
            Some(_) => {}
            None => break,
        }
    }
    Some((target, authorization))
}

fn values(query: &str, key: &str) -> Vec<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == key).map(|(_, value)| decoded(value)).collect()
}

fn decoded(value: &str) -> String {
    let mut parts = value.split('%');
    let mut text = parts.next().unwrap_or_default().replace('+', " ");
    for part in parts {
        let code = u8::from_str_radix(&part[..2], 16).expect("a percent sign is followed by two digits");
        text.push(char::from(code));
        text.push_str(&part[2..].replace('+', " "));
    }
    text
}

/// `TYPE:NAME:ACTION,ACTION` as a claim.
fn access(scope: &str) -> Value {
    let (kind, rest) = scope.split_once(':').unwrap_or_else(|| panic!("`{scope}` is no scope"));
    let (name, actions) = rest.rsplit_once(':').unwrap_or_else(|| panic!("`{scope}` is no scope"));
    json!({"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()})
}

/// A JSON Web Token with the key's certificate, signed by RS256.
fn sign(folder: &Path, claims: &Value) -> String {
    let certificate = fs::read_to_string(folder.join("certificate.pem")).expect("openssl wrote it");
    let certificate: String = certificate.lines().filter(|line| !line.starts_with("-----")).collect();
    let header = json!({"alg": "RS256", "typ": "JWT", "x5c": [certificate]});
    let text = [header.to_string(), claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let (signed, signature) = (folder.join("signed"), folder.join("signature"));
    fs::write(&signed, &text).expect("the folder is ours");
    let mut openssl = program(tool("openssl"), ["dgst", "-sha256", "-sign"]);
    run(openssl.arg(folder.join("key.pem")).arg("-out").arg(&signature).arg(&signed));
    let signature = fs::read(signature).expect("openssl wrote it");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
