//! Copies an image: finds out what the target lacks, brings the blobs, then the manifests, those that others refer to
//! first.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hythe_oci::{Descriptor, Digest, Platform, Reference, Tag};

use crate::config::expect_platform;
use crate::error::{Error, Result};
use crate::manifest::{Child, Manifest};
use crate::store::{Brought, Moved, Source, Target};

/// The most levels of indexes within indexes, and of referrers of referrers.
const LEVELS: usize = 6;

/// Questions to a registry at the same time.
const QUESTIONS: usize = 8;

/// Endings of tags under which signers without referrers keep what belongs to an image (cosign).
const ENDINGS: [&str; 3] = [".sig", ".att", ".sbom"];

/// How to copy.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own, and none depends on another")]
pub struct Plan {
    /// The platforms to copy; empty for all. An index keeps its bytes and lists the others too.
    pub platforms: Vec<Platform>,
    /// Whether to also copy referrers, and the signatures that tags name.
    pub referrers: bool,
    /// Whether to leave out the manifests of an index that the source does not have whole, instead of failing.
    pub partial: bool,
    /// Whether to also ask the target for each blob of the manifests that it has, and to bring those that it lost.
    pub check_blobs: bool,
    /// Blobs that move at the same time.
    pub jobs: usize,
    /// Whether to write nothing and only find out what is missing.
    pub dry_run: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            platforms: Vec::new(),
            referrers: false,
            partial: false,
            check_blobs: false,
            jobs: 4,
            dry_run: false,
        }
    }
}

/// Told of the progress of a copy.
pub trait Watch: Send + Sync {
    /// More blobs are to be brought.
    fn expect(&self, blobs: u64);
    /// Bytes moved.
    fn moved(&self, bytes: u64);
    /// A blob is at the target.
    fn blob_ended(&self);
    /// This blob is at the target. Only an implementation that cares how it came there needs its own.
    fn brought(&self, _blob: &Descriptor, _how: Brought) {
        self.blob_ended();
    }
}

/// What a copy did, or with `dry_run` would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The digest that source and target have.
    pub digest: Digest,
    /// Manifests that the target lacked.
    pub manifests: u64,
    /// Blobs that the target lacked and whose bytes were moved.
    pub blobs: u64,
    /// The size of these blobs in bytes.
    pub bytes: u64,
    /// Blobs that the registry took from another of its repositories.
    pub mounted: u64,
    /// Blobs that the target had, of those that were looked up.
    pub existing: u64,
    /// Tags that now name another manifest than before.
    pub tags: Vec<Tag>,
    /// The platforms of the index that were not copied.
    pub left_out: Vec<String>,
}

impl Copied {
    /// Whether the target had everything that was looked up.
    pub fn is_up_to_date(&self) -> bool {
        self.manifests == 0 && self.blobs == 0 && self.mounted == 0 && self.tags.is_empty()
    }
}

/// Copies the image that `reference` names, and sets `tags` to it.
pub async fn copy(
    source: &Arc<dyn Source>,
    reference: &Reference,
    target: &dyn Target,
    tags: &[Tag],
    plan: &Plan,
    watch: &Arc<dyn Watch>,
) -> Result<Copied> {
    let (mut copied, signatures) = copy_one(source, reference, target, tags, plan, watch).await?;
    // What belongs to a signature is the signature's own business.
    let alone = Plan { referrers: false, platforms: Vec::new(), ..plan.clone() };
    for tag in signatures {
        let (reference, tags) = (Reference::Tag(tag.clone()), [tag]);
        let (more, _) = copy_one(source, &reference, target, &tags, &alone, watch).await?;
        copied.manifests += more.manifests;
        copied.blobs += more.blobs;
        copied.bytes += more.bytes;
        copied.mounted += more.mounted;
        copied.existing += more.existing;
        copied.tags.extend(more.tags);
    }
    Ok(copied)
}

