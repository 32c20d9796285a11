//! A repository of the distribution specification, on top of the plain client.

use std::io;

use hythe_oci::{Algorithm, Digest};
use serde_json::{Value, json};

use crate::client::{Body, Client, Response};
use crate::content::Content;

/// The media type of the tests' own manifests.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Every media type of manifests, for servers that check `Accept`.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// A repository of a server.
pub struct Repository<'c> {
    client: &'c mut Client,
    name: String,
}

/// The requests by which a blob is pushed. Real clients use all of these ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `POST`, then the whole blob in `PUT`.
    Put,
    /// `POST`, one `PATCH`, an empty `PUT`.
    Patch,
    /// `POST`, `PATCH` by `PATCH` with `Content-Range`, and the last piece in `PUT`.
    Chunks,
    /// One `POST` with the digest.
    Post,
}

impl Way {
    /// All ways.
    pub const ALL: [Self; 4] = [Self::Put, Self::Patch, Self::Chunks, Self::Post];
}

impl<'c> Repository<'c> {
    /// The repository called `name`.
    pub fn new(client: &'c mut Client, name: &str) -> Self {
        Self { client, name: name.to_owned() }
    }

    /// The repository's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The plain client.
    pub fn client(&mut self) -> &mut Client {
        self.client
    }

    /// The path of the blob with `digest`.
    pub fn blob_path(&self, digest: &Digest) -> String {
        format!("/v2/{}/blobs/{digest}", self.name)
    }

    /// Opens an upload session.
    pub fn open_upload(&mut self) -> io::Result<Response> {
        let path = format!("/v2/{}/blobs/uploads/", self.name);
        self.client.send("POST", &path, &[], Body::Empty)
    }

    /// Appends the bytes `from..to` of `content` to the session at `location`.
    pub fn append(&mut self, location: &str, content: &Content, from: u64, to: u64) -> io::Result<Response> {
        let range = format!("{from}-{}", to.saturating_sub(1));
        let mut headers = vec![("Content-Type", "application/octet-stream")];
        if to > from {
            headers.push(("Content-Range", range.as_str()));
        }
        self.client.send("PATCH", location, &headers, Body::Range(content, from, to))
    }

    /// Closes the session at `location` with its last bytes, `from..` of `content`.
    pub fn close_upload(
        &mut self,
        location: &str,
        content: &Content,
        digest: &Digest,
        from: u64,
    ) -> io::Result<Response> {
        let path = with_digest(location, digest);
        let body = if from < content.len() { Body::Range(content, from, content.len()) } else { Body::Empty };
        self.client.send("PUT", &path, &[("Content-Type", "application/octet-stream")], body)
    }

    /// Pushes a blob. Returns the final response, which is a 201 or the first error.
    pub fn push_blob(&mut self, content: &Content, digest: &Digest, way: Way) -> io::Result<Response> {
        let length = content.len();
        if way == Way::Post {
            let path = format!("/v2/{}/blobs/uploads/?digest={digest}", self.name);
            let body = Body::Range(content, 0, length);
            let response =
                self.client.send("POST", &path, &[("Content-Type", "application/octet-stream")], body)?;
            // With 202 the server asks for two requests instead, which the specification allows.
            if response.status != 202 {
                return Ok(response);
            }
            return self.close_upload(&response.location(), content, digest, 0);
        }
        let mut response = self.open_upload()?;
        if response.status != 202 {
            return Ok(response);
        }
        let pieces = match way {
            Way::Patch => vec![0, length],
            Way::Chunks => vec![0, length / 3, length * 2 / 3],
            Way::Put | Way::Post => vec![0],
        };
        for ends in pieces.windows(2).filter(|ends| ends[0] < ends[1]) {
            response = self.append(&response.location(), content, ends[0], ends[1])?;
            if response.status != 202 {
                return Ok(response);
            }
        }
        let last = if length == 0 { 0 } else { pieces[pieces.len() - 1] };
        self.close_upload(&response.location(), content, digest, last)
    }

    /// Pushes these bytes as a blob, by `POST` and `PUT`.
    pub fn push_bytes(&mut self, bytes: &[u8], digest: &Digest) -> io::Result<Response> {
        let response = self.open_upload()?;
        if response.status != 202 {
            return Ok(response);
        }
        let path = with_digest(&response.location(), digest);
        let headers = [("Content-Type", "application/octet-stream")];
        self.client.send("PUT", &path, &headers, Body::Bytes(bytes))
    }

    /// Mounts the blob with `digest` from the repository `from`. The answer is 201, or 202 if the server wants a push
    /// instead.
    pub fn mount(&mut self, digest: &Digest, from: &str) -> io::Result<Response> {
        let path = format!("/v2/{}/blobs/uploads/?mount={digest}&from={from}", self.name);
        self.client.send("POST", &path, &[], Body::Empty)
    }

