//! A cluster's API with one Deployment, for commands that change workloads.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// A cluster's API with the Deployment `default/app`. Its Pods are replaced at once.
pub(crate) struct FakeCluster {
    deployment: Arc<Mutex<Value>>,
    folder: tempfile::TempDir,
}

impl FakeCluster {
    /// Starts with one container `main` that runs this image.
    pub(crate) fn start(image: &str) -> Self {
        let deployment = Arc::new(Mutex::new(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "app", "namespace": "default", "generation": 1 },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": { "app": "app" } },
                "template": { "spec": { "containers": [{ "name": "main", "image": image }] } },
            },
            "status": { "observedGeneration": 1, "updatedReplicas": 1, "replicas": 1, "availableReplicas": 1 },
        })));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&deployment);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "other",
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://{address}") } }],
            "users": [{ "name": "u", "user": {} }],
            "contexts": [{ "name": "prod", "context": { "cluster": "c", "user": "u" } }],
        });
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
        Self { deployment, folder }
    }

    pub(crate) fn kubeconfig(&self) -> String {
        self.folder.path().join("kubeconfig").display().to_string()
    }

    /// The template of the Deployment's Pods.
    pub(crate) fn template(&self) -> Value {
        self.deployment.lock().unwrap()["spec"]["template"].clone()
    }
}

fn serve(mut stream: TcpStream, deployment: &Mutex<Value>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let length = head.iter().find_map(|line| {
            line.to_lowercase().strip_prefix("content-length:").and_then(|text| text.trim().parse().ok())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let mut words = head.first()?.split(' ');
        let (method, path) = (words.next()?, words.next()?.split('?').next()?);
        let (status, answer) = answer(method, path, &body, deployment);
        let text = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        stream.write_all(format!("{head}{text}").as_bytes()).ok()?;
    }
}

fn answer(method: &str, path: &str, body: &[u8], deployment: &Mutex<Value>) -> (u16, Value) {
    let mut deployment = deployment.lock().unwrap();
    match (method, path) {
        ("GET", "/version") => {
            let version = json!({
                "major": "1", "minor": "36", "gitVersion": "v1.36.0", "gitCommit": "", "gitTreeState": "",
                "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
            });
            (200, version)
        }
        ("GET", "/apis/apps/v1/namespaces/default/deployments/app") => (200, deployment.clone()),
        ("PATCH", "/apis/apps/v1/namespaces/default/deployments/app") => {
            let change: Value = serde_json::from_slice(body).unwrap();
            let template = &change["spec"]["template"];
            for container in template["spec"]["containers"].as_array().into_iter().flatten() {
                assert_eq!(container["name"], "main");
                deployment["spec"]["template"]["spec"]["containers"][0]["image"] = container["image"].clone();
            }
            for (key, value) in template["metadata"]["annotations"].as_object().into_iter().flatten() {
                deployment["spec"]["template"]["metadata"]["annotations"][key] = value.clone();
            }
            let generation = deployment["metadata"]["generation"].as_i64().unwrap() + 1;
            deployment["metadata"]["generation"] = generation.into();
            deployment["status"]["observedGeneration"] = generation.into();
            (200, deployment.clone())
        }
        _ => {
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
                "message": format!("{method} {path} not found"), "code": 404,
            });
            (404, status)
        }
    }
}
