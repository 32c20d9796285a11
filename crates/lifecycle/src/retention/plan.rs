//! Plans: reads repositories and decides about their images. Changes nothing.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use hythe_oci::{Algorithm, HashState, Pattern, Reference, RepositoryName};
use hythe_registry::{Error, Origin, Origins, Registry, Result, Running, Visible};

use super::contents::Contents;
use super::decide::{Decision, Judged, Removal, decide};
use super::rule::Rule;

/// How many rows one read of the catalog has.
const PAGE: usize = 1000;

/// The most manifests, tags and entries of indexes of a repository together that rules judge: about 100 MB of memory. A
/// larger repository is left alone.
const MOST: usize = 1_000_000;

/// How many hex digits of a plan's hash its id has.
const ID: usize = 12;

/// Decides about the images of a registry's local repositories.
#[derive(Clone)]
pub struct Planner {
    registry: Registry,
}

/// A part of a plan.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Images, with their repositories, in the order of repositories.
    pub images: Vec<(RepositoryName, Judged)>,
    /// The image after which the next part begins; `None` for the last part.
    pub next: Option<ImageCursor>,
}

/// How much a plan keeps and deletes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanSummary {
    /// Repositories that a rule selects and that have images.
    pub repositories: u64,
    /// Their images: tags, and untagged manifests that belong to no other.
    pub images: u64,
    /// The images that go.
    pub going: u64,
    /// The manifests that go, with all that belongs to them.
    pub manifests: u64,
    /// The id of the plan: two plans that delete the same have the same id.
    pub id: String,
    /// The repositories that are too large to judge.
    pub left_out: Vec<RepositoryName>,
}

/// An image after which a part of a plan begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageCursor {
    /// The repository.
    pub repository: RepositoryName,
    /// The tag, or the digest of an untagged manifest.
    pub reference: Reference,
}

impl fmt::Display for ImageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if matches!(self.reference, Reference::Digest(_)) { '@' } else { ':' };
        write!(f, "{}{separator}{}", self.repository, self.reference)
    }
}

impl FromStr for ImageCursor {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (repository, reference) = text.split_once('@').or_else(|| text.rsplit_once(':')).ok_or(())?;
        let (repository, reference) = (repository.parse(), reference.parse());
        Ok(Self { repository: repository.map_err(drop)?, reference: reference.map_err(drop)? })
    }
}

impl ImageCursor {
    /// Whether the image comes after this one in its repository.
    fn precedes(&self, image: &Judged) -> bool {
        match (&image.tag, &self.reference) {
            (Some(tag), Reference::Tag(last)) => tag > last,
            (None, Reference::Digest(last)) => image.digest > *last,
            // Tags come first.
            (None, Reference::Tag(_)) => true,
            (Some(_), Reference::Digest(_)) => false,
        }
    }
}

impl Planner {
    /// A planner for this registry.
    pub fn new(registry: Registry) -> Self {
        Self { registry }
    }

    /// Plans everything for the repositories that the pattern selects, and counts it.
    pub async fn summary(&self, rules: &Arc<[Rule]>, pattern: &Pattern) -> Result<PlanSummary> {
        Ok(self.collect(rules, pattern, 0).await?.0)
    }

    /// Like [`summary`](Self::summary), with what goes, until that is about `most` tags and manifests.
    pub(super) async fn collect(
        &self,
        rules: &Arc<[Rule]>,
        pattern: &Pattern,
        most: usize,
    ) -> Result<(PlanSummary, Vec<(RepositoryName, Removal)>)> {
        let (mut summary, mut hash) = (PlanSummary::default(), HashState::new(Algorithm::Sha256));
        let (mut going, mut rows) = (Vec::new(), 0);
        let (mut after, running) = (None, self.running().await?);
        while let Some(repository) = self.next(rules, pattern, after.as_ref()).await? {
            if let Some(decision) = self.decide(&repository, rules, &running).await? {
                summary.add(&repository, &decision, &mut hash);
                for removal in decision.removals {
                    if rows >= most {
                        break;
                    }
                    rows += removal.tags.len() + removal.manifests.len();
                    going.push((repository.clone(), removal));
                }
            } else {
                summary.left_out.push(repository.clone());
            }
            after = Some(repository);
        }
        summary.id = hash.finish().hex().chars().take(ID).collect();
        Ok((summary, going))
    }

    /// Up to `limit` images of the plan, from the first past `after`.
    pub async fn part(
        &self,
        rules: &Arc<[Rule]>,
        pattern: &Pattern,
        after: Option<&ImageCursor>,
        limit: usize,
    ) -> Result<Plan> {
        let (mut plan, running) = (Plan::default(), self.running().await?);
        // The repository of `after` may have more images.
        let mut repository = match after.map(|after| &after.repository) {
            Some(repository) if selects(rules, pattern, repository) => Some(repository.clone()),
            last => self.next(rules, pattern, last).await?,
        };
        while let Some(name) = repository {
            let images = self.decide(&name, rules, &running).await?.unwrap_or_default().images;
            let after = after.filter(|after| after.repository == name);
            for image in images.into_iter().filter(|image| after.is_none_or(|after| after.precedes(image))) {
                if plan.images.len() == limit {
                    let last = plan.images.last().map(|(repository, image)| cursor(repository, image));
                    return Ok(Plan { next: last, ..plan });
                }
                plan.images.push((name.clone(), image));
            }
            repository = self.next(rules, pattern, Some(&name)).await?;
        }
        Ok(plan)
    }

