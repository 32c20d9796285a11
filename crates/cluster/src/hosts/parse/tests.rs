//! How each version of containerd reads a file.

use super::*;

const V1: Version = Version::new(1, 7, 13);
const V2: Version = Version::new(2, 1, 0);

fn urls(text: &str, version: Version) -> Vec<String> {
    HostsFile::parse(text, version).unwrap().hosts.into_iter().map(|host| host.url).collect()
}

#[test]
fn hosts_are_in_the_order_of_their_headers() {
    let text = "server = 's'\n[host.'http://b']\n[host.'http://a']\n[host.'http://a'.header]\nx = 'y'\n";
    for version in [V1, V2] {
        assert_eq!(urls(text, version), ["http://b", "http://a"], "{version}");
    }
    let again = "[host.b]\n[host.a]\n[host.b.header]\nx = 'y'\n";
    assert_eq!(urls(again, V1), ["b", "a"]);
    assert_eq!(urls(again, V2), ["b", "a", "b"], "a header of `b` after `a` repeats `b`");
}

#[test]
fn a_host_without_a_header_is_seen_before_2_0_only() {
    let text = "[host]\n'http://b' = {capabilities = ['pull']}\n'http://a'.capabilities = ['pull']\n";
    assert_eq!(urls(text, V1), ["http://b", "http://a"]);
    assert!(urls(text, V2).is_empty());
    assert!(urls("host.a.skip_verify = true\n", V2).is_empty());
    assert_eq!(urls("[host.a.header]\nx = 'y'\n", V2), ["a"]);
}

#[test]
fn each_field_is_read() {
    let text = r#"
server = "https://ghcr.io"
ca = "a.crt"
[host."http://m:5000/v2/x"]
  capabilities = ["pull", "RESOLVE"]
  client = ["both.pem", ["c.pem", "c.key"]]
  skip_verify = false
  override_path = true
  dial_timeout = "1m0.5s"
  unknown = 1
"#;
    let expected = HostsFile {
        hosts: vec![Host {
            capabilities: vec![Capability::Pull, Capability::Resolve],
            client: vec![("both.pem".to_owned(), None), ("c.pem".to_owned(), Some("c.key".to_owned()))],
            skip_verify: Some(false),
            override_path: true,
            dial_timeout: Some("1m0.5s".to_owned()),
            ..Host::at("http://m:5000/v2/x")
        }],
        server: Host { ca: vec!["a.crt".to_owned()], ..Host::at("https://ghcr.io") },
    };
    assert_eq!(HostsFile::parse(text, V2), Ok(expected));
}

#[test]
fn what_a_version_of_containerd_rejects_is_a_fault_for_that_version() {
    let early = Version::new(1, 7, 31);
    let late = Version::new(2, 3, 0);
    let kind = |key: &str, expected| Fault::Kind { key: key.to_owned(), expected };
    let table = [
        ("server = 's'\n", early, Some(Fault::NoHostTable(early))),
        ("# none\n", V1, Some(Fault::NoHostTable(V1))),
        ("host = 1\n", V1, Some(Fault::NoHostTable(V1))),
        ("host = 1\n", V2, Some(kind("host", "a table"))),
        ("server = 's'\n[host]\n", early, None),
        ("server = 's'\n", Version::new(1, 7, 32), None),
        ("[host.a]\ncapabilities = ['referrers']\n", V2, Some(Fault::EarlyReferrers(V2))),
        ("[host.a]\ncapabilities = ['referrers']\n", late, None),
        ("[host.a]\ncapabilities = ['delete']\n", late, Some(Fault::UnknownCapability("delete".to_owned()))),
        ("[host.a]\ncapabilities = 'pull'\n", V1, Some(kind("capabilities", "a list of words"))),
        ("[host.a]\nskip_verify = 'yes'\n", V1, Some(kind("skip_verify", "true or false"))),
        ("[host.a]\nclient = [['x']]\n", V1, Some(kind("client", FILES))),
        ("[host.a]\nca = 1\n", V1, Some(kind("ca", FILES))),
        ("[host.a]\ndial_timeout = '3'\n", V2, Some(Fault::Timeout("3".to_owned()))),
        ("[host.a]\ndial_timeout = '3'\n", V1, None),
    ];
    for (text, version, fault) in table {
        assert_eq!(HostsFile::parse(text, version).err(), fault, "{text} {version}");
    }
    let Err(Fault::NotToml(error)) = HostsFile::parse("server = 's'\n[host.a\n", V1) else {
        panic!("an open bracket is not TOML")
    };
    assert_eq!(error.line, 2);
}
