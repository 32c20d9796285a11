//! What must be true after the answers so far.

use std::collections::BTreeMap;

use crate::process::{EXPIRE, GRACE};
use crate::request::{Answer, Image, Request};

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
    pushed: Option<usize>,
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
    /// The last step in which an operation of the storage failed.
    fault: Option<usize>,
}

impl Oracle {
    /// A request begins.
    pub(crate) fn begin(&mut self, number: usize, request: Request) {
        let span = Span { number, end: None };
        match request {
            Request::DeleteImage(image) => self.images.entry(image).or_default().deletes.push(span),
            Request::DeleteTag(image) => self.images.entry(image).or_default().untags.push(span),
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
        for span in of_images.chain(&mut self.early).chain(&mut self.untagged) {
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
                life.pushed = Some(began.step);
                life.has_tag = matches!(request, Request::PushImage(_));
            }
            (Request::PushImage(_), Answer::Incomplete(_)) => {
                return wrong("a client was told of blobs that its image lacks now");
            }
            (Request::Undelete(image), Answer::Incomplete(_)) => {
                let life = self.images.entry(image).or_default();
                (life.pushed, life.has_tag) = (Some(began.step), false);
                if self.must_exist(image) {
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
                    && self.must_exist(image)
                    && self.images[&image].pushed.is_some_and(|step| step < began.step) =>
            {
                return wrong("an acknowledged image is not whole");
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
    fn must_exist(&self, image: Image) -> bool {
        let Some(Life { pushed: Some(pushed), has_tag, deletes, untags }) = self.images.get(&image) else {
            return false;
        };
        let may_have_begun_since = |spans: &[Span]| spans.iter().any(|span| span.reaches(*pushed));
        let may_be_untagged = !has_tag || may_have_begun_since(untags);
        let is_deleted =
            may_have_begun_since(deletes) || (may_be_untagged && may_have_begun_since(&self.untagged));
        !is_deleted
    }

    /// The images that must be there.
    pub(crate) fn images(&self) -> Vec<Image> {
        self.images.keys().copied().filter(|image| self.must_exist(*image)).collect()
    }

    /// The blobs that must be there.
    pub(crate) fn blobs(&self, now: Moment) -> Vec<(usize, usize)> {
        let told = self.told.keys().copied();
        told.filter(|(repository, blob)| self.is_promised(*repository, *blob, now, now)).collect()
    }
}
