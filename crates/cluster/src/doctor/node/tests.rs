use super::*;
use crate::doctor::Verdict;
use crate::sample::cluster;

fn output(code: i64, stdout: &str, stderr: &str) -> Output {
    Output { code, stdout: stdout.to_owned(), stderr: stderr.to_owned() }
}

/// A registry that runs at an address of the node's network.
fn standing() -> Standing {
    Standing { runs: true, is_joined: true, addresses: vec!["172.18.0.5".to_owned()] }
}

#[test]
fn a_name_is_good_only_if_it_has_the_registrys_address() {
    let judged = |code, stdout: &str, stderr: &str, standing: &Standing| {
        judge_name("w", "kind-registry", &output(code, stdout, stderr), standing, &cluster())
    };
    let well = judged(0, "172.18.0.5  kind-registry\n", "", &standing());
    assert_eq!(well.verdict, Verdict::Good, "{well}");
    let stopped = Standing { runs: false, ..standing() };
    let apart = Standing { is_joined: false, addresses: Vec::new(), ..standing() };
    let hosts = "10.9.9.9 kind-registry\n";
    for (code, stdout, stderr, standing, text) in [
        (2, "", "", &stopped, "does not run"),
        (2, "", "", &apart, "on none of this node's networks"),
        (124, "", "", &standing(), "no answer"),
        (0, hosts, hosts, &standing(), "/etc/hosts: 10.9.9.9 kind-registry"),
        (0, hosts, "", &standing(), "DNS gives the name another address"),
    ] {
        let check = judged(code, stdout, stderr, standing);
        assert!(check.verdict == Verdict::Bad && check.to_string().contains(text), "{check}");
        assert!(!check.to_string().contains("firewall"), "{check}");
    }
    let missing = judged(127, "exec: \"getent\": executable file not found", "", &standing());
    assert_eq!(missing.verdict, Verdict::Unknown);
}

#[test]
fn a_cause_is_named_only_on_evidence() {
    let judged = |silence, standing: &Standing| {
        judge_reach("node w", "http://kind-registry:5000/v2/", Err(silence), standing, &cluster())
    };
    let stopped = Standing { runs: false, ..standing() };
    let apart = Standing { is_joined: false, ..standing() };
    for (silence, standing, text, is_repaired) in [
        // A registry that does not run is not said to be on no network.
        (Silence::TimedOut, &stopped, "does not run", false),
        (Silence::NoSuchName, &apart, "none of this node's networks", true),
        // `hythe attach` does not repair rules that drop packets.
        (Silence::TimedOut, &standing(), "no packet comes back", false),
        (Silence::NoRoute, &standing(), "no packet comes back", false),
        (Silence::Refused, &standing(), "nothing listens at this address", false),
    ] {
        let check = judged(silence, standing);
        assert!(check.to_string().contains(text), "{check}");
        assert_eq!(check.repair.is_some(), is_repaired, "{check}");
    }
}

#[test]
fn the_cri_plugin_is_found_in_both_series_of_containerd() {
    let one = "TYPE ID PLATFORMS STATUS\nio.containerd.grpc.v1 cri linux/amd64 ok\n";
    let two = "io.containerd.cri.v1 images - ok\nio.containerd.grpc.v1 cri - ok\n";
    let refused = "io.containerd.cri.v1 images - error\nio.containerd.grpc.v1 cri - error\n";
    for (text, verdict) in [
        (one, Verdict::Good),
        (two, Verdict::Good),
        (refused, Verdict::Bad),
        ("io.containerd.x y - ok\n", Verdict::Bad),
    ] {
        assert_eq!(judge_cri("node w", &output(0, text, ""), &cluster()).verdict, verdict, "{text}");
    }
    let down = judge_cri("node w", &output(1, "", "ctr: failed to dial"), &cluster());
    assert!(down.to_string().contains("docker exec w systemctl restart containerd"), "{down}");
}

#[test]
fn a_configuration_that_changed_after_containerds_start_is_bad() {
    for (running, changed, verdict) in [
        ("  100\n", "900\n850\n", Verdict::Good),
        ("  100\n", "902\n", Verdict::Good),
        ("  100\n", "850\n960\n", Verdict::Bad),
        ("", "900\n", Verdict::Unknown),
    ] {
        let check = judge_restarted("w", running, "1000\n", changed);
        assert_eq!(check.verdict, verdict, "{check}");
    }
    assert!(judge_restarted("w", "100", "1000", "960").evidence.contains("60 s after"));
}

#[test]
fn the_wait_for_a_dead_mirror_depends_on_dial_timeout_and_the_version() {
    let mirror = |has_timeout| Mirror {
        url: "http://m:5000".to_owned(),
        path: "/r/_default/hosts.toml".to_owned(),
        has_timeout,
    };
    for (has_timeout, knows, text) in [
        (true, true, "its dial_timeout"),
        (false, true, "30 seconds, as it has no"),
        (true, false, "30 seconds, as this version of containerd"),
    ] {
        let check = judge_mirror("node w", &mirror(has_timeout), knows, &Err(Silence::TimedOut));
        assert!(check.verdict == Verdict::Bad && check.to_string().contains(text), "{check}");
    }
    let gone = judge_mirror("node w", &mirror(true), true, &Err(Silence::NoSuchName));
    assert!(gone.verdict == Verdict::Bad && gone.evidence.contains("no such host"), "{gone}");
    let other = Answer::parse(b"HTTP/1.1 401 x\r\n\r\n").unwrap();
    assert_eq!(judge_mirror("node w", &mirror(true), true, &Ok(other)).verdict, Verdict::Good);
}

#[test]
fn only_log_lines_since_the_last_start_count() {
    let mirrors = "failed to load plugin io.containerd.grpc.v1.cri: `mirrors` cannot be set when `config_path` is provided";
    let decode = "level=error msg=\"failed to decode hosts.toml\" error=\"invalid `host` tree\"";
    for (text, verdict) in [
        (format!("starting containerd\n{mirrors}\n"), Verdict::Bad),
        (format!("{mirrors}\nstarting containerd\nwell\n"), Verdict::Good),
        (format!("starting containerd\n{decode}\n"), Verdict::Unknown),
        (String::new(), Verdict::Good),
    ] {
        let check = judge_log("node w", &output(0, &text, ""), &cluster());
        assert_eq!(check.verdict, verdict, "{text}");
        assert!(!check.to_string().contains("not known"), "{check}");
    }
    let unread = judge_log("node w", &output(1, "", ""), &cluster()).to_string();
    assert!(unread.contains("not known whether containerd logs a configuration error"), "{unread}");
}
