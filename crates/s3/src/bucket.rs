//! A bucket, with a prefix for all names.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use hythe_backup::{Growing, Listing as Files, Store};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{BackoffConfig, Error, ObjectStore, ObjectStoreExt as _, RetryConfig};
use parking_lot::Mutex;

use crate::connector::Connections;
use crate::failure::failed;
use crate::growing::GrowingObject;
use crate::listing::Listing;
use crate::reading::Reading;
use crate::threads::Threads;

/// How often a request is repeated at most, and for how long.
const RETRIES: usize = 6;
const RETRY: Duration = Duration::from_mins(1);

/// Variables of which one says where the credentials of a role are.
const ROLES: [&str; 3] = [
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// An access key, from the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The key's id.
    pub id: String,
    /// The file with its secret.
    pub secret_file: PathBuf,
}

/// Where a bucket is, and how to get in.
#[derive(Clone)]
pub struct BucketOptions {
    /// The bucket's name.
    pub bucket: String,
    /// What all names begin with, without slashes at the ends; empty for the whole bucket.
    pub prefix: String,
    /// The URL of the server; `None` for what the variables say, or Amazon's.
    pub endpoint: Option<String>,
    /// The region; `None` for what the variables say.
    pub region: Option<String>,
    /// The access key; `None` for what the variables say.
    pub keys: Option<Keys>,
    /// The environment's variables; those that begin with `AWS_` count.
    pub variables: Vec<(String, String)>,
    /// The folder of temporary files; `None` for the system's.
    pub scratch: Option<PathBuf>,
}

/// A bucket of an S3 server. Nothing is read or sent before the first call.
pub struct Bucket {
    options: BucketOptions,
    open: Mutex<Option<Open>>,
}

/// The connections to a bucket.
#[derive(Clone)]
struct Open {
    threads: Threads,
    store: Arc<dyn ObjectStore>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.place()).finish()
    }
}

impl Bucket {
    /// The bucket with these options.
    pub fn new(options: BucketOptions) -> Self {
        Self { options, open: Mutex::default() }
    }

    /// A bucket behind another implementation of an object store, for tests.
    #[doc(hidden)]
    pub fn over(store: Arc<dyn ObjectStore>, options: BucketOptions) -> io::Result<Self> {
        let open = Open { threads: Threads::start()?, store };
        Ok(Self { options, open: Mutex::new(Some(open)) })
    }

    fn connect(&self) -> io::Result<Open> {
        let mut open = self.open.lock();
        if let Some(open) = &*open {
            return Ok(open.clone());
        }
        let store = self.options.connect()?;
        Ok(open.insert(Open { threads: Threads::start()?, store }).clone())
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}{name}", self.options.before()))
    }

    /// Does something with the object of this name.
    fn ask<T: Send + 'static, F>(
        &self,
        name: &str,
        ask: impl FnOnce(Arc<dyn ObjectStore>, Path) -> F,
    ) -> io::Result<T>
    where
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        let Open { threads, store } = self.connect()?;
        threads.wait(ask(store, self.path(name)))?.map_err(failed(&self.options.bucket))
    }
}

