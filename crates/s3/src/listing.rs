//! Lists objects, page by page.

use std::collections::VecDeque;
use std::io;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use hythe_backup::Found;
use object_store::ObjectMeta;

use crate::failure::failed;
use crate::threads::Threads;

/// How many objects are taken from the stream at once: as many as a page of S3 has.
const PAGE: usize = 1000;

type Objects = BoxStream<'static, object_store::Result<ObjectMeta>>;

/// The objects below a prefix.
pub(crate) struct Listing {
    pub(crate) threads: Threads,
    pub(crate) bucket: String,
    /// What the names of all objects of the store begin with, up to the slash.
    pub(crate) before: String,
    /// Taken while a page is waited for; `None` at the end.
    pub(crate) objects: Option<Objects>,
    pub(crate) page: VecDeque<object_store::Result<ObjectMeta>>,
}

impl Iterator for Listing {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && let Some(mut objects) = self.objects.take()
        {
            let page = self.threads.wait(async move {
                let page: VecDeque<_> = objects.by_ref().take(PAGE).collect().await;
                (page, objects)
            });
            match page {
                Ok((page, objects)) => {
                    self.objects = (page.len() == PAGE).then_some(objects);
                    self.page = page;
                }
                Err(error) => return Some(Err(error)),
            }
        }
        let object = self.page.pop_front()?.map_err(failed(&self.bucket));
        Some(object.map(|object| {
            let key = object.location.to_string();
            let name = key.strip_prefix(&self.before).unwrap_or(&key).to_owned();
            Found { name, size: object.size }
        }))
    }
}
