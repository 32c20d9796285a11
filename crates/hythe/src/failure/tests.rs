//! Each kind's text and exit code, in one table.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use super::*;
use crate::config::Problem;

fn denied() -> Error {
    ErrorKind::PermissionDenied.into()
}

/// The kinds that no test of another layer covers, each with its text.
fn kinds() -> Vec<(Failure, &'static str)> {
    let folder = || "/data".into();
    let path = || "/etc/x".into();
    let address = SocketAddr::from(([127, 0, 0, 1], 5001));
    let url = || "http://a:1".to_owned();
    vec![
        (
            ConfigError { problems: vec![Problem::new("--listen", "no address")] }.into(),
            "--listen: no address",
        ),
        (Failure::Usage("write localhost:1".to_owned()), "write localhost:1"),
        (
            StartError::Clock.into(),
            "this machine's clock shows a time before 1970 or after 9999; set the clock, then start again",
        ),
        (
            Failure::PortTaken { address, instead: "`hythe forward 5002`".to_owned() },
            "port 5001 is taken: another program listens on 127.0.0.1:5001. Stop it, or choose another port: \
             `hythe forward 5002`",
        ),
        (FileError::Missing { folder: folder() }.into(), "the folder /data does not exist"),
        (
            FileError::DataMissing { folder: folder() }.into(),
            "the data folder /data does not exist: mount the disk that it is on, or start with an empty folder: \
             `hythe up --data /data`",
        ),
        (FileError::NoHome.into(), "cannot find the folder of the client's configuration: set HOME"),
        (
            FileError::Read { path: path(), error: denied() }.into(),
            "/etc/x cannot be read: permission denied",
        ),
        (
            FileError::Write { path: path(), error: denied() }.into(),
            "/etc/x cannot be written: permission denied",
        ),
        (
            FileError::WriteClient { path: path(), error: denied() }.into(),
            "/etc/x cannot be written: permission denied; run the command with sudo, or add --dry-run to see what \
             it would write",
        ),
        (
            FileError::WriteClient { path: path(), error: ErrorKind::StorageFull.into() }.into(),
            "/etc/x cannot be written: no storage space",
        ),
        (FileError::Stdout(ErrorKind::BrokenPipe.into()).into(), "stdout cannot be written: broken pipe"),
        (
            FileError::Give { folder: folder(), user: 1000, error: denied() }.into(),
            "cannot give /data to user 1000: permission denied. Run the command as root, with the capabilities CHOWN \
             and DAC_READ_SEARCH",
        ),
        (
            FileError::Delete { folder: folder(), error: denied() }.into(),
            "cannot delete hythe's data in /data: permission denied",
        ),
        (
            FileError::Logins { folder: folder(), error: denied() }.into(),
            "cannot store logins in /data: permission denied",
        ),
        (
            AnswerError::Unreachable { url: url(), reason: "connection refused".to_owned() }.into(),
            "no registry answers at http://a:1: connection refused. Start one with `hythe serve`, or name another \
             registry with --registry URL or HYTHE_REGISTRY",
        ),
        (
            AnswerError::Untrusted { url: url(), reason: "its authority is unknown".to_owned() }.into(),
            "cannot trust the registry at http://a:1: its authority is unknown. Set SSL_CERT_FILE to the file of that \
             authority",
        ),
        (AnswerError::Refused { message: "no".to_owned() }.into(), "the registry refuses: no"),
        (
            AnswerError::NotHythe { url: url(), answer: "status 404".to_owned() }.into(),
            "http://a:1 does not serve hythe's admin API (status 404): it may be another registry or an older \
             version. Name your registry with --registry URL or HYTHE_REGISTRY, or upgrade it",
        ),
        (
            AnswerError::NoAddress.into(),
            "cannot ask the running registry: the configuration has no `listen` address",
        ),
        (
            AnswerError::Silent { address, error: ErrorKind::ConnectionRefused.into() }.into(),
            "127.0.0.1:5001 does not answer: connection refused",
        ),
        (
            AnswerError::NotReady { address, status: "503".to_owned() }.into(),
            "127.0.0.1:5001 is not ready: 503",
        ),
        (
            AnswerError::LoginsUnread { waited: Duration::from_secs(20) }.into(),
            "the server did not read the logins within 20s: its log says why",
        ),
        (
            AnswerError::NotServing { reasons: Vec::new() }.into(),
            "the registry does not serve: no Pod is ready. Its log: `hythe deploy logs`",
        ),
        (
            AnswerError::NotServing { reasons: vec!["a".to_owned(), "b".to_owned()] }.into(),
            "the registry does not serve: a; b. Its log: `hythe deploy logs`",
        ),
        (
            AnswerError::NeverRan { data: folder() }.into(),
            "/data has no garbage to collect: hythe has not run there yet. When `registry serve` starts, it imports \
             a registry:2's content",
        ),
        (
            AnswerError::CollectionFailed(hythe_registry::Error::Internal("no luck".to_owned())).into(),
            "garbage collection failed: no luck",
        ),
        (Failure::Images("1 of 2 images".to_owned()), "1 of 2 images"),
        (
            Failure::thread("the server's threads")(ErrorKind::WouldBlock.into()),
            "cannot start the server's threads: operation would block",
        ),
        (Failure::internal("looking up logins")("a panic"), "looking up logins failed unexpectedly: a panic"),
    ]
}

