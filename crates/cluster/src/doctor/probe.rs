//! The probe: a tiny image that hythe pushes from this machine and has every node pull.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use hythe_oci::{Algorithm, Digest};
use serde_json::json;

use super::{Check, Id, explain};
use crate::attach::Survey;
use crate::http::{Answer, Silence, ask, inside};
use crate::registry::RegistrySettings;
use hythe_engine::{Engine, EngineError, Output};

/// The probe's repository in the registry.
pub(super) const REPOSITORY: &str = "hythe-doctor";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image that no node can have yet, as its content is the time at which it was made.
pub(super) struct Probe {
    pub(super) tag: String,
    config: Vec<u8>,
    layer: Vec<u8>,
    manifest: Vec<u8>,
}

impl Probe {
    pub(super) fn new(architecture: &str) -> std::io::Result<Self> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let tag = format!("{:x}-{:x}", since.as_nanos(), std::process::id());
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(tag.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, "probe", tag.as_bytes())?;
        let layer = archive.into_inner()?;
        let digest = |bytes: &[u8]| Digest::of(Algorithm::Sha256, bytes).to_string();
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            // The program does not exist: a Pod with this image shows that kubelet pulled the image, and runs nothing.
            "config": { "Entrypoint": ["/probe"] },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": digest(&config), "size": config.len() },
            "layers": [{ "mediaType": LAYER, "digest": digest(&layer), "size": layer.len() }],
        });
        Ok(Self { tag, config, layer, manifest: manifest.to_string().into_bytes() })
    }

    fn digest(bytes: &[u8]) -> Digest {
        Digest::of(Algorithm::Sha256, bytes)
    }

    /// The image's name at a registry.
    pub(super) fn name(&self, registry: &str) -> String {
        format!("{registry}/{REPOSITORY}:{}", self.tag)
    }

    /// Pushes the image as any client would.
    pub(super) async fn push(&self, at: SocketAddr, settings: &RegistrySettings) -> Check {
        let subject = format!("registry {}", settings.name);
        match self.upload(at).await {
            Ok(()) => {
                Check::good(Id::RegistryTakesPushes, &subject, self.name(&format!("localhost:{}", at.port())))
            }
            Err((what, Ok(answer))) => {
                let check =
                    Check::bad(Id::RegistryTakesPushes, &subject, format!("{what}: {}", answer.clause()));
                match answer.status {
                    401 => check
                        .because("the registry requires a login")
                        .fixed_by(format!("docker login localhost:{}", at.port())),
                    403 | 405 => check
                        .because("the registry only serves images of upstreams, or is not hythe")
                        .fixed_by("check its settings: `hythe config`"),
                    507 => check
                        .because("the registry's disk is full")
                        .fixed_by("free space: `hythe gc`; `hythe cache clear`"),
                    500.. => check
                        .because("the registry failed, or a program between this machine and it")
                        .fixed_by("`hythe logs --tail 50`"),
                    _ => check
                        .because("the registry refused the request, or is not hythe")
                        .fixed_by("`hythe logs --tail 50`"),
                }
            }
            Err((what, Err(silence))) => {
                Check::bad(Id::RegistryTakesPushes, &subject, format!("{what}: {silence}"))
                    .because("the registry answered an earlier request, and not this one")
                    .fixed_by("`hythe logs --tail 50`")
            }
        }
    }

    async fn upload(&self, at: SocketAddr) -> Result<(), (String, Result<Answer, Silence>)> {
        for blob in [&self.layer, &self.config] {
            let path = format!("/v2/{REPOSITORY}/blobs/uploads/");
            let begun = send(at, "POST", &path, &[], b"", 202).await?;
            let place = begun.header("location").unwrap_or_default();
            // The location may be an absolute URL with the registry's name.
            let place = place
                .split_once("://")
                .map_or(place, |(_, rest)| &rest[rest.find('/').unwrap_or(rest.len())..]);
            let separator = if place.contains('?') { '&' } else { '?' };
            let path = format!("{place}{separator}digest={}", Self::digest(blob));
            send(at, "PUT", &path, &[("Content-Type", "application/octet-stream")], blob, 201).await?;
        }
        let path = format!("/v2/{REPOSITORY}/manifests/{}", self.tag);
        send(at, "PUT", &path, &[("Content-Type", MANIFEST)], &self.manifest, 201).await.map(drop)
    }

    /// Removes the image from the registry. If deleting is not allowed, the image stays; it is about a kilobyte.
    pub(super) async fn remove(&self, at: SocketAddr) {
        let path = format!("/v2/{REPOSITORY}/manifests/{}", Self::digest(&self.manifest));
        let _ = ask(at, "DELETE", &path, &[], b"").await;
    }

    /// Has a node pull the image as kubelet does, and removes it from the node again. `whose` is the cluster's name and
    /// the registry's port on this machine.
    pub(super) async fn pull(
        &self,
        engine: &Engine,
        survey: &Survey,
        root: Option<&str>,
        whose: (&str, u16),
    ) -> Result<Check, EngineError> {
        let node = survey.node.as_str();
        let subject = format!("node {node}");
        let image = self.name(&format!("localhost:{}", whose.1));
        let pulled = engine.exec(node, &["crictl", "pull", &image]).await?;
        if !inside::is_missing(&pulled) {
            let _ = engine.exec(node, &["crictl", "rmi", &image]).await;
            return Ok(self.judge(&subject, whose, "crictl pull", &pulled, &pulled.stdout));
        }
        let Some(root) = root else {
            return Ok(Check::unknown(Id::NodePulls, &subject, "the node has no crictl to pull with"));
        };
        let pull = ["ctr", "-n", "k8s.io", "images", "pull", "--hosts-dir", root, &image];
        let pulled = engine.exec(node, &pull).await?;
        if inside::is_missing(&pulled) {
            return Ok(Check::unknown(
                Id::NodePulls,
                &subject,
                "the node has neither crictl nor ctr to pull with",
            ));
        }
        let filter = format!("name=={image}");
        let listed = engine.exec(node, &["ctr", "-n", "k8s.io", "images", "ls", &filter]).await?;
        let _ = engine.exec(node, &["ctr", "-n", "k8s.io", "images", "rm", &image]).await;
        Ok(self.judge(&subject, whose, "ctr images pull", &pulled, &listed.stdout))
    }

    /// Compares the pulled image with the pushed one: CRI tells the digest of the configuration, ctr that of the
    /// manifest. `command` is the command that pulled.
    fn judge(
        &self,
        subject: &str,
        (cluster, port): (&str, u16),
        command: &str,
        pulled: &Output,
        told: &str,
    ) -> Check {
        let image = self.name(&format!("localhost:{port}"));
        if pulled.code != 0 {
            let said = pulled.stderr.as_str();
            let evidence = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim();
            let check = Check::bad(Id::NodePulls, subject, format!("{command} {image}: {evidence}"));
            return match explain(said) {
                Some(symptom) => check.because(symptom.cause).fixed_by(symptom.fix_in(cluster, port)),
                None => check
                    .because("containerd failed to pull; its message shows no known symptom")
                    .fixed_by("correct what the other checks of this node find; containerd's log in the node has more"),
            };
        }
        if [&self.config, &self.manifest].iter().any(|bytes| told.contains(&Self::digest(bytes).hex())) {
            return Check::good(Id::NodePulls, subject, image);
        }
        Check::bad(Id::NodePulls, subject, format!("the node pulled {image} as {}", told.trim()))
            .because("the node pulled the image from another registry than the one to which it was pushed")
            .fixed_by(format!("`hythe attach {cluster}`"))
    }
}

