//! Reading and writing files in a container, running or not.

use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use bytes::Bytes;
use futures_util::TryStreamExt as _;

use super::{Engine, EngineError};

/// A file in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The absolute path. In a folder's listing, the path of a folder ends with `/`.
    pub path: String,
    /// The content.
    pub content: String,
}

impl Engine {
    /// Reads a file in a container; `None` if it does not exist.
    pub async fn read(&self, container: &str, path: &str) -> Result<Option<String>, EngineError> {
        let Some(archive) = self.archive(container, path).await? else { return Ok(None) };
        let unreadable = |error: std::io::Error| EngineError::Refused {
            doing: format!("read {path} of {container}"),
            status: None,
            message: error.to_string(),
        };
        let mut archive = tar::Archive::new(&*archive);
        for entry in archive.entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            if entry.header().entry_type().is_file() {
                let mut content = Vec::new();
                std::io::Read::read_to_end(&mut entry, &mut content).map_err(unreadable)?;
                return Ok(Some(String::from_utf8_lossy(&content).into_owned()));
            }
        }
        Ok(None)
    }

    /// Reads every file below a folder in a container. Empty if the folder does not exist.
    pub async fn read_folder(&self, container: &str, path: &str) -> Result<Vec<File>, EngineError> {
        let Some(archive) = self.archive(container, path).await? else { return Ok(Vec::new()) };
        let unreadable = |error: std::io::Error| EngineError::Refused {
            doing: format!("read the folder {path} of {container}"),
            status: None,
            message: error.to_string(),
        };
        // Names in the archive begin with the folder's own name.
        let parent = path.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent);
        let mut files = Vec::new();
        let mut archive = tar::Archive::new(&*archive);
        for entry in archive.entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            let name = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
            let path = format!("{parent}/{}", name.trim_end_matches('/'));
            if entry.header().entry_type().is_dir() {
                // Folders are listed too: an empty one has a meaning for containerd.
                files.push(File { path: format!("{path}/"), content: String::new() });
                continue;
            }
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).map_err(unreadable)?;
            files.push(File { path, content: String::from_utf8_lossy(&content).into_owned() });
        }
        Ok(files)
    }

    async fn archive(&self, container: &str, path: &str) -> Result<Option<Vec<u8>>, EngineError> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let stream = self.docker.download_from_container(container, Some(options));
        let whole = stream.try_fold(Vec::new(), |mut whole, piece| async move {
            whole.extend_from_slice(&piece);
            Ok(whole)
        });
        let doing = format!("read {path} of {container}");
        super::absent(super::within(super::PATIENCE, doing, whole).await)
    }

    /// Writes files into a container, owned by root and readable by all, and creates missing folders.
    pub async fn write(&self, container: &str, files: &[File]) -> Result<(), EngineError> {
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let doing = format!("write {} into {container}", paths.join(", "));
        let archive = pack(files).map_err(|error| EngineError::Refused {
            doing: doing.clone(),
            status: None,
            message: error.to_string(),
        })?;
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        let body = bollard::body_full(Bytes::from(archive));
        let written = self.docker.upload_to_container(container, Some(options), body);
        super::within(super::PATIENCE, doing, written).await
    }
}

fn pack(files: &[File]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        archive.append_data(&mut header, file.path.trim_start_matches('/'), file.content.as_bytes())?;
    }
    archive.into_inner()
}
