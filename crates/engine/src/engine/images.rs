//! The engine's images, and how the engine itself moves them.

use std::io;

use bollard::auth::DockerCredentials;
use bollard::models::ImageInspect;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ImportImageOptionsBuilder, ListImagesOptions, PushImageOptionsBuilder,
    TagImageOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use hythe_oci::{Digest, ImageName, Platform};

use super::{Engine, EngineError, PATIENCE, absent, within};

/// Time limit for the engine to take or give the archive of an image, in which it writes or reads each layer.
const ARCHIVE: std::time::Duration = std::time::Duration::from_hours(1);

/// A user's login for a registry.
#[derive(Clone)]
pub enum Login {
    /// A user name and a password.
    Basic {
        /// The user's name.
        username: String,
        /// The password.
        password: String,
    },
    /// An identity token.
    Token(String),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

/// An image that an engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineImage {
    /// The image's id: the digest of its configuration, or in containerd's store of its manifest or index.
    pub id: Digest,
    /// The names of the image.
    pub names: Vec<String>,
    /// The names with a digest under which registries have the image.
    pub digests: Vec<String>,
}

impl EngineImage {
    fn of(image: ImageInspect) -> Option<Self> {
        let id = image.id?;
        let id = if id.contains(':') { id } else { format!("sha256:{id}") };
        let (names, digests) = (image.repo_tags.unwrap_or_default(), image.repo_digests.unwrap_or_default());
        Some(Self { id: id.parse().ok()?, names, digests })
    }
}

/// A name of an image without its tag, and the tag, as the engine's API takes them.
fn parts(name: &ImageName) -> (String, String) {
    let full = name.normalised();
    let text = full.as_str();
    match full.tag() {
        Some(tag) => (text[..text.len() - tag.as_str().len() - 1].to_owned(), tag.to_string()),
        None => (text.to_owned(), String::new()),
    }
}

fn credentials(registry: &str, login: Option<&Login>) -> Option<DockerCredentials> {
    let server = if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry };
    let mut credentials =
        DockerCredentials { serveraddress: Some(server.to_owned()), ..DockerCredentials::default() };
    match login? {
        Login::Basic { username, password } => {
            credentials.username = Some(username.clone());
            credentials.password = Some(password.clone());
        }
        Login::Token(token) => credentials.identitytoken = Some(token.clone()),
    }
    Some(credentials)
}

impl Engine {
    /// The image of this name or id; `None` if the engine does not have it.
    pub async fn find_image(&self, name: &str) -> Result<Option<EngineImage>, EngineError> {
        let inspected = self.docker.inspect_image(name);
        let found = absent(within(PATIENCE, format!("look for the image {name}"), inspected).await)?;
        Ok(found.and_then(EngineImage::of))
    }

    /// The names of all images, sorted.
    pub async fn image_names(&self) -> Result<Vec<String>, EngineError> {
        let listed = self.docker.list_images(None::<ListImagesOptions>);
        let images = within(PATIENCE, "list its images", listed).await?;
        let mut names: Vec<String> = images.into_iter().flat_map(|image| image.repo_tags).collect();
        names.retain(|name| !name.starts_with("<none>"));
        names.sort();
        Ok(names)
    }

    /// Gives an image another name. A name that another image had moves to this one.
    pub async fn tag(&self, image: &str, name: &ImageName) -> Result<(), EngineError> {
        let (repository, tag) = parts(name);
        let options = TagImageOptionsBuilder::default().repo(&repository).tag(&tag).build();
        let tagged = self.docker.tag_image(image, Some(options));
        within(PATIENCE, format!("give the image {image} the name {name}"), tagged).await
    }

    /// Pushes an image under one of its names by the engine's own push.
    pub async fn push(&self, name: &ImageName, login: Option<&Login>) -> Result<(), EngineError> {
        let (repository, tag) = parts(name);
        let options = PushImageOptionsBuilder::default().tag(&tag).build();
        let credentials = credentials(&name.registry().to_string(), login);
        let pushing = self.docker.push_image(&repository, Some(options), credentials);
        let doing = format!("push {name}");
        pushing.try_for_each(|_| async { Ok(()) }).await.map_err(EngineError::of(doing))
    }

    /// Pulls an image by the engine's own pull.
    pub async fn pull(
        &self,
        name: &ImageName,
        platform: Option<&Platform>,
        login: Option<&Login>,
    ) -> Result<(), EngineError> {
        let (repository, tag) = parts(name);
        let mut options = CreateImageOptionsBuilder::default().from_image(&repository);
        if !tag.is_empty() {
            options = options.tag(&tag);
        }
        if let Some(platform) = platform {
            options = options.platform(&platform.to_string());
        }
        let credentials = credentials(&name.registry().to_string(), login);
        let pulling = self.docker.create_image(Some(options.build()), None, credentials);
        let doing = format!("pull {name}");
        pulling.try_for_each(|_| async { Ok(()) }).await.map_err(EngineError::of(doing))
    }

    /// The archive of an image, in the format of `docker save`. The engine first writes all its layers to its disk.
    pub fn save(&self, name: &str) -> impl Stream<Item = Result<Bytes, EngineError>> + use<> {
        let doing = format!("write the archive of {name}");
        let docker = self.docker.clone().with_timeout(ARCHIVE);
        docker.export_image(name).map(move |piece| piece.map_err(EngineError::of(doing.clone())))
    }

    /// Loads the images of an archive as it comes.
    pub async fn load_stream(
        &self,
        what: &str,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), EngineError> {
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let docker = self.docker.clone().with_timeout(ARCHIVE);
        let loading = docker.import_image(options, bollard::body_try_stream(archive), None);
        loading.try_for_each(|_| async { Ok(()) }).await.map_err(EngineError::of(format!("load {what}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_gets_the_full_name_and_the_tag() {
        for (name, repository, tag) in [
            ("redis", "docker.io/library/redis", "latest"),
            ("localhost:5001/app:dev", "localhost:5001/app", "dev"),
            ("ghcr.io/a/b:v1", "ghcr.io/a/b", "v1"),
        ] {
            let expected = (repository.to_owned(), tag.to_owned());
            assert_eq!(parts(&name.parse().unwrap()), expected);
        }
    }

    #[test]
    fn a_login_names_its_registry_and_its_debug_form_shows_nothing() {
        let login = Login::Basic { username: "me".to_owned(), password: "secret".to_owned() };
        let sent = credentials("docker.io", Some(&login)).unwrap();
        assert_eq!(sent.serveraddress.as_deref(), Some("https://index.docker.io/v1/"));
        assert!(!format!("{login:?}").contains("secret"));
        assert!(credentials("ghcr.io", None).is_none());
    }
}
