//! The examination: which checks `hythe doctor` makes, in which order, and how long each may take.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use hythe_engine::models::ContainerInspectResponse;
use hythe_kube::deploy;
use hythe_kube::pod::PodImages;
use hythe_oci::ImageName;
use tokio::time::timeout;

use super::probe::Probe;
use super::standing::Standing;
use super::{
    Check, Doctor, Id, Repair, Verdict, cluster, container, files, image, inside, machine, meant, node, pod,
};
use crate::attach::{self, Survey, Wiring};
use crate::registry::{self, Found};
use crate::sites::{Site, sites};
use crate::topology::{Cluster, Node};
use hythe_engine::EngineError;

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// Lines from the end of the registry's log that are read to find out why it ended.
const LINES: u64 = 40;

impl Doctor<'_> {
    /// Checks everything between a push on this machine and a pull in a Pod.
    pub async fn examine(&self) -> Result<Vec<Check>, EngineError> {
        Ok(self.worded(self.whole().await?))
    }

    /// The checks, with fixes in the words of the engine.
    fn worded(&self, checks: Vec<Check>) -> Vec<Check> {
        if self.engine.is_podman() { checks.into_iter().map(Check::for_podman).collect() } else { checks }
    }

    async fn whole(&self) -> Result<Vec<Check>, EngineError> {
        let engine = self.engine;
        let settings = &self.wiring.registry;
        let mut checks =
            vec![Check::good(Id::EngineAnswers, "engine", engine.title()), machine::here(engine)];
        let container = match registry::find(engine, &settings.name).await? {
            Found::Ours(container) | Found::Theirs(container) => container,
            other => {
                checks.extend(self.without_container(&other).await?);
                return Ok(checks);
            }
        };
        let image = container.config.as_ref().and_then(|config| config.image.clone()).unwrap_or_default();
        let subject = format!("registry {}", settings.name);
        checks.push(Check::good(Id::RegistryContainer, &subject, image));
        let plain = async { Ok(machine::plain_http(engine, &engine.info().await?, settings.port)) };
        checks.push(within(Id::EnginePlainHttp, "engine", plain).await);
        let log = self.last_words().await;
        checks.extend(container::checks(settings, &container, &log));
        let answers = machine::answers(engine, settings).await;
        let is_there = answers.verdict == Verdict::Good;
        checks.push(answers);
        if is_there {
            checks.push(machine::localhost(settings).await);
        }
        checks.push(machine::space(settings, &container));
        let mut probe = Probe::new(engine.architecture()).ok().filter(|_| is_there);
        if let Some(pushed) = &probe {
            let check = pushed.push(machine::address(settings), settings).await;
            let is_pushed = check.verdict == Verdict::Good;
            checks.push(check);
            probe = probe.filter(|_| is_pushed);
        }
        let each = self.clusters.iter().map(|cluster| self.cluster(cluster, &container, probe.as_ref()));
        let (each, others) = tokio::join!(join_all(each), self.others());
        checks.extend(each.into_iter().flatten());
        checks.extend(others);
        if let Some(probe) = probe {
            probe.remove(machine::address(settings)).await;
        }
        Ok(checks)
    }

    /// Checks the registries that are processes or run in clusters. If none exists, the container is reported missing.
    async fn without_container(&self, found: &Found) -> Result<Vec<Check>, EngineError> {
        let Wiring { registry, kubeconfig, .. } = self.wiring;
        let sites = sites(self.engine, self.clusters, kubeconfig, registry.port).await?;
        let mut checks = Vec::new();
        for site in &sites {
            match site {
                Site::Container { .. } => {}
                Site::Process { port } => checks.push(Check::good(
                    Id::RegistryContainer,
                    &format!("registry on localhost:{port}"),
                    "the registry is a process of this machine",
                )),
                Site::Cluster { cluster, target, is_running, .. } => {
                    let known = self.clusters.iter().find(|known| known.name == *cluster);
                    checks.push(inside::serves(cluster, target, *is_running));
                    if let Some(known) = known {
                        checks.push(inside::wired(self.engine, known, target, kubeconfig).await);
                    }
                }
            }
        }
        if checks.is_empty() || matches!(found, Found::Foreign(_)) {
            checks.insert(0, absent(found, &registry.name));
        }
        Ok(checks)
    }

    /// Whether the registries run that are in the clusters beside the container. The nodes need not ask them.
    async fn others(&self) -> Vec<Check> {
        let running = self.clusters.iter().filter(|cluster| cluster.is_running());
        let each = running.map(|cluster| async {
            let found = async {
                let access = attach::access(self.engine, cluster, self.wiring).await.ok()?;
                deploy::list(&access).await.ok()
            };
            // Another check reports an API that does not answer.
            let found = timeout(PATIENCE, found).await.ok().flatten().unwrap_or_default();
            let checks =
                found.iter().map(|found| inside::serves(&cluster.name, &found.target, found.is_running));
            checks.collect::<Vec<_>>()
        });
        join_all(each).await.into_iter().flatten().collect()
    }

    async fn cluster(
        &self,
        cluster: &Cluster,
        registry: &ContainerInspectResponse,
        probe: Option<&Probe>,
    ) -> Vec<Check> {
        let subject = cluster.to_string();
        if !cluster.is_running() {
            let nodes: Vec<&str> = cluster.nodes.iter().map(|node| node.name.as_str()).collect();
            return vec![
                Check::unknown(Id::NodeRuns, &subject, "no node of the cluster runs")
                    .saying("the cluster does not run")
                    .fixed_by(format!("docker start {}", nodes.join(" "))),
            ];
        }
        let mut checks =
            vec![within(Id::ClusterAttached, &subject, cluster::attached(self.engine, cluster)).await];
        if checks[0].verdict != Verdict::Good {
            return checks;
        }
        checks.extend(cluster::network(cluster, registry));
        let nodes = join_all(cluster.nodes.iter().map(|node| self.node(cluster, node, registry, probe)));
        let (nodes, whole) = tokio::join!(nodes, self.api(cluster, probe));
        checks.extend(whole);
        checks.extend(nodes.into_iter().flatten());
        checks
    }

    /// The checks that need a cluster's API.
    async fn api(&self, cluster: &Cluster, probe: Option<&Probe>) -> Vec<Check> {
        let access = match attach::access(self.engine, cluster, self.wiring).await {
            Ok(access) => access,
            Err(error) => return vec![cluster::hosting(cluster, Err(error))],
        };
        let hosting = self.wiring.registry.hosting();
        let published = hosting.compare(&access).await;
        let mut checks = vec![match attach::other(self.engine, &access, &published, &hosting).await {
            Some(other) => cluster::hosting_of_another(cluster, &other),
            None => cluster::hosting(cluster, published),
        }];
        // The last node that runs: a worker, if the cluster has workers.
        let node = cluster.nodes.iter().rfind(|node| node.is_running);
        if let (Some(node), Some(probe)) = (node, probe) {
            checks.push(cluster::pods(self.engine, &access, (cluster, node), probe, self.wiring).await);
        }
        checks
    }

    async fn node(
        &self,
        cluster: &Cluster,
        node: &Node,
        registry: &ContainerInspectResponse,
        probe: Option<&Probe>,
    ) -> Vec<Check> {
        let (survey, endpoint) = match self.survey(cluster, node).await {
            Ok(found) => found,
            Err(check) => return vec![check],
        };
        let engine = self.engine;
        let subject = format!("node {}", node.name);
        let mut checks = vec![Check::good(Id::NodeRuns, &subject, node.networks.join(", "))];
        let files = files::checks(&survey, cluster, self.wiring, &endpoint);
        let is_read = files.iter().all(|check| check.id != Id::NodeRuntime || check.verdict == Verdict::Good);
        checks.extend(files);
        if !is_read {
            return checks;
        }
        let standing = Standing::of(registry, node);
        let unhung = async |mirrors| timeout(PATIENCE, mirrors).await.unwrap_or_default();
        let (name, reaches, cri, restarted, mirrors, log) = tokio::join!(
            within(Id::NodeName, &subject, node::name(engine, &survey, self.wiring, &standing, cluster)),
            within(Id::NodeReaches, &subject, async {
                Ok(node::reaches(engine, &survey, &endpoint, &standing, cluster).await)
            }),
            within(Id::NodeCri, &subject, node::cri(engine, &survey, cluster)),
            within(Id::NodeRestarted, &subject, node::restarted(engine, &survey)),
            unhung(node::mirrors(engine, &survey, &endpoint)),
            within(Id::NodeLog, &subject, node::log(engine, &survey, cluster)),
        );
        checks.extend([name, reaches, cri, restarted]);
        checks.extend(mirrors);
        checks.push(log);
        if let Some(probe) = probe {
            let root = files::roots(&survey).into_iter().next().map(|root| root.path);
            let pull =
                probe.pull(engine, &survey, root.as_deref(), (&cluster.name, self.wiring.registry.port));
            checks.push(within(Id::NodePulls, &subject, pull).await);
        }
        checks
    }

    /// What is in a node, and the URL at which its files should lead to the registry.
    async fn survey(&self, cluster: &Cluster, node: &Node) -> Result<(Survey, String), Check> {
        let subject = format!("node {}", node.name);
        if !node.is_running {
            return Err(Check::bad(Id::NodeRuns, &subject, "the node's container does not run")
                .because("the container was stopped, or has ended")
                .fixed_by(format!("docker start {}; `hythe attach {}`", node.name, cluster.name)));
        }
        let looked = async {
            let survey = Survey::of(self.engine, cluster, node).await?;
            let endpoint = attach::endpoint(self.engine, node, &survey, self.wiring).await?;
            Ok::<_, EngineError>((survey, endpoint))
        };
        match timeout(PATIENCE, looked).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(Check::bad(Id::NodeRuns, &subject, error.to_string())
                .saying("the node cannot be examined")
                .because("the engine failed while hythe ran commands in the node")
                .fixed_by(format!("docker logs {0}; docker restart {0}", node.name))),
            Err(_) => Err(cut(Id::NodeRuns, &subject)),
        }
    }

    async fn last_words(&self) -> String {
        let read = async {
            let mut log = String::new();
            let mut pieces = Box::pin(self.engine.logs(&self.wiring.registry.name, false, Some(LINES)));
            while let Some(Ok(piece)) = pieces.next().await {
                log.push_str(&String::from_utf8_lossy(&piece.bytes));
            }
            log
        };
        timeout(PATIENCE, read).await.unwrap_or_default()
    }

    /// Why an image is not pulled, on every node or only on the nodes with the name `only`.
    pub async fn examine_image(&self, image: &ImageName, only: Option<&str>) -> Vec<Check> {
        self.worded(self.image(image, only).await)
    }

    async fn image(&self, image: &ImageName, only: Option<&str>) -> Vec<Check> {
        // The checks name the image in full, as kubelet and containerd do.
        let image = &image.normalised();
        let at = machine::address(&self.wiring.registry);
        let known = image::known(at, image).await;
        let mut checks = vec![meant::name(at, image, &known).await];
        checks.extend(meant::upstream(at, image).await);
        let running =
            self.clusters.iter().flat_map(|cluster| cluster.nodes.iter().map(move |node| (cluster, node)));
        let meant = running.filter(|(_, node)| node.is_running && only.is_none_or(|only| only == node.name));
        let known = &known;
        let each = meant.map(|(cluster, node)| async move {
            match self.survey(cluster, node).await {
                Ok((survey, endpoint)) => {
                    let port = self.wiring.registry.port;
                    image::checks(self.engine, &survey, cluster, image, (known, &endpoint, port)).await
                }
                Err(check) => vec![check],
            }
        });
        checks.extend(join_all(each).await.into_iter().flatten());
        checks
    }

    /// Why a Pod's images are not pulled. If no cluster has the Pod, the result holds one check for each cluster that
    /// could not be asked.
    pub async fn examine_pod(&self, namespace: &str, name: &str) -> Vec<Check> {
        self.worded(self.pod(namespace, name).await)
    }

    async fn pod(&self, namespace: &str, name: &str) -> Vec<Check> {
        let subject = format!("Pod {namespace}/{name}");
        let mut unasked = Vec::new();
        for cluster in self.clusters.iter().filter(|cluster| cluster.is_running()) {
            let looked = async {
                let access = attach::access(self.engine, cluster, self.wiring).await?;
                PodImages::find(&access, namespace, name).await
            };
            let found = match looked.await {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) => {
                    unasked.push(Check::unknown(Id::PodFound, &subject, error.to_string()));
                    continue;
                }
            };
            let mut checks = vec![pod::placed(&found, &subject, &cluster.to_string())];
            if found.waiting.is_empty() && checks[0].verdict == Verdict::Good {
                checks.push(pod::quiet(&found, &subject));
            }
            for waiting in &found.waiting {
                let at = (cluster.name.as_str(), self.wiring.registry.port);
                checks.push(pod::judge(&found, &subject, waiting, at));
                if let Ok(image) = waiting.image.parse() {
                    let one = Doctor { clusters: std::slice::from_ref(cluster), ..*self };
                    checks.extend(one.image(&image, found.node.as_deref()).await);
                }
            }
            return checks;
        }
        unasked
    }
}

