//! The differences between two images: settings, size, software, known vulnerabilities. What is unknown of one of them
//! is reported as unknown, never as "none".

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Evidence, Freshness};
use crate::{
    base::{
        context::Context,
        error::{Error, Result},
        quote::Text,
        text,
    },
    evidence::record::{Kind, Outcome, Package, Record, Vulnerability, best},
    image::{
        model::{Image, Platform, shown},
        reference::ImageRef,
    },
    launch::form::join_words,
};

/// A setting or package that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The name of the setting, like `user`, or of the package.
    pub what: String,
    /// The value in the first image.
    pub before: String,
    /// The value in the second image.
    pub after: String,
}

/// The differences in software.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SoftwareDiff {
    /// Packages that only the second image has.
    pub added: Vec<Package>,
    /// Packages that only the first image has.
    pub removed: Vec<Package>,
    /// Packages of which the images have different versions.
    pub changed: Vec<Changed>,
}

/// The differences in findings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FindingsDiff {
    /// Findings of the first image that the second does not have, the worst first.
    pub fixed: Vec<Vulnerability>,
    /// Findings that only the second image has, the worst first.
    pub new: Vec<Vulnerability>,
}

/// All differences between two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// The first image, pinned where its digest is known.
    pub before: ImageRef,
    /// The second image, pinned where its digest is known.
    pub after: ImageRef,
    /// Whether both have the same digest.
    pub same: bool,
    /// Settings that differ, such as user and entry point.
    pub settings: Vec<Changed>,
    /// The sizes in bytes, as fetched: first image, second image.
    pub size: (u64, u64),
    /// The software; `None` if that of one image is unknown.
    pub software: Option<SoftwareDiff>,
    /// The findings; `None` if one image was not scanned.
    pub findings: Option<FindingsDiff>,
}

fn packages(records: &[Record], now: i64) -> Option<BTreeMap<(String, String), BTreeSet<String>>> {
    let Outcome::Software { packages, .. } = &best(records, Kind::Software, now)?.outcome else { return None };
    let mut versions: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        versions.entry((package.name.clone(), package.kind.clone())).or_default().insert(package.version.clone());
    }
    Some(versions)
}

pub(super) fn findings(records: &[Record], now: i64) -> Option<BTreeMap<(String, String), Vulnerability>> {
    let Outcome::Scan { worst, scanned: Some(_), .. } = &best(records, Kind::Scan, now)?.outcome else { return None };
    Some(worst.iter().map(|one| ((one.id.clone(), one.package.clone()), one.clone())).collect())
}

fn software(before: &[Record], after: &[Record], now: i64) -> Option<SoftwareDiff> {
    let (before, after) = (packages(before, now)?, packages(after, now)?);
    let words = |versions: &BTreeSet<String>| versions.iter().cloned().collect::<Vec<_>>().join(", ");
    let package = |(name, kind): &(String, String), versions: &BTreeSet<String>| Package {
        name: name.clone(),
        version: words(versions),
        kind: kind.clone(),
    };
    let mut diff = SoftwareDiff::default();
    for (key, versions) in &before {
        match after.get(key) {
            None => diff.removed.push(package(key, versions)),
            Some(now) if now != versions => {
                diff.changed.push(Changed { what: key.0.clone(), before: words(versions), after: words(now) });
            }
            Some(_) => {}
        }
    }
    diff.added = after.iter().filter(|(key, _)| !before.contains_key(*key)).map(|(k, v)| package(k, v)).collect();
    Some(diff)
}

fn vulnerabilities(before: &[Record], after: &[Record], now: i64) -> Option<FindingsDiff> {
    let (before, after) = (findings(before, now)?, findings(after, now)?);
    let without = |these: &BTreeMap<(String, String), Vulnerability>, those: &BTreeMap<_, _>| {
        let mut left: Vec<Vulnerability> =
            these.iter().filter(|(key, _)| !those.contains_key(*key)).map(|(_, one)| one.clone()).collect();
        left.sort();
        left
    };
    Some(FindingsDiff { fixed: without(&before, &after), new: without(&after, &before) })
}

/// The name of a setting, and how to read it from an image.
type Read<'a> = (&'static str, &'a dyn Fn(&Image) -> String);

fn settings(before: &Image, after: &Image) -> Vec<Changed> {
    let user = |image: &Image| match () {
        () if image.config.hides_user() => "unknown".to_owned(),
        () if image.config.user.is_empty() => "root".to_owned(),
        () => image.config.user.to_string(),
    };
    let platform = |image: &Image| {
        let platform = image.pinned.as_ref().and_then(|pinned| pinned.platform.as_ref());
        platform.map(ToString::to_string).unwrap_or_default()
    };
    let all: [Read<'_>; 8] = [
        ("platform", &platform),
        ("user", &user),
        ("entry point", &|image| join_words(&shown(&image.config.entrypoint))),
        ("command", &|image| join_words(&shown(&image.config.command))),
        ("directory", &|image| image.config.working_dir.to_string()),
        ("ports", &|image| image.config.ports.join(", ")),
        ("volumes", &|image| image.config.volumes.join(", ")),
        ("environment", &|image| shown(&image.config.environment).join(" ")),
    ];
    all.into_iter()
        .map(|(what, read)| Changed { what: what.to_owned(), before: read(before), after: read(after) })
        .filter(|changed| changed.before != changed.after)
        .collect()
}