/// Copies one image with its referrers. Returns also the tags with signatures of it, if the plan is to copy them.
async fn copy_one(
    source: &Arc<dyn Source>,
    reference: &Reference,
    target: &dyn Target,
    tags: &[Tag],
    plan: &Plan,
    watch: &Arc<dyn Watch>,
) -> Result<(Copied, Vec<Tag>)> {
    let digest = source.resolve(reference).await?;
    let mut walk =
        Walk { source, target, plan, seen: HashSet::new(), found: Vec::new(), left_out: Vec::new() };
    walk.visit(digest, 0, true).await?;
    let mut moved_tags = Vec::new();
    for tag in tags {
        if target.find(&Reference::Tag(tag.clone())).await? != Some(digest) {
            moved_tags.push(tag.clone());
        }
    }
    let mut signatures = Vec::new();
    if plan.referrers {
        walk.visit_referrers().await?;
        signatures = walk.signatures().await?;
    }
    let Walk { found, left_out, .. } = walk;
    let mut copied = Copied {
        digest,
        manifests: found.iter().filter(|found| found.is_missing).count() as u64,
        blobs: 0,
        bytes: 0,
        mounted: 0,
        existing: 0,
        tags: moved_tags,
        left_out,
    };
    bring_blobs(source, target, &found, plan, watch, &mut copied).await?;
    if plan.dry_run {
        return Ok((copied, signatures));
    }
    for Found { manifest, is_missing } in &found {
        let tags = if manifest.digest == digest { copied.tags.as_slice() } else { &[] };
        if *is_missing || !tags.is_empty() {
            target.put_manifest(manifest, tags).await?;
        }
    }
    Ok((copied, signatures))
}

async fn bring_blobs(
    source: &Arc<dyn Source>,
    target: &dyn Target,
    found: &[Found],
    plan: &Plan,
    watch: &Arc<dyn Watch>,
    copied: &mut Copied,
) -> Result<()> {
    let mut seen = HashSet::new();
    // A registry may have lost blobs of a manifest that it has: they were deleted, or are in quarantine.
    let looked_up = found.iter().filter(|found| found.is_missing || plan.check_blobs);
    let blobs: Vec<&Descriptor> =
        looked_up.flat_map(|found| found.manifest.blobs()).filter(|blob| seen.insert(blob.digest)).collect();
    watch.expect(blobs.len() as u64);
    let moved: Moved = {
        let watch = Arc::clone(watch);
        Arc::new(move |bytes| watch.moved(bytes))
    };
    let brought = stream::iter(blobs).map(|blob| {
        let moved = Arc::clone(&moved);
        async move {
            let brought = if !plan.dry_run {
                target.put_blob(blob, Arc::clone(source), moved).await?
            } else if target.has_blob(blob).await? {
                Brought::Existing
            } else {
                Brought::Moved
            };
            watch.brought(blob, brought);
            Ok::<_, Error>((brought, blob.size))
        }
    });
    let mut brought = brought.buffer_unordered(plan.jobs.max(1));
    while let Some((how, size)) = brought.try_next().await? {
        match how {
            Brought::Existing => copied.existing += 1,
            Brought::Mounted => copied.mounted += 1,
            Brought::Moved => {
                copied.blobs += 1;
                copied.bytes += size;
            }
        }
    }
    Ok(())
}

/// A manifest that belongs to the copy.
struct Found {
    manifest: Manifest,
    /// Whether the target lacks it.
    is_missing: bool,
}

/// Finds the manifests that belong to a copy, those that others refer to first.
struct Walk<'a> {
    source: &'a Arc<dyn Source>,
    target: &'a dyn Target,
    plan: &'a Plan,
    seen: HashSet<Digest>,
    found: Vec<Found>,
    left_out: Vec<String>,
}

