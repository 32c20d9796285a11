//! The criteria by which rules keep tags.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use hythe_oci::{Pattern, RepositoryName, Tag};
use hythe_registry::{AgedTag, Protection};

use super::contents::{Contents, Place};
use super::rule::Rule;
use super::verdict::{Verdict, Why};
use super::version::Version;

/// How much later than recorded the last pull may have been: a pull is recorded at most this often.
const PULL_STEP: Duration = Duration::from_hours(6);

/// The rules that apply to a repository, prepared for its tags.
pub(super) struct Criteria<'a> {
    repository: &'a RepositoryName,
    contents: &'a Contents,
    now: i64,
    rules: Vec<Prepared<'a>>,
    /// Whether the times of push tell no ages: they are all the same, as after an import.
    equal_ages: bool,
    /// For each manifest, when it or a manifest that it lists was last needed.
    needed: Vec<i64>,
}

struct Prepared<'a> {
    place: usize,
    rule: &'a Rule,
    protection: Option<Protection>,
    /// The images among the newest.
    newest: HashSet<Place>,
    /// The images of the highest versions.
    semver: HashSet<Place>,
}

impl<'a> Criteria<'a> {
    pub(super) fn new(
        repository: &'a RepositoryName,
        contents: &'a Contents,
        rules: &'a [Rule],
        now: i64,
    ) -> Self {
        let applying = rules.iter().enumerate().filter(|(_, rule)| rule.selects_repository(repository));
        let prepared = applying.map(|(place, rule)| Prepared {
            place,
            rule,
            protection: rule.protection(),
            newest: HashSet::new(),
            semver: HashSet::new(),
        });
        let mut criteria = Self {
            repository,
            contents,
            now,
            rules: prepared.collect(),
            equal_ages: has_equal_ages(contents),
            needed: needed(contents),
        };
        for at in 0..criteria.rules.len() {
            let rule = criteria.rules[at].rule;
            let newest = rule.newest.map(|count| criteria.newest(rule, count)).unwrap_or_default();
            let semver = rule.semver_newest.map(|count| criteria.semver(rule, count)).unwrap_or_default();
            (criteria.rules[at].newest, criteria.rules[at].semver) = (newest, semver);
        }
        criteria
    }

    /// The verdict about an ordinary tag.
    pub(super) fn judge(&self, tag: &AgedTag, named: Place) -> Verdict {
        let selecting = || self.rules.iter().filter(|prepared| prepared.selects(self.repository, &tag.tag));
        if let Some((place, pattern)) = selecting()
            .find_map(|prepared| Some((prepared.place, prepared.protects(self.repository, &tag.tag)?)))
        {
            return Verdict::stays(Some(place), Why::Protected(pattern));
        }
        let is_unknown = tag.pushed <= 0;
        let expiries =
            selecting().filter_map(|prepared| Some((prepared.rule.expiry(&tag.tag)?, prepared.place)));
        if let Some((after, place)) = expiries.max_by_key(|(after, _)| *after) {
            return match (is_unknown, self.equal_ages) {
                (true, _) => Verdict::stays(Some(place), Why::UnknownAge),
                (_, true) => Verdict::stays(Some(place), Why::EqualAges),
                _ if self.is_within(tag.pushed, after) => Verdict::stays(Some(place), Why::NotExpired(after)),
                _ => Verdict::goes(place, Why::Expired(after)),
            };
        }
        let keeping = || selecting().filter(|prepared| prepared.rule.keeps());
        let Some(first) = keeping().next() else { return Verdict::stays(None, Why::NoRule) };
        let kept = keeping().find_map(|prepared| Some((prepared.place, self.keeps(prepared, tag, named)?)));
        match kept {
            Some((place, why)) => Verdict::stays(Some(place), why),
            None if is_unknown => Verdict::stays(None, Why::UnknownAge),
            None if self.equal_ages => Verdict::stays(None, Why::EqualAges),
            None => Verdict::goes(first.place, Why::Unkept),
        }
    }

