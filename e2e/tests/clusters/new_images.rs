//! New images in the nodes and Pods of clusters: `--node` and `--restart`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hythe_e2e::binary::tool;
use hythe_e2e::cluster::Cluster;
use hythe_e2e::command;
use hythe_e2e::control_plane::ControlPlane;
use hythe_e2e::engine::Engine;
use hythe_e2e::home::Home;
use hythe_e2e::number::fresh_seed;
use hythe_e2e::repository::Repository;
use hythe_e2e::sample::Sample;

use crate::{CONTROL, WORKER, eventually};

/// A Deployment of one Pod, which asks a registry only for an image that the node lacks.
fn deployment(name: &str, image: &str) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name },
        "spec": {
            "replicas": 1,
            "strategy": { "type": "Recreate" },
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": {
                    "tolerations": [{ "operator": "Exists" }],
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{ "name": "main", "image": image, "imagePullPolicy": "IfNotPresent" }],
                },
            },
        },
    })
}

/// The digests of the images that the Pods of a Deployment run.
fn running(plane: &ControlPlane, name: &str) -> Vec<String> {
    let label = format!("app={name}");
    let text = plane.run(&["get", "pods", "--selector", &label, "--output=json"]);
    let pods: serde_json::Value = serde_json::from_str(&text).expect("kubectl prints JSON");
    let containers =
        pods["items"].as_array().into_iter().flatten().map(|pod| &pod["status"]["containerStatuses"][0]);
    let running = containers.filter(|container| !container["state"]["running"].is_null());
    running.filter_map(|container| container["imageID"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_moved_tag_runs_within_seconds_although_its_pods_pull_only_if_the_image_is_not_present() {
    let docker = Arc::new(Engine::docker_with_bridge());
    let mut home = Home::new(&docker);
    let cluster = Cluster::start(&docker, "one", &[CONTROL, WORKER]);
    let plane = ControlPlane::start_with_controllers(&cluster);
    home.add_kubeconfig(plane.kubeconfig());
    assert_eq!(home.up(&[]).code, Some(0));
    let image = format!("{}/app:dev", home.registry());
    let (first, second) = (Sample::busybox(fresh_seed()), Sample::busybox(fresh_seed()));
    let mut client = home.client();
    first.push(&mut Repository::new(&mut client, "app"), "dev");
    plane.apply(&deployment("app", &image));
    let runs = |sample: &Sample| {
        let running = running(&plane, "app");
        let [only] = &running[..] else { return false };
        only.contains(&sample.digest.to_string()) || only.contains(&sample.id.to_string())
    };
    eventually("the first version runs", Duration::from_mins(2), || runs(&first));

    second.push(&mut Repository::new(&mut client, "app"), "next");
    let next = format!("{}/app:next", home.registry());
    let began = Instant::now();
    let moved = home.attempt(&["copy", &next, &image, "--node", "--restart", "deployment/app"]);
    let took = began.elapsed();
    println!("{}{}{took:?} from the copy to the new Pod", moved.stderr, moved.stdout);
    assert_eq!(moved.code, Some(0), "{moved:?}");
    assert!(runs(&second), "{:?}", running(&plane, "app"));
    for node in cluster.nodes() {
        assert!(moved.stderr.contains(&format!("node {}: pulled {image}", node.name())), "{moved:?}");
    }

    // Promoted below another path of the same registry, and deployed from there by its digest.
    let (app, to) = (format!("{}/app:next", home.registry()), format!("{}/production", home.registry()));
    let promoted = home.attempt(&["promote", &app, "--to", &to, "--set-image", "deployment/app=main"]);
    println!("{}{}", promoted.stderr, promoted.stdout);
    assert_eq!(promoted.stdout, format!("{to}/app@{}\n", second.digest));
    assert!(
        promoted.stderr.contains(&format!("changed the image from {image} to {to}/app@")),
        "{promoted:?}"
    );
    let path = "jsonpath={.spec.template.spec.containers[*].image}";
    let set = plane.run(&["get", "deployment", "app", "--output", path]);
    assert_eq!(set, format!("{to}/app@{}", second.digest));
    assert!(runs(&second), "{:?}", running(&plane, "app"));

    // One node alone, by its name; a node that does not exist is an error before anything is copied.
    let name = cluster.nodes()[1].name();
    let one = home.attempt(&["copy", &next, &image, &format!("--node={name}")]);
    assert!(one.stderr.contains(name) && !one.stderr.contains(cluster.nodes()[0].name()), "{one:?}");
    let wrong = home.attempt(&["copy", &next, &image, "--node=nope"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("has no node nope"), "{wrong:?}");

    // A node that cannot pull is named with the reason, and the others go on.
    let file = format!("/etc/containerd/certs.d/{}", home.registry());
    cluster.nodes()[1].run(&["rm", "-r", &file]);
    let failed = home.attempt(&["copy", &next, &image, "--node"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let steps =
        [format!("+ node {}: pulled", cluster.nodes()[0].name()), format!("! node {name}: crictl pull")];
    for step in steps {
        assert!(failed.stderr.contains(&step), "{failed:?}");
    }
}

/// A Compose app of three services, each a program that sleeps and a file that changes.
struct App {
    home: Home,
}

impl App {
    const SERVICES: [&str; 3] = ["api", "web", "worker"];

    fn new(home: Home) -> Self {
        let app = Self { home };
        let services = Self::SERVICES.map(|service| format!("  {service}:\n    build: {service}\n")).concat();
        let compose = format!("name: shop\nservices:\n{services}");
        for service in Self::SERVICES {
            let folder = app.home.folder().join("shop").join(service);
            std::fs::create_dir_all(&folder).expect("the folder is ours");
            std::fs::copy(tool("busybox"), folder.join("busybox")).expect("the folder is ours");
            let dockerfile = "FROM scratch\nCOPY busybox /busybox\nCOPY version /version\nCMD [\"/busybox\", \"sleep\", \"1000000\"]\n";
            std::fs::write(folder.join("Dockerfile"), dockerfile).expect("the folder is ours");
            app.change(service, "1");
        }
        std::fs::write(app.home.folder().join("shop/compose.yaml"), compose).expect("the folder is ours");
        app
    }

    fn change(&self, service: &str, version: &str) {
        let file = self.home.folder().join("shop").join(service).join("version");
        std::fs::write(file, version).expect("the folder is ours");
    }

    fn image(&self, service: &str) -> String {
        format!("{}/shop-{service}:latest", self.home.registry())
    }

    /// Runs `hythe build`, and returns the state of each service.
    fn build(&self, more: &[&str]) -> Vec<(String, String)> {
        let words = ["build", "-f", "shop/compose.yaml", "--builder", "docker", "--output", "json"];
        let mut build = self.home.command(&[&words[..], more].concat());
        build.env("DOCKER_HOST", self.home.engine().address()).env("HYTHE_REGISTRY", self.home.registry());
        let output = command::run(&mut build);
        let json: serde_json::Value = serde_json::from_str(&output).expect("hythe prints JSON");
        let images = json["images"].as_array().into_iter().flatten();
        let text =
            |image: &serde_json::Value, field: &str| image[field].as_str().unwrap_or_default().to_owned();
        let mut states: Vec<_> = images.map(|image| (text(image, "name"), text(image, "state"))).collect();
        states.sort();
        states
    }

    /// Whether the only Pod of a service runs the image that the registry has under its tag.
    fn runs(&self, plane: &ControlPlane, service: &str) -> bool {
        let digest = self.home.json(&["inspect", &self.image(service)])[0]["digest"].clone();
        let running = running(plane, service);
        let [only] = &running[..] else { return false };
        only.contains(digest.as_str().expect("every image has a digest"))
    }
}

#[test]
fn of_a_compose_app_only_the_changed_service_is_built_and_it_runs_within_seconds() {
    let docker = Arc::new(Engine::docker_with_bridge());
    let mut home = Home::new(&docker);
    let cluster = Cluster::start(&docker, "one", &[CONTROL]);
    let plane = ControlPlane::start_with_controllers(&cluster);
    home.add_kubeconfig(plane.kubeconfig());
    assert_eq!(home.up(&[]).code, Some(0));
    let app = App::new(home);
    let states = |built: &[&str]| {
        let state = |service: &str| if built.contains(&service) { "built" } else { "up-to-date" };
        App::SERVICES.map(|service| (service.to_owned(), state(service).to_owned())).to_vec()
    };

    assert_eq!(app.build(&[]), states(&App::SERVICES));
    for service in App::SERVICES {
        plane.apply(&deployment(service, &app.image(service)));
    }
    for service in App::SERVICES {
        eventually(service, Duration::from_mins(2), || app.runs(&plane, service));
    }
    assert_eq!(app.build(&[]), states(&[]), "nothing changed");

    // Other suites run meanwhile, so the times are only shown.
    let rounds = ["2", "3", "4"].map(|version| {
        app.change("web", version);
        let began = Instant::now();
        let built = app.build(&["--node", "--restart", "deployment/web"]);
        let took = began.elapsed();
        assert_eq!(built, states(&["web"]));
        assert!(app.runs(&plane, "web"), "{:?}", running(&plane, "web"));
        took
    });
    println!("from a changed source to the running Pod: {rounds:?}");
}