    /// Pushes a manifest.
    pub fn push_manifest(
        &mut self,
        reference: &str,
        manifest: &[u8],
        media_type: &str,
    ) -> io::Result<Response> {
        let path = format!("/v2/{}/manifests/{reference}", self.name);
        self.client.send("PUT", &path, &[("Content-Type", media_type)], Body::Bytes(manifest))
    }

    /// Pulls a manifest.
    pub fn manifest(&mut self, reference: &str) -> io::Result<Response> {
        let path = format!("/v2/{}/manifests/{reference}", self.name);
        self.client.send("GET", &path, &[("Accept", ACCEPT)], Body::Empty)
    }

    /// Deletes a manifest or a tag.
    pub fn delete_manifest(&mut self, reference: &str) -> io::Result<Response> {
        let path = format!("/v2/{}/manifests/{reference}", self.name);
        self.client.send("DELETE", &path, &[], Body::Empty)
    }

    /// Pulls a blob, which must exist and match its digest.
    pub fn verify_blob(&mut self, digest: &Digest) {
        let path = self.blob_path(digest);
        let (response, found) =
            self.client.digest(&path).unwrap_or_else(|error| panic!("GET {path}: {error}"));
        response.expect(200, &path);
        assert_eq!(*digest, found, "{path} returns other bytes");
    }

    /// Pulls a manifest and everything that it references. All of it must exist and match its digest. Returns the
    /// manifest's digest.
    pub fn verify(&mut self, reference: &str) -> Digest {
        let response =
            self.manifest(reference).unwrap_or_else(|error| panic!("{}/{reference}: {error}", self.name));
        let response = response.expect(200, &format!("manifest {reference} of {}", self.name));
        let digest = Digest::of(Algorithm::Sha256, &response.body);
        if reference.contains(':') {
            assert_eq!(reference, digest.to_string(), "{} returns another manifest", self.name);
        }
        if let Some(said) = response.header("docker-content-digest") {
            assert_eq!(said, digest.to_string(), "Docker-Content-Digest of {}:{reference}", self.name);
        }
        let manifest = response.json();
        for child in list(&manifest, "manifests") {
            self.verify(&child);
        }
        let config = manifest["config"]["digest"].as_str().map(str::to_owned);
        for blob in list(&manifest, "layers").into_iter().chain(config) {
            self.verify_blob(&blob.parse().unwrap_or_else(|error| panic!("{error}")));
        }
        digest
    }

    /// The tags, from `tags/list`.
    pub fn tags(&mut self) -> Vec<String> {
        let path = format!("/v2/{}/tags/list?n=10000", self.name);
        let response = self.client.get(&path).unwrap_or_else(|error| panic!("GET {path}: {error}"));
        texts(&response.expect(200, &path).json()["tags"])
    }
}

/// The repositories that a server lists.
pub fn catalog(client: &mut Client) -> Vec<String> {
    let response = client.get("/v2/_catalog?n=1000").unwrap_or_else(|error| panic!("the catalog: {error}"));
    texts(&response.expect(200, "the catalog").json()["repositories"])
}

/// The offset at which the session at `location` continues, and the location of its next request.
pub fn upload_offset(client: &mut Client, location: &str) -> (u64, String) {
    let response = client.get(location).unwrap_or_else(|error| panic!("GET {location}: {error}"));
    let response = response.expect(204, &format!("the status of upload session {location}"));
    let range = response.header("range").unwrap_or_else(|| panic!("no Range in {response:?}"));
    let last = range.rsplit('-').next().and_then(|last| last.parse::<u64>().ok());
    let last = last.unwrap_or_else(|| panic!("Range `{range}` is not `0-N`"));
    // Every client takes `0-0` for an empty session; no test sends a single byte.
    let location =
        if response.header("location").is_some() { response.location() } else { location.to_owned() };
    (if last == 0 { 0 } else { last + 1 }, location)
}

/// An image manifest of one config and its layers.
pub fn manifest(config: (&Digest, u64), layers: &[(Digest, u64)]) -> Vec<u8> {
    let layers: Vec<Value> = layers
        .iter()
        .map(|(digest, size)| {
            json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": size})
        })
        .collect();
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.0, "size": config.1},
        "layers": layers,
    })
    .to_string()
    .into_bytes()
}

fn with_digest(location: &str, digest: &Digest) -> String {
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}digest={digest}")
}

fn list(manifest: &Value, key: &str) -> Vec<String> {
    let entries = manifest[key].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(|entry| entry["digest"].as_str()).map(str::to_owned).collect()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