impl BucketOptions {
    /// What the key of each object begins with.
    fn before(&self) -> String {
        if self.prefix.is_empty() { String::new() } else { format!("{}/", self.prefix) }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    fn connect(&self) -> io::Result<Arc<dyn ObjectStore>> {
        let mut builder = AmazonS3Builder::new();
        for (name, value) in
            self.variables.iter().filter(|(name, value)| name.starts_with("AWS_") && !value.is_empty())
        {
            if let Ok(key) = name.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        let endpoint = self.endpoint.as_deref();
        let endpoint = endpoint
            .or_else(|| self.variable("AWS_ENDPOINT_URL_S3"))
            .or_else(|| self.variable("AWS_ENDPOINT_URL"));
        let region = self.region.as_deref().or_else(|| self.variable("AWS_REGION"));
        let region = region.or_else(|| self.variable("AWS_DEFAULT_REGION")).unwrap_or("us-east-1");
        if let Some(Keys { id, secret_file }) = &self.keys {
            let secret = std::fs::read_to_string(secret_file).map_err(|error| {
                let path = secret_file.display();
                io::Error::new(
                    error.kind(),
                    format!("the file {path} with the secret of the access key cannot be read: {error}"),
                )
            })?;
            builder = builder.with_access_key_id(id).with_secret_access_key(secret.trim());
        } else {
            self.check_credentials(endpoint.is_some())?;
        }
        let amazons = format!("https://s3.{region}.amazonaws.com");
        let connections = Connections::to(endpoint.unwrap_or(&amazons)).map_err(io::Error::other)?;
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        let retry =
            RetryConfig { backoff: BackoffConfig::default(), max_retries: RETRIES, retry_timeout: RETRY };
        let store = builder
            .with_region(region)
            .with_bucket_name(&self.bucket)
            // Some servers have no request that removes several objects.
            .with_disable_bulk_delete(true)
            .with_retry(retry)
            .with_http_connector(connections)
            .build()
            .map_err(failed(&self.bucket))?;
        Ok(Arc::new(store))
    }

    /// Refuses to go on without any credentials: only Amazon's own machines give them to those who have none.
    fn check_credentials(&self, has_endpoint: bool) -> io::Result<()> {
        let (id, secret) = (self.variable("AWS_ACCESS_KEY_ID"), self.variable("AWS_SECRET_ACCESS_KEY"));
        let text = match (id, secret) {
            (Some(_), Some(_)) => return Ok(()),
            (Some(_), None) => "AWS_ACCESS_KEY_ID is set, but not AWS_SECRET_ACCESS_KEY",
            (None, Some(_)) => "AWS_SECRET_ACCESS_KEY is set, but not AWS_ACCESS_KEY_ID",
            (None, None) if !has_endpoint || ROLES.iter().any(|name| self.variable(name).is_some()) => {
                return Ok(());
            }
            (None, None) => {
                "there are no credentials for the S3 server: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            }
        };
        Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
    }
}

impl Store for Bucket {
    fn place(&self) -> String {
        let BucketOptions { bucket, prefix, .. } = &self.options;
        if prefix.is_empty() { format!("s3://{bucket}") } else { format!("s3://{bucket}/{prefix}") }
    }

    fn make(&self) -> io::Result<()> {
        self.connect().map(drop)
    }

    fn is_empty(&self) -> io::Result<bool> {
        let Open { threads, store } = self.connect()?;
        let prefix = (!self.options.prefix.is_empty()).then(|| Path::from(self.options.prefix.as_str()));
        let mut objects = store.list(prefix.as_ref());
        let first = threads.wait(async move { objects.next().await })?;
        Ok(first.transpose().map_err(failed(&self.options.bucket))?.is_none())
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn size(&self, name: &str) -> io::Result<Option<u64>> {
        self.ask(name, |store, path| async move {
            match store.head(&path).await {
                Ok(found) => Ok(Some(found.size)),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let found = self.ask(name, |store, path| async move { store.get(&path).await })?;
        let Open { threads, .. } = self.connect()?;
        let bucket = self.options.bucket.clone();
        Ok(Box::new(Reading { threads, bucket, pieces: Some(found.into_stream()), piece: Bytes::new() }))
    }

    fn local(&self, _: &str) -> io::Result<Option<File>> {
        Ok(None)
    }

    fn list(&self, folder: &str) -> io::Result<Files<'_>> {
        let Open { threads, store } = self.connect()?;
        let (bucket, before) = (self.options.bucket.clone(), self.options.before());
        let objects = Some(store.list(Some(&self.path(folder))));
        Ok(Box::new(Listing { threads, bucket, before, objects, page: VecDeque::new() }))
    }

    fn begin(&self, name: &str, size: Option<u64>) -> io::Result<Box<dyn Growing>> {
        let Open { threads, store } = self.connect()?;
        let bucket = self.options.bucket.clone();
        Ok(Box::new(GrowingObject::new(threads, store, bucket, self.path(name), size)))
    }

    fn remove(&self, names: &[String]) -> io::Result<()> {
        let Open { threads, store } = self.connect()?;
        let paths: Vec<_> = names.iter().map(|name| Ok(self.path(name))).collect();
        let removed = threads.wait(async move {
            let mut removed = store.delete_stream(futures_util::stream::iter(paths).boxed());
            while let Some(removed) = removed.next().await {
                match removed {
                    Ok(_) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })?;
        removed.map_err(failed(&self.options.bucket))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let to = self.path(to);
        self.ask(from, |store, from| async move {
            store.copy(&from, &to).await?;
            store.delete(&from).await
        })
    }

    fn sync(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn scratch(&self) -> io::Result<File> {
        match &self.options.scratch {
            Some(folder) => tempfile::tempfile_in(folder),
            None => tempfile::tempfile(),
        }
    }

    fn clear_unfinished(&self) -> io::Result<()> {
        Ok(())
    }
}