#[test]
fn each_kind_has_its_text_and_its_exit_code() {
    for (failure, text) in kinds() {
        assert_eq!(failure.to_string(), text);
        let is_input = matches!(failure, Failure::Configuration(_) | Failure::Usage(_));
        assert_eq!(failure.exit_code(), if is_input { 2 } else { 1 }, "{text}");
    }
}

#[test]
fn each_kind_about_builds_has_its_text_and_its_exit_code() {
    let image = || "app".to_owned();
    for (error, text, code) in [
        (BuildError::Needed("1 image needs a build".to_owned()), "1 image needs a build", 10),
        (
            BuildError::Inputs {
                image: image(),
                error: hythe_build::Error::Target { file: "D".to_owned(), target: "t".to_owned() },
            },
            "app: D has no stage `t`",
            1,
        ),
        (BuildError::compose(std::path::Path::new("c.yaml"), "no service"), "c.yaml: no service", 2),
        (BuildError::project(std::path::Path::new("hythe.toml"), "line 1: x"), "hythe.toml: line 1: x", 2),
        (
            BuildError::Circle { images: vec!["a".to_owned(), "b".to_owned()] },
            "these images are based on one another in a circle: a, b",
            2,
        ),
        (
            BuildError::Base { image: image(), base: "b:1".to_owned(), reason: "no answer".to_owned() },
            "app: cannot find out the digest of the base image b:1: no answer",
            1,
        ),
        (
            BuildError::NoBuilder { reason: "docker is not installed".to_owned() },
            "found no builder: docker is not installed. Install Docker, Podman or Buildah, or choose one with --builder",
            1,
        ),
        (
            BuildError::Engine { engine: "the engine at x".to_owned(), reason: "docker says: no".to_owned() },
            "cannot build in the engine at x: docker says: no. Start it, or choose another one with --engine, or another builder with --builder",
            1,
        ),
        (
            BuildError::Program {
                image: image(),
                command: "docker build".to_owned(),
                reason: "exit status: 1".to_owned(),
            },
            "app: `docker build` failed: exit status: 1",
            1,
        ),
        (BuildError::Interrupted, "the build was interrupted", 1),
        (
            BuildError::Unsettled { image: image(), attempts: 3 },
            "app: its inputs changed during the build, 3 times in a row: the image may be a mixture, so it was not pushed",
            1,
        ),
    ] {
        let failure = Failure::from(error);
        assert_eq!((failure.to_string().as_str(), failure.exit_code()), (text, code));
    }
}