impl Walk<'_> {
    fn visit(&mut self, digest: Digest, level: usize, is_root: bool) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if !self.seen.insert(digest) {
                return Ok(());
            }
            if level == LEVELS {
                let place = self.source.place().to_owned();
                return Err(Error::TooDeep { place, digest, limit: LEVELS });
            }
            // What the target has needs no request to the source, which may count them.
            let there = self.target.read(&digest).await?;
            let is_missing = there.is_none();
            let manifest = match there {
                Some(manifest) => manifest,
                None => self.source.manifest(&Reference::Digest(digest)).await?,
            };
            if is_root && !manifest.is_index() {
                for wanted in &self.plan.platforms {
                    expect_platform(&**self.source, &manifest, wanted).await?;
                }
            }
            if self.plan.partial && !manifest.is_index() {
                self.expect_blobs(&manifest).await?;
            }
            let chosen = self.choose(&manifest, is_root)?;
            let mut absent = Vec::new();
            for child in &chosen {
                match self.visit(child.descriptor.digest, level + 1, false).await {
                    Err(error) if self.plan.partial && error.is_absent() => self.leave_out(child),
                    Err(error) if error.is_not_found() && level == 0 => absent.push(*child),
                    visited => visited?,
                }
            }
            if let Some(first) = absent.first() {
                return Err(Error::Absent {
                    place: self.source.place().to_owned(),
                    digest,
                    count: absent.len(),
                    example: first.name(),
                });
            }
            self.found.push(Found { manifest, is_missing });
            Ok(())
        })
    }

    /// Checks that the source has the blobs of a manifest.
    async fn expect_blobs(&self, manifest: &Manifest) -> Result<()> {
        for blob in manifest.blobs() {
            if !self.source.has(blob).await? {
                let (place, what) = (self.source.place().to_owned(), format!("blob `{}`", blob.digest));
                return Err(Error::NotFound { place, what });
            }
        }
        Ok(())
    }

    /// Notes that a manifest of an index is not copied. An attestation is not worth a note.
    fn leave_out(&mut self, child: &Child) {
        if child.attests.is_none() {
            self.left_out.push(child.name());
        }
    }

    /// The manifests of an index to copy: all, or those for the chosen platforms with their attestations.
    fn choose<'m>(&mut self, index: &'m Manifest, is_root: bool) -> Result<Vec<&'m Child>> {
        let wanted = &self.plan.platforms;
        if wanted.is_empty() || !is_root {
            return Ok(index.children.iter().collect());
        }
        let is_for = |child: &Child, wanted: &Platform| {
            child.platform.as_ref().is_some_and(|there| wanted.takes(there))
        };
        let names = || {
            let named = index.children.iter().filter(|child| child.attests.is_none()).map(Child::name);
            named.collect::<Vec<_>>().join(", ")
        };
        if let Some(missing) = wanted
            .iter()
            .find(|wanted| index.is_index() && !index.children.iter().any(|child| is_for(child, wanted)))
        {
            return Err(Error::Platform {
                what: self.source.place().to_owned(),
                wanted: missing.to_string(),
                there: names(),
            });
        }
        let is_wanted = |child: &Child| wanted.iter().any(|wanted| is_for(child, wanted));
        let images: HashSet<Digest> = index
            .children
            .iter()
            .filter(|child| is_wanted(child))
            .map(|child| child.descriptor.digest)
            .collect();
        let (chosen, others): (Vec<&Child>, Vec<&Child>) = index.children.iter().partition(|child| {
            is_wanted(child) || child.attests.is_some_and(|image| images.contains(&image))
        });
        for child in others {
            self.leave_out(child);
        }
        Ok(chosen)
    }

    /// Finds the referrers of everything found, and theirs.
    async fn visit_referrers(&mut self) -> Result<()> {
        let mut subjects: Vec<Digest> = self.found.iter().map(|found| found.manifest.digest).collect();
        for _ in 0..LEVELS {
            let source = self.source;
            let asked = stream::iter(subjects).map(|subject| {
                let source = Arc::clone(source);
                async move { source.referrers(&subject).await }
            });
            let lists: Vec<Vec<Digest>> = asked.buffered(QUESTIONS).try_collect().await?;
            let new: Vec<Digest> =
                lists.into_iter().flatten().filter(|digest| !self.seen.contains(digest)).collect();
            if new.is_empty() {
                return Ok(());
            }
            for digest in &new {
                match self.visit(*digest, 1, false).await {
                    Err(error) if self.plan.partial && error.is_absent() => {}
                    visited => visited?,
                }
            }
            subjects = new;
        }
        Ok(())
    }

    /// The tags with signatures of what was found.
    async fn signatures(&self) -> Result<Vec<Tag>> {
        let prefixes: HashSet<String> =
            self.seen.iter().map(|digest| hythe_oci::fallback_tag(digest).to_string()).collect();
        let tags = self.source.tags().await?;
        let is_signature = |tag: &Tag| {
            ENDINGS
                .iter()
                .any(|ending| tag.as_str().strip_suffix(ending).is_some_and(|of| prefixes.contains(of)))
        };
        Ok(tags.into_iter().filter(is_signature).collect())
    }
}
