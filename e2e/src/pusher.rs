//! A client that pushes without end and records what the server acknowledged.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use hythe_oci::{Algorithm, Digest};

use crate::client::{Client, Response};
use crate::content::Content;
use crate::ledger::{Ledger, Session, Tags};
use crate::number::Random;
use crate::repository::{MANIFEST, Repository, Way, manifest};

/// Pushes into repositories of its own until the server is killed.
pub struct Pusher<'s> {
    client: Client,
    random: Random,
    /// Set before the server is killed. Only from then on may a request fail.
    doomed: &'s AtomicBool,
    name: String,
    ledger: Ledger,
}

impl<'s> Pusher<'s> {
    /// A pusher whose choices `seed` determines, and whose tags are in the state `tags`.
    pub fn new(client: Client, name: &str, seed: u64, tags: Tags, doomed: &'s AtomicBool) -> Self {
        let ledger = Ledger { tags, ..Ledger::default() };
        Self { client, random: Random::new(seed), doomed, name: name.to_owned(), ledger }
    }

    /// Pushes until a request fails, and returns everything that was acknowledged.
    pub fn run(mut self) -> Ledger {
        loop {
            let step = match self.random.within(0..100) {
                0..50 => self.push_image(),
                50..60 => self.push_blob().map(drop),
                60..80 => self.open_session(),
                80..90 => self.close_session(),
                90..95 => self.mount_blob(),
                _ => self.delete_tag(),
            };
            if let Err(error) = step {
                assert!(self.doomed.load(Ordering::SeqCst), "{}: a request failed: {error}", self.name);
                return self.ledger;
            }
        }
    }

    fn content(&mut self) -> Content {
        // Mostly small blobs, like configs. Some are large, so that the kill can hit the server in the middle of one.
        let length = if self.random.chance(10) {
            self.random.within(64 << 10..2 << 20)
        } else {
            self.random.within(2..64 << 10)
        };
        Content::new(self.random.draw(), length)
    }

    fn push_blob(&mut self) -> io::Result<(Digest, u64)> {
        let content = self.content();
        let digest = content.digest();
        let way = Way::ALL[self.random.within(0..4) as usize];
        let response = Repository::new(&mut self.client, &self.name).push_blob(&content, &digest, way)?;
        response.expect(201, &format!("push of a blob by {way:?}"));
        self.ledger.blobs.push((self.name.clone(), digest));
        Ok((digest, content.len()))
    }

    fn push_image(&mut self) -> io::Result<()> {
        let config = self.push_blob()?;
        let layers =
            (0..self.random.within(1..4)).map(|_| self.push_blob()).collect::<io::Result<Vec<_>>>()?;
        let bytes = manifest((&config.0, config.1), &layers);
        let digest = Digest::of(Algorithm::Sha256, &bytes);
        if self.random.chance(25) {
            let mut repository = Repository::new(&mut self.client, &self.name);
            repository
                .push_manifest(&digest.to_string(), &bytes, MANIFEST)?
                .expect(201, "PUT of a manifest by digest");
        } else {
            let (key, tag) = self.tag();
            self.ledger.tags.entry(key.clone()).or_default().pending = Some(Some(digest));
            let mut repository = Repository::new(&mut self.client, &self.name);
            repository.push_manifest(&tag, &bytes, MANIFEST)?.expect(201, "PUT of a manifest by tag");
            self.acknowledge(key, Some(digest));
        }
        self.ledger.manifests.push((self.name.clone(), digest));
        Ok(())
    }

    fn delete_tag(&mut self) -> io::Result<()> {
        let (key, tag) = self.tag();
        let Some(state) = self.ledger.tags.get_mut(&key).filter(|state| state.acknowledged.is_some()) else {
            return Ok(());
        };
        state.pending = Some(None);
        let response = Repository::new(&mut self.client, &self.name).delete_manifest(&tag)?;
        response.expect(202, "DELETE of a tag");
        self.acknowledge(key, None);
        Ok(())
    }

    fn tag(&mut self) -> ((String, String), String) {
        let tag = format!("t{}", self.random.within(0..8));
        ((self.name.clone(), tag.clone()), tag)
    }

    fn acknowledge(&mut self, key: (String, String), target: Option<Digest>) {
        let state = self.ledger.tags.entry(key).or_default();
        state.acknowledged = target;
        state.pending = None;
    }

    fn mount_blob(&mut self) -> io::Result<()> {
        let Some((from, digest)) = self.ledger.blobs.last().cloned() else { return Ok(()) };
        let name = format!("{}-mounts", self.name);
        let response = Repository::new(&mut self.client, &name).mount(&digest, &from)?;
        // 202 opens a session instead, which the specification allows.
        if response.status == 201 {
            self.ledger.blobs.push((name, digest));
        }
        Ok(())
    }

    fn open_session(&mut self) -> io::Result<()> {
        let content = self.content();
        let response = Repository::new(&mut self.client, &self.name).open_upload()?;
        let location = response.expect(202, "POST of an upload").location();
        let repository = self.name.clone();
        self.ledger.sessions.push(Session {
            repository,
            location,
            content,
            acknowledged: 0,
            sent: 0,
            closing: false,
        });
        let last = self.ledger.sessions.len() - 1;
        for _ in 0..self.random.within(0..3) {
            let session = &mut self.ledger.sessions[last];
            let rest = content.len() - session.acknowledged;
            // At least two bytes before and after the split, because the range `0-0` would be ambiguous.
            if rest < 8 {
                break;
            }
            session.sent = session.acknowledged + 2 + self.random.within(0..rest - 4);
            let mut repository = Repository::new(&mut self.client, &self.name);
            let response =
                repository.append(&session.location, &content, session.acknowledged, session.sent)?;
            let response = response.expect(202, "PATCH");
            assert_eq!(range_end(&response), session.sent, "{response:?}");
            session.acknowledged = session.sent;
            session.location = response.location();
        }
        Ok(())
    }

    fn close_session(&mut self) -> io::Result<()> {
        let Some(session) = self.ledger.sessions.last_mut() else { return Ok(()) };
        let content = session.content;
        session.closing = true;
        session.sent = content.len();
        let digest = content.digest();
        let mut repository = Repository::new(&mut self.client, &self.name);
        let response = repository.close_upload(&session.location, &content, &digest, session.acknowledged)?;
        response.expect(201, "PUT that closes a session");
        self.ledger.sessions.pop();
        self.ledger.blobs.push((self.name.clone(), digest));
        Ok(())
    }
}

fn range_end(response: &Response) -> u64 {
    let last = response
        .header("range")
        .and_then(|range| range.rsplit('-').next())
        .and_then(|last| last.parse().ok());
    last.map_or(0, |last: u64| last + 1)
}