    /// Why a rule keeps the tag, if it does.
    fn keeps(&self, prepared: &Prepared<'_>, tag: &AgedTag, named: Place) -> Option<Why> {
        let rule = prepared.rule;
        if let Some(pattern) = rule.tags.iter().find(|pattern| pattern.selects(&tag.tag)) {
            return Some(Why::Tag(pattern.clone()));
        }
        if let Some(count) = rule.newest.filter(|_| prepared.newest.contains(&named)) {
            return Some(Why::Newest(count));
        }
        if let Some(count) = rule.semver_newest.filter(|_| prepared.semver.contains(&named)) {
            return Some(Why::Semver(count));
        }
        if let Some(time) = rule.pushed_within.filter(|time| self.is_within(tag.pushed, *time)) {
            return Some(Why::PushedWithin(time));
        }
        let pulled = self.needed[named].max(tag.pulled.unwrap_or_default()).max(tag.pushed);
        let pulled_within = |time: &Duration| self.is_within(pulled, time.saturating_add(PULL_STEP));
        rule.pulled_within.filter(pulled_within).map(Why::PulledWithin)
    }

    fn is_within(&self, time: i64, within: Duration) -> bool {
        let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        self.now.saturating_sub(time) <= within
    }

    /// The tags that a rule counts: those that it selects, but for those that expire.
    fn counted(&self, rule: &'a Rule) -> impl Iterator<Item = (&'a AgedTag, Place)> {
        let ordinary = self.contents.ordinary().map(|(_, tag, named)| (tag, named));
        ordinary.filter(move |(tag, _)| {
            let expires = |prepared: &Prepared<'_>| {
                prepared.selects(self.repository, &tag.tag) && prepared.rule.expiry(&tag.tag).is_some()
            };
            rule.images.matches(self.repository, &tag.tag) && !self.rules.iter().any(expires)
        })
    }

    /// The images that were pushed last. Images of the same time of push count as one, so that none of them goes.
    fn newest(&self, rule: &'a Rule, count: u64) -> HashSet<Place> {
        let mut images: HashMap<Place, i64> = HashMap::new();
        for (tag, named) in self.counted(rule).filter(|(tag, _)| tag.pushed > 0) {
            let pushed = images.entry(named).or_default();
            *pushed = tag.pushed.max(*pushed);
        }
        let mut times: Vec<i64> = images.values().copied().collect();
        times.sort_unstable_by(|one, other| other.cmp(one));
        let oldest = usize::try_from(count.saturating_sub(1)).ok().and_then(|at| times.get(at).copied());
        images.retain(|_, pushed| oldest.is_none_or(|oldest| *pushed >= oldest));
        images.into_keys().collect()
    }

    /// The images of the highest versions, of each kind of version.
    fn semver(&self, rule: &'a Rule, count: u64) -> HashSet<Place> {
        let mut kinds: BTreeMap<Option<String>, BTreeSet<(Version, Place)>> = BTreeMap::new();
        for (tag, named) in self.counted(rule) {
            if let Some(version) = Version::of(&tag.tag) {
                kinds.entry(version.kind.clone()).or_default().insert((version, named));
            }
        }
        let mut images = HashSet::new();
        for versions in kinds.values() {
            let (mut seen, mut last) = (0, None);
            for (version, named) in versions.iter().rev() {
                seen += u64::from(last != Some(version));
                if seen > count {
                    break;
                }
                (last, _) = (Some(version), images.insert(*named));
            }
        }
        images
    }
}

impl Prepared<'_> {
    fn selects(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        self.rule.images.matches(repository, tag)
    }

    fn protects(&self, repository: &RepositoryName, tag: &Tag) -> Option<Pattern> {
        self.protection.as_ref()?.protecting(repository, tag).cloned()
    }
}

/// Whether several images have one and the same time of push.
fn has_equal_ages(contents: &Contents) -> bool {
    let known = || contents.ordinary().filter(|(_, tag, _)| tag.pushed > 0);
    let Some((_, first, place)) = known().next() else { return false };
    known().all(|(_, tag, _)| tag.pushed == first.pushed) && known().any(|(.., named)| named != place)
}

/// For each manifest, when it or a manifest that it lists was last needed: clients pull an image by its index, or by the
/// digest of one of the index's manifests.
fn needed(contents: &Contents) -> Vec<i64> {
    let mut needed: Vec<i64> = contents.manifests.iter().map(|manifest| manifest.needed).collect();
    // An index may list indexes. Digests allow no circle, so this ends; hardly any index is deeper than two.
    loop {
        let mut changed = false;
        for (index, listed) in &contents.listed {
            if needed[*index] < needed[*listed] {
                (needed[*index], changed) = (needed[*listed], true);
            }
        }
        if !changed {
            return needed;
        }
    }
}