    /// The first repository past `after` that the pattern and a rule select.
    pub(super) async fn next(
        &self,
        rules: &[Rule],
        pattern: &Pattern,
        after: Option<&RepositoryName>,
    ) -> Result<Option<RepositoryName>> {
        let local = Visible { public: Origins::none(), private: Origins::none(), names: None };
        let mut last = after.cloned();
        loop {
            let after = last.as_ref().map(RepositoryName::as_str);
            let page = self.registry.repositories(after, PAGE, &local).await?;
            let found = page.items.iter().find(|name| selects(rules, pattern, name));
            if found.is_some() || !page.more {
                return Ok(found.cloned());
            }
            last = page.items.last().cloned();
            tokio::task::yield_now().await;
        }
    }

    /// The decision about a repository; `None` if the repository is too large.
    pub(super) async fn decide(
        &self,
        name: &RepositoryName,
        rules: &Arc<[Rule]>,
        running: &Arc<[Running]>,
    ) -> Result<Option<Decision>> {
        // Copies have no rules, and their content is not every client's.
        let provenance = self.registry.repository(name).provenance().await?;
        if provenance.is_none_or(|provenance| provenance.origin != Origin::Local) {
            return Ok(Some(Decision::default()));
        }
        let now = self.registry.now();
        let Some(contents) = self.read(name).await? else {
            tracing::warn!(repository = %name, most = MOST,
                "retention leaves the repository alone, because it has too many manifests and tags");
            return Ok(None);
        };
        let contents = contents.with_running(self.registry.repository(name).run_by(running).await?);
        let (name, rules) = (name.clone(), Arc::clone(rules));
        let (now, grace) = (milliseconds(now), self.registry.options().collect_grace);
        let deciding =
            tokio::task::spawn_blocking(move || decide(&name, &contents, &rules, now, grace)).await;
        let failed = |error| Error::Internal(format!("a task of retention ended early: {error}"));
        deciding.map(Some).map_err(failed)
    }

    /// What clusters run.
    async fn running(&self) -> Result<Arc<[Running]>> {
        Ok(self.registry.running().await?.into())
    }

    /// The repository's content; `None` if the repository is too large.
    async fn read(&self, name: &RepositoryName) -> Result<Option<Contents>> {
        let repository = self.registry.repository(name);
        let mut manifests = Vec::new();
        loop {
            let after = manifests.last().map(|last: &hythe_registry::AgedManifest| last.digest);
            let page = repository.aged_manifests(after.as_ref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            manifests.extend(page);
            if manifests.len() > MOST {
                return Ok(None);
            }
            if is_last {
                break;
            }
        }
        let mut tags = Vec::new();
        loop {
            let after = tags.last().map(|last: &hythe_registry::AgedTag| last.tag.clone());
            let page = repository.aged_tags(after.as_ref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            tags.extend(page);
            if manifests.len() + tags.len() > MOST {
                return Ok(None);
            }
            if is_last {
                break;
            }
        }
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let page = repository.listings(after.as_ref(), PAGE).await?;
            listed.extend(page.iter().map(|listing| (listing.index, listing.listed)));
            if manifests.len() + tags.len() + listed.len() > MOST {
                return Ok(None);
            }
            if page.len() < PAGE {
                return Ok(Some(Contents::new(manifests, tags, listed)));
            }
            after = page.last().cloned();
        }
    }
}

impl PlanSummary {
    fn add(&mut self, repository: &RepositoryName, decision: &Decision, hash: &mut HashState) {
        self.repositories += u64::from(!decision.images.is_empty());
        self.images += decision.images.len() as u64;
        self.going += decision.images.iter().filter(|image| !image.verdict.stays).count() as u64;
        let mut line = |text: String| hash.update(text.as_bytes());
        for removal in &decision.removals {
            self.manifests += removal.manifests.len() as u64;
            for (tag, digest, _) in &removal.tags {
                line(format!("{repository}:{tag} {digest}\n"));
            }
            for (digest, _) in &removal.manifests {
                line(format!("{repository}@{digest}\n"));
            }
        }
    }
}

fn selects(rules: &[Rule], pattern: &Pattern, name: &RepositoryName) -> bool {
    pattern.matches(name.as_str()) && rules.iter().any(|rule| rule.selects_repository(name))
}

fn cursor(repository: &RepositoryName, image: &Judged) -> ImageCursor {
    let reference = match &image.tag {
        Some(tag) => Reference::Tag(tag.clone()),
        None => Reference::Digest(image.digest),
    };
    ImageCursor { repository: repository.clone(), reference }
}

fn milliseconds(time: std::time::SystemTime) -> i64 {
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
