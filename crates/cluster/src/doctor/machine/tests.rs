use super::*;
use crate::doctor::Verdict;
use crate::sample::settings;

#[allow(clippy::unnecessary_wraps, reason = "the tables mix answers with `Err(Silence)`")]
fn answer(text: &str) -> Result<Answer, Silence> {
    Ok(Answer::parse(text.as_bytes()).unwrap())
}

#[test]
fn the_registry_is_told_from_another_program_at_its_port() {
    let socket = "unix:///var/run/docker.sock";
    let ok = || answer("HTTP/1.1 200 OK\r\n\r\n");
    let air = || answer("HTTP/1.1 403 Forbidden\r\nServer: AirTunes/845.5.1\r\n\r\n");
    let absent = || answer("HTTP/1.1 404 Not Found\r\n\r\n");
    let table = [
        (socket, ok(), ok(), Verdict::Good, "200"),
        (socket, ok(), answer("HTTP/1.1 503 x\r\n\r\nimporting"), Verdict::Bad, "importing"),
        (socket, air(), absent(), Verdict::Bad, "AirPlay"),
        (socket, ok(), absent(), Verdict::Bad, "another program answers"),
        (socket, Err(Silence::Refused), Err(Silence::Refused), Verdict::Bad, "hythe up"),
        (
            "tcp://10.0.0.7:2375",
            Err(Silence::Refused),
            Err(Silence::Refused),
            Verdict::Bad,
            "ssh -L 5000:localhost:5000 10.0.0.7",
        ),
    ];
    for (engine, api, ready, verdict, text) in table {
        let check = judge_answer(engine, &settings(5000), &api, &ready);
        assert_eq!(check.verdict, verdict, "{check}");
        assert!(check.to_string().contains(text), "{check}");
    }
}

#[test]
fn localhost_is_bad_if_it_leads_to_another_program_or_to_none() {
    let (four, six): (IpAddr, IpAddr) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    let other = || answer("HTTP/1.1 403 Forbidden\r\n\r\n");
    let table = [
        (vec![four], Err(Silence::Refused), Verdict::Good),
        (vec![six, four], Err(Silence::Refused), Verdict::Good),
        (vec![six], Err(Silence::Refused), Verdict::Bad),
        (vec![six, four], other(), Verdict::Bad),
        (vec![four], other(), Verdict::Good),
        (vec![], Err(Silence::Refused), Verdict::Bad),
    ];
    for (addresses, by_six, verdict) in table {
        assert_eq!(judge_localhost("r", 5001, &addresses, &by_six).verdict, verdict, "{addresses:?}");
    }
}

#[test]
fn an_engine_is_remote_if_its_address_names_another_host() {
    for (address, expected) in [
        ("unix:///var/run/docker.sock", None),
        ("tcp://localhost:2375", None),
        ("tcp://127.0.0.1:2375", None),
        ("tcp://build.example:2375", Some("build.example")),
        ("tcp://[fd00::1]:2375", Some("fd00::1")),
    ] {
        assert_eq!(remote(address), expected);
    }
}

#[test]
fn a_nearly_full_disk_is_bad_with_its_figures() {
    assert_eq!(judge_space("r", "/var", 5 << 30, 9 << 30).evidence, "5.0 GiB of 9.0 GiB free at /var");
    let check = judge_space("r", "/var", 600 << 20, 9 << 30);
    assert_eq!((check.verdict, check.evidence.as_str()), (Verdict::Bad, "0.5 GiB of 9.0 GiB free at /var"));
}
