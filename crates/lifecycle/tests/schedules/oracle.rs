//! What must be true after the answers so far.

use std::collections::BTreeMap;

use crate::process::{EXPIRE, GRACE};
use crate::request::{Answer, Image, Request, WITHIN};

/// A moment of a schedule: its step, and how much time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) step: usize,
    pub(crate) passed: i64,
}

/// From the start of a request to its answer. A kill ends every request.
#[derive(Clone, Copy, Debug)]
struct Span {
    number: usize,
    begin: usize,
    end: Option<usize>,
}

impl Span {
    /// Whether the request may still have had an effect at this step.
    fn reaches(&self, step: usize) -> bool {
        self.end.is_none_or(|end| end >= step)
    }
}

/// The requests about one image.
#[derive(Debug, Default)]
struct Life {
    /// When the last acknowledged push began, or the last restoration.
    pushed: Option<Moment>,
    /// Whether that was a push, which sets a tag.
    has_tag: bool,
    deletes: Vec<Span>,
    untags: Vec<Span>,
}

/// The answers so far.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    images: BTreeMap<Image, Life>,
    /// When a request began by which a client was told that the repository has the blob.
    told: BTreeMap<(usize, usize), Moment>,
    early: Vec<Span>,
    untagged: Vec<Span>,
    retains: Vec<Span>,
    evictions: Vec<Span>,
    /// When the last pull of each image through the cache began, if that is acknowledged.
    cached: BTreeMap<u8, usize>,
    /// The image that a cluster runs, and the step in which the registry had heard so.
    run: Option<(u8, usize)>,
    /// The last step in which an operation of the storage failed.
    fault: Option<usize>,
}

impl Oracle {
    /// A request begins.
    pub(crate) fn begin(&mut self, number: usize, request: Request, step: usize) {
        let span = Span { number, begin: step, end: None };
        match request {
            Request::DeleteImage(image) => self.images.entry(image).or_default().deletes.push(span),
            Request::DeleteTag(image) => self.images.entry(image).or_default().untags.push(span),
            Request::Retain => self.retains.push(span),
            Request::Evict => self.evictions.push(span),
            // What the cluster ran until now may go.
            Request::Run(_) => self.run = None,
            Request::Collect { early, untagged } => {
                self.early.extend(early.then_some(span));
                self.untagged.extend(untagged.then_some(span));
            }
            _ => {}
        }
    }

    /// A request has ended, with an answer or by a kill.
    pub(crate) fn end(&mut self, number: usize, step: usize) {
        let of_images =
            self.images.values_mut().flat_map(|life| life.deletes.iter_mut().chain(&mut life.untags));
        let of_all = [&mut self.early, &mut self.untagged, &mut self.retains, &mut self.evictions];
        for span in of_images.chain(of_all.into_iter().flatten()) {
            if span.number == number {
                span.end = Some(step);
            }
        }
    }

    /// The storage fails an operation.
    pub(crate) fn fail(&mut self, step: usize) {
        self.fault = Some(step);
    }