#[cfg(feature = "cluster")]
#[test]
fn each_kind_about_engines_and_clusters_has_its_text_and_its_exit_code() {
    let name = || "kind-registry".to_owned();
    let engine = || "Docker".to_owned();
    let missing = |remembered, others: &[&str]| LocalError::NoRegistry {
        name: name(),
        engine: engine(),
        remembered,
        others: others.iter().map(ToString::to_string).collect(),
    };
    let faults = |fixable| LocalError::Faults { summary: "3 checks: 1 bad".to_owned(), fixable };
    let silent = || ApiError::Unreachable {
        context: "kind".to_owned(),
        server: "https://a:1".to_owned(),
        reason: "refused".to_owned(),
    };
    let cluster = |is_current| Failure::Cluster { error: silent(), is_current };
    let alone = silent().to_string();
    let with_advice = format!("{alone}; for another cluster, name its context with --context");
    let kinds: Vec<(Failure, &str)> = vec![
        (
            LocalError::Foreign { name: name() }.into(),
            "the container kind-registry does not run hythe; to replace it with hythe and keep its data: `hythe up \
             --adopt`",
        ),
        (
            LocalError::Interrupted { name: name() }.into(),
            "replacing the container kind-registry was interrupted; to restore the previous container: `hythe up`",
        ),
        (
            missing(true, &["other"]).into(),
            "no registry kind-registry runs in Docker; `hythe up` brings it back with its previous settings",
        ),
        (missing(false, &[]).into(), "no registry kind-registry runs in Docker; start it: `hythe up`"),
        (
            missing(false, &["other"]).into(),
            "no registry kind-registry runs in Docker; the registry other does: add --name other",
        ),
        (
            missing(false, &["a", "b"]).into(),
            "no registry kind-registry runs in Docker; it has the registries a, b: choose one with --name",
        ),
        (LocalError::EngineStopped { engine: engine() }.into(), "Docker stopped, so the watch ended"),
        (
            LocalError::NoClusters { engine: engine() }.into(),
            "Docker has no cluster of kind, k3d or minikube; `hythe attach --watch` attaches clusters as they appear",
        ),
        (
            LocalError::NoMirrorPort.into(),
            "dockerd needs a port that mirrors only Docker Hub: `hythe up --mirror-port 5002`",
        ),
        (
            LocalError::ServiceNotInstalled { registry: name(), reason: "no systemd".to_owned() }.into(),
            "the watch could not be installed as a service: no systemd. Run it in a terminal instead: `hythe attach \
             --watch --name kind-registry`",
        ),
        (
            LocalError::ServiceNotRemoved { service: "a.service".to_owned(), reason: "no".to_owned() }.into(),
            "cannot stop the service a.service: no. Stop it by hand: systemctl --user disable --now a.service",
        ),
        (
            LocalError::Nodes { context: "c".to_owned(), reason: "r".to_owned(), image: "i:1".to_owned() }
                .into(),
            "cannot load hythe's image into the nodes of context `c`: r. Push the image to a registry that nodes pull \
             from, and name it with --image IMAGE. Or write it to a file (`hythe image --save hythe.tar`), import \
             that file in each node (ctr -n k8s.io images import hythe.tar), and name it: `hythe deploy --image i:1`",
        ),
        (
            LocalError::Unwired.into(),
            "the wiring is incomplete: the lines that begin with ! say what failed; `hythe doctor` finds out why",
        ),
        (
            LocalError::StillWired.into(),
            "the wiring was not removed completely: the lines that begin with ! say what failed",
        ),
        (
            faults(Fixable::Yes).into(),
            "3 checks: 1 bad; `hythe doctor --fix` makes the repairs that are safe",
        ),
        (faults(Fixable::No).into(), "3 checks: 1 bad"),
        (
            faults(Fixable::Tried).into(),
            "3 checks: 1 bad; --fix cannot repair what is left: each check says what to do",
        ),
        (NodeError::Nodes(vec!["a".to_owned()]).into(), "hythe's image could not be put into a"),
        (
            EngineError::Context { name: "c".to_owned() }.into(),
            "Docker's context `c`, chosen by DOCKER_CONTEXT or `docker context use`, has no address of an engine: \
             choose another context (`docker context ls` lists them), or name the engine with --engine",
        ),
        (DeployError::Api(silent()).into(), &alone),
        (cluster(true), &with_advice),
        (cluster(false), &alone),
    ];
    for (failure, text) in kinds {
        assert_eq!(failure.to_string(), text);
        assert_eq!(failure.exit_code(), 1, "{text}");
    }
}
