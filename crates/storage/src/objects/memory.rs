//! A bucket in memory, whose requests can be made to fail.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use super::bucket::{Bucket, Object, When};

/// The smallest part of S3, in bytes.
const PART: u64 = 5 << 20;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request is lost: it takes no effect.
    Before,
    /// The answer is lost: the request takes effect, but its caller gets an error.
    After,
    /// The request takes effect after this time.
    Slow(Duration),
}

/// A bucket in memory.
#[derive(Debug)]
pub struct MemoryBucket {
    part_size: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Bytes>,
    multiparts: HashMap<String, Multipart>,
    /// How many multipart uploads were begun.
    begun: u64,
    /// How many requests pass before one fails, and how that one fails.
    fault: Option<(usize, Fault)>,
}

#[derive(Debug)]
struct Multipart {
    key: String,
    /// By number.
    parts: BTreeMap<u32, Bytes>,
}

impl Default for MemoryBucket {
    fn default() -> Self {
        Self::with_part_size(PART)
    }
}

impl MemoryBucket {
    /// An empty bucket that refuses smaller parts, except for the last one of an object.
    pub fn with_part_size(part_size: u64) -> Self {
        Self { part_size, state: Mutex::default() }
    }

    /// Makes one request fail: the first one from now on if `nth` is 0.
    pub fn fail(&self, nth: usize, fault: Fault) {
        self.state.lock().fault = Some((nth, fault));
    }

    /// Makes no request fail from now on. Whether one was still to fail.
    pub fn heal(&self) -> bool {
        self.state.lock().fault.take().is_some()
    }

    /// The keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        self.state.lock().objects.keys().cloned().collect()
    }

    async fn request<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T> + Send) -> io::Result<T> {
        let fault = self.state.lock().next_fault();
        match fault {
            Some(Fault::Before) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the request was lost"));
            }
            Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
            Some(Fault::After) | None => {}
        }
        let done = work(&mut self.state.lock());
        match fault {
            Some(Fault::After) => Err(io::Error::new(io::ErrorKind::TimedOut, "the answer was lost")),
            _ => done,
        }
    }
}

impl State {
    fn next_fault(&mut self) -> Option<Fault> {
        let (passes, fault) = self.fault?;
        self.fault = passes.checked_sub(1).map(|passes| (passes, fault));
        if self.fault.is_none() { Some(fault) } else { None }
    }

    fn put(&mut self, key: &str, bytes: Bytes, when: When) -> io::Result<()> {
        if when == When::Absent && self.objects.contains_key(key) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.objects.insert(key.to_owned(), bytes);
        Ok(())
    }

    fn get(&self, key: &str, range: Range<u64>) -> io::Result<Bytes> {
        let object = self.objects.get(key).ok_or(io::ErrorKind::NotFound)?;
        // S3 refuses a range that begins at the end, and so an empty one.
        if range.is_empty() || range.end > object.len() as u64 {
            let what = format!("the object has no bytes {range:?}, but {}", object.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        Ok(object.slice(range.start as usize..range.end as usize))
    }

    /// The multipart upload, if it is one of this key.
    fn multipart(&mut self, key: &str, multipart: &str) -> io::Result<&mut Multipart> {
        let found = self.multiparts.get_mut(multipart).filter(|found| found.key == key);
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such multipart upload"))
    }
}

fn tag(multipart: &str, number: u32) -> String {
    format!("{multipart}.{number}")
}

#[async_trait::async_trait]
impl Bucket for MemoryBucket {
    fn part_size(&self) -> u64 {
        self.part_size
    }

    async fn put(&self, key: &str, bytes: Bytes, when: When) -> io::Result<()> {
        self.request(|state| state.put(key, bytes, when)).await
    }

    async fn get(&self, key: &str, range: Range<u64>) -> io::Result<Bytes> {
        self.request(|state| state.get(key, range)).await
    }

    async fn head(&self, key: &str) -> io::Result<Option<u64>> {
        self.request(|state| Ok(state.objects.get(key).map(|object| object.len() as u64))).await
    }

    async fn delete(&self, key: &str) -> io::Result<()> {
        self.request(|state| {
            state.objects.remove(key);
            Ok(())
        })
        .await
    }

    async fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.request(|state| {
            let from = state.objects.range(prefix.to_owned()..);
            let found = from.take_while(|(key, _)| key.starts_with(prefix));
            Ok(found.map(|(key, bytes)| Object { key: key.clone(), size: bytes.len() as u64 }).collect())
        })
        .await
    }

    async fn begin_multipart(&self, key: &str) -> io::Result<String> {
        self.request(|state| {
            state.begun += 1;
            let multipart = format!("multipart-{}", state.begun);
            let begun = Multipart { key: key.to_owned(), parts: BTreeMap::new() };
            state.multiparts.insert(multipart.clone(), begun);
            Ok(multipart)
        })
        .await
    }

    async fn copy_part(
        &self,
        key: &str,
        multipart: &str,
        number: u32,
        from: &str,
        range: Range<u64>,
    ) -> io::Result<String> {
        self.request(|state| {
            let part = state.get(from, range)?;
            state.multipart(key, multipart)?.parts.insert(number, part);
            Ok(tag(multipart, number))
        })
        .await
    }

    async fn complete_multipart(
        &self,
        key: &str,
        multipart: &str,
        tags: Vec<String>,
        when: When,
    ) -> io::Result<()> {
        self.request(|state| {
            let invalid = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
            let parts = &state.multipart(key, multipart)?.parts;
            let mut whole = BytesMut::new();
            for (number, named) in (1..).zip(&tags) {
                let part = parts.get(&number).filter(|_| *named == tag(multipart, number));
                let part = part.ok_or_else(|| invalid("a part is missing"))?;
                if (number as usize) < tags.len() && (part.len() as u64) < self.part_size {
                    return Err(invalid("a part that is not the last one is too small"));
                }
                whole.extend_from_slice(part);
            }
            state.put(key, whole.freeze(), when)?;
            state.multiparts.remove(multipart);
            Ok(())
        })
        .await
    }

    async fn abort_multipart(&self, key: &str, multipart: &str) -> io::Result<()> {
        self.request(|state| {
            state.multipart(key, multipart)?;
            state.multiparts.remove(multipart);
            Ok(())
        })
        .await
    }

    async fn presign(&self, key: &str, valid: Duration) -> io::Result<String> {
        Ok(format!("memory:///{key}?expires={}", valid.as_secs()))
    }
}