async fn send(
    at: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    expected: u16,
) -> Result<Answer, (String, Result<Answer, Silence>)> {
    let what = || format!("{method} {}", path.split('?').next().unwrap_or(path));
    match ask(at, method, path, headers, body).await {
        Ok(answer) if answer.status == expected => Ok(answer),
        Ok(answer) => Err((what(), Ok(answer))),
        Err(silence) => Err((what(), Err(silence))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn the_pulled_image_is_compared_with_the_pushed_one() {
        let probe = Probe::new("amd64").unwrap();
        let judge = |command: &str, code, told: &str, said: &str| {
            let pulled = Output { code, stdout: String::new(), stderr: said.to_owned() };
            probe.judge("node w", ("dev", 5001), command, &pulled, told)
        };
        let id = Probe::digest(&probe.config).to_string();
        let good = judge("crictl pull", 0, &format!("Image is up to date for {id}\n"), "");
        assert_eq!(good.verdict, Verdict::Good);
        let other = format!("Image is up to date for sha256:{}", "0".repeat(64));
        assert_eq!(judge("crictl pull", 0, &other, "").verdict, Verdict::Bad);
        let said = "crictl: pulling image: failed to do request: Head \"http://localhost:5001/v2/x/manifests/y\": dial tcp \
            127.0.0.1:5001: connect: connection refused";
        let check = judge("crictl pull", 1, "", said);
        assert!(check.cause.as_deref().unwrap().contains("did not use a hosts.toml"), "{check}");
        let check = judge("ctr images pull", 1, "", "no words that hythe knows");
        assert!(check.evidence.starts_with("ctr images pull localhost:5001/"), "{check}");
        assert!(check.cause.is_some() && check.fix.is_some(), "{check}");
    }

    #[test]
    fn every_probe_is_another_image() {
        let (one, other) = (Probe::new("amd64").unwrap(), Probe::new("amd64").unwrap());
        assert_ne!(one.manifest, other.manifest);
        let manifest: serde_json::Value = serde_json::from_slice(&one.manifest).unwrap();
        assert_eq!(manifest["config"]["size"], one.config.len());
    }
}