/// The check of a registry whose container does not exist, or is another registry.
fn absent(found: &Found, name: &str) -> Check {
    let subject = format!("registry {name}");
    match found {
        Found::Foreign(container) => {
            let image = container.config.as_ref().and_then(|config| config.image.clone()).unwrap_or_default();
            Check::bad(Id::RegistryContainer, &subject, format!("the container {name} is of {image}"))
                .because("another registry has this name, and hythe does not change it")
                .fixed_by(
                    "replace it and keep its data: `hythe up --adopt`; or `hythe up --name other --port 5002`",
                )
        }
        Found::Absent | Found::Ours(_) | Found::Theirs(_) => {
            Check::bad(Id::RegistryContainer, &subject, format!("the engine has no container {name}"))
                .because("the registry was never started, or its container was removed")
                .fixed_by("`hythe up`")
                .repaired_by(Repair::Registry)
        }
    }
}

/// Makes a check, and cuts it off after [`PATIENCE`].
async fn within(id: Id, subject: &str, check: impl Future<Output = Result<Check, EngineError>>) -> Check {
    match timeout(PATIENCE, check).await {
        Ok(Ok(check)) => check,
        Ok(Err(error)) => Check::unknown(id, subject, error.to_string()),
        Err(_) => cut(id, subject),
    }
}

fn cut(id: Id, subject: &str) -> Check {
    Check::unknown(id, subject, format!("no answer within {} s", PATIENCE.as_secs()))
}
