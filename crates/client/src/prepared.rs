//! A connector for tests, whose connections the test prepares.

use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http::Uri;
use tower_service::Service;

use crate::connector::{Stream, Wire};

/// Hands out what `make` makes; counts its connections.
#[derive(Clone)]
pub(crate) struct Prepared {
    make: Arc<dyn Fn() -> Stream + Send + Sync>,
    count: Arc<AtomicUsize>,
}

impl Prepared {
    pub(crate) fn new(make: impl Fn() -> Stream + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(make), count: Arc::default() }
    }

    /// How many connections were made.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl Service<Uri> for Prepared {
    type Response = Wire;
    type Error = io::Error;
    type Future = Ready<io::Result<Wire>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        self.count.fetch_add(1, Ordering::SeqCst);
        ready(Ok(Wire::over((self.make)(), false)))
    }
}