/// Compares two images, each with its evidence; `now` (seconds since 1970) decides which evidence still counts.
pub fn diff(before: (&Image, &[Record]), after: (&Image, &[Record]), now: i64) -> Diff {
    let pinned = |image: &Image| image.pinned.as_ref().map(|pinned| pinned.reference.clone());
    let manifest = |image: &Image| image.pinned.as_ref().map(|pinned| pinned.manifest.clone());
    Diff {
        before: pinned(before.0).unwrap_or_else(|| before.0.reference.clone()),
        after: pinned(after.0).unwrap_or_else(|| after.0.reference.clone()),
        same: manifest(before.0).is_some() && manifest(before.0) == manifest(after.0),
        settings: settings(before.0, after.0),
        size: (before.0.size, after.0.size),
        software: software(before.1, after.1, now),
        findings: vulnerabilities(before.1, after.1, now),
    }
}

/// The most lines of one kind that are shown; `--json` has all.
const SHOWN: usize = 40;

/// Names and settings come from the images: each is cleaned and kept on one line.
fn clean_lines(lines: &[String]) -> String {
    let mut text = Text::default();
    for line in lines {
        text.line(line);
    }
    text.finish()
}

fn listed(lines: &mut Vec<String>, sign: &str, all: impl ExactSizeIterator<Item = String>) {
    let left = all.len().saturating_sub(SHOWN);
    lines.extend(all.take(SHOWN).map(|one| format!("  {sign} {one}")));
    if left > 0 {
        lines.push(format!("    and {left} more"));
    }
}

impl Diff {
    /// The differences as text, the same on the screen and the command line.
    pub fn describe(&self) -> String {
        let mut lines = vec![format!("before  {}", self.before), format!("after   {}", self.after)];
        if self.same {
            lines.push("They are the same bytes.".into());
            return clean_lines(&lines);
        }
        let (before, after) = self.size;
        let sign = if after >= before { "+" } else { "-" };
        let moved = text::size(after.abs_diff(before));
        lines.push(format!("size    {} → {} ({sign}{moved})", text::size(before), text::size(after)));
        for one in &self.settings {
            let shown = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
            lines.push(format!("  ~ {}: {} → {}", one.what, shown(&one.before), shown(&one.after)));
        }
        if self.settings.is_empty() {
            lines.push("settings are the same".into());
        }
        match &self.findings {
            None => lines.push("findings: one of them was not scanned (v on its page, or wharf verify)".into()),
            Some(findings) => {
                let (fixed, new) = (findings.fixed.len(), findings.new.len());
                lines.push(format!("findings: {fixed} gone, {new} new"));
                let word = |one: &Vulnerability| format!("{} {} in {}", one.id, one.severity.name(), one.package);
                listed(&mut lines, "-", findings.fixed.iter().map(word));
                listed(&mut lines, "+", findings.new.iter().map(word));
            }
        }
        match &self.software {
            None => lines.push("software: one of them has no list of its software".into()),
            Some(software) => {
                let (added, removed, changed) = (software.added.len(), software.removed.len(), software.changed.len());
                lines.push(format!("software: {added} added, {removed} removed, {changed} of another version"));
                let word = |one: &Package| format!("{} {}", one.name, one.version);
                listed(&mut lines, "+", software.added.iter().map(word));
                listed(&mut lines, "-", software.removed.iter().map(word));
                let word = |one: &Changed| format!("{} {} → {}", one.what, one.before, one.after);
                listed(&mut lines, "~", software.changed.iter().map(word));
            }
        }
        clean_lines(&lines)
    }
}

impl Evidence {
    /// Compares two images; with `quick`, slow checks are not run for it.
    pub async fn diff(
        &self,
        cx: &Context,
        before: &ImageRef,
        after: &ImageRef,
        platform: Option<&Platform>,
        quick: bool,
    ) -> Result<Diff> {
        let known = |reference: ImageRef| async move {
            let image = self.sources.image(cx, &reference, platform).await?;
            let records = match &image.pinned {
                Some(_) => self.gather(cx, &image, Freshness::Kept, quick).await?,
                None => Vec::new(),
            };
            Ok::<_, Error>((image, records))
        };
        let (before, after) = tokio::join!(known(before.clone()), known(after.clone()));
        let ((before, told), (after, tells)) = (before?, after?);
        Ok(diff((&before, &told), (&after, &tells), text::now()))
    }
}