    /// Takes an answer, and says why it is wrong if it is.
    pub(crate) fn hear(
        &mut self,
        request: Request,
        began: Moment,
        now: Moment,
        answer: &Answer,
    ) -> Result<(), String> {
        let wrong =
            |why: &str| Err(format!("{request:?}, begun in step {}, got {answer:?}: {why}", began.step));
        if let Answer::Failed(_) = answer {
            let is_excused =
                self.fault.is_some_and(|step| step >= began.step) || now.passed - began.passed >= EXPIRE;
            return if is_excused { Ok(()) } else { wrong("a request failed without a fault") };
        }
        match (request, answer) {
            (Request::PushBlob { to, blob, .. } | Request::Mount { blob, to, .. }, Answer::Done) => {
                self.told.insert((to, blob), began);
            }
            (Request::Head { of, blob }, Answer::Done) => drop(self.told.insert((of, blob), began)),
            (Request::Head { of, blob }, _) if self.is_promised(of, blob, began, now) => {
                return wrong("a blob is gone within the grace period");
            }
            (Request::PushImage(image) | Request::Undelete(image), Answer::Done) => {
                let life = self.images.entry(image).or_default();
                life.pushed = Some(began);
                life.has_tag = matches!(request, Request::PushImage(_));
            }
            (Request::PushImage(_), Answer::Incomplete(_)) => {
                return wrong("a client was told of blobs that its image lacks now");
            }
            (Request::Undelete(image), Answer::Incomplete(_)) => {
                let life = self.images.entry(image).or_default();
                (life.pushed, life.has_tag) = (Some(began), false);
                if self.must_exist(image, now) {
                    return wrong("a restored image is not whole");
                }
            }
            (Request::PushImage(image), Answer::Refused) => {
                if image.blobs().all(|blob| self.is_promised(image.repository, blob, began, now)) {
                    return wrong("a promised blob is gone");
                }
                for blob in image.blobs() {
                    self.told.remove(&(image.repository, blob));
                }
            }
            (Request::BackUp, Answer::Broken(_)) => {
                return wrong("a backup lost a blob although it held a lease");
            }
            (Request::Pull(image), answer)
                if *answer != Answer::Done
                    && self.must_exist(image, now)
                    && self.images[&image].pushed.is_some_and(|pushed| pushed.step < began.step) =>
            {
                return wrong("an acknowledged image is not whole");
            }
            (Request::Fetch(layers), Answer::Done) => drop(self.cached.insert(layers, began.step)),
            (Request::Run(layers), Answer::Done) => self.run = Some((layers, now.step)),
            (Request::PullCopy(layers), answer)
                if *answer != Answer::Done
                    && self.must_be_cached(layers)
                    && self.cached[&layers] < began.step =>
            {
                return wrong("a cached image is not whole, although no eviction may have removed it");
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a client that was told of the blob relies on it: it does not send the blob.
    pub(crate) fn relies(&self, repository: usize, blob: usize, now: Moment) -> bool {
        self.told.get(&(repository, blob)).is_some_and(|told| now.passed - told.passed <= GRACE / 2)
    }

    /// Whether the blob must be there: a client was told so before the request began, within the grace period and after
    /// the last early collection.
    fn is_promised(&self, repository: usize, blob: usize, began: Moment, now: Moment) -> bool {
        self.told.get(&(repository, blob)).is_some_and(|told| {
            told.step < began.step
                && now.passed - told.passed <= GRACE / 2
                && !self.early.iter().any(|span| span.reaches(told.step))
        })
    }

    /// Whether the image was acknowledged, and nothing that began since may have deleted it.
    fn must_exist(&self, image: Image, now: Moment) -> bool {
        let Some(Life { pushed: Some(pushed), has_tag, deletes, untags }) = self.images.get(&image) else {
            return false;
        };
        let may_have_begun_since = |spans: &[Span]| spans.iter().any(|span| span.reaches(pushed.step));
        let may_be_untagged = !has_tag || may_have_begun_since(untags);
        // The rules keep it for this time, also from a run that planned before the push.
        let is_old = now.passed - pushed.passed >= WITHIN;
        let is_deleted = may_have_begun_since(deletes)
            || (may_be_untagged && may_have_begun_since(&self.untagged))
            || (is_old && may_have_begun_since(&self.retains));
        !is_deleted
    }

    /// Whether the copy must have the image: it was pulled, and each eviction since began when the registry knew that a
    /// cluster runs it.
    fn must_be_cached(&self, layers: u8) -> bool {
        let Some(fetched) = self.cached.get(&layers) else { return false };
        let runs = |span: &Span| self.run.is_some_and(|(run, since)| run == layers && since < span.begin);
        self.evictions.iter().filter(|span| span.reaches(*fetched)).all(runs)
    }

    /// The images that the copy must have.
    pub(crate) fn cached(&self) -> Vec<u8> {
        self.cached.keys().copied().filter(|layers| self.must_be_cached(*layers)).collect()
    }

    /// The images that must be there.
    pub(crate) fn images(&self, now: Moment) -> Vec<Image> {
        self.images.keys().copied().filter(|image| self.must_exist(*image, now)).collect()
    }

    /// The blobs that must be there.
    pub(crate) fn blobs(&self, now: Moment) -> Vec<(usize, usize)> {
        let told = self.told.keys().copied();
        told.filter(|(repository, blob)| self.is_promised(*repository, *blob, now, now)).collect()
    }
}
