//! The page of an image: overview, versions, layers, shares, trust, scan, software.

mod actions;
mod around;
mod besides;
mod evidence;
mod finding;
mod findings;
mod offered;
mod order;
mod overview;
mod remembered;
mod scan;
mod tabs;
mod versions;
mod view;

pub use besides::Besides;
pub use order::Order;

use std::collections::HashMap;

use crate::{
    kit::{
        layout::Alone,
        list::{DrawnItem, ListCursor, NotSeen, Rows, Scrollable, SeenRow},
        theme::Theme,
    },
    model::Model,
    msg::{Effect, ImageEffect, ImageTarget, ShareEffect},
};
use wharf_core::{
    base::{digest::Digest, error::Error, text},
    catalog::marks::Marks,
    image::{
        lineage::made_from,
        link::Link,
        model::{self, Image, Version},
        reference::ImageRef,
    },
    launch::form::join_words,
    portal::evidence::{Verified, mending::Mend},
    sharing::offer::{Offer, Share},
};

/// Width of a label in the overview, in columns.
const LABEL: usize = 13;

/// The panes, in the order of their tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    /// Reference, digest, size, configuration and labels.
    Overview,
    /// The tags, with digest, size and time of each.
    Versions,
    /// The layers, with the commands that made them.
    Layers,
    /// The projects that the image is shared with.
    Shares,
    /// Verdict, signatures and publisher.
    Trust,
    /// Known vulnerabilities, from the newest scan.
    Scan,
    /// The packages in the image.
    Software,
}

impl Pane {
    /// All panes, in the order of their tabs.
    pub const ALL: [Self; 7] =
        [Self::Overview, Self::Versions, Self::Layers, Self::Shares, Self::Trust, Self::Scan, Self::Software];

    fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Versions => "Versions",
            Self::Layers => "Layers",
            Self::Shares => "Shares",
            Self::Trust => "Trust",
            Self::Scan => "Scan",
            Self::Software => "Software",
        }
    }
}

/// What to read along with an image: shares for a cloud's image, tags for a container image, nothing for a file.
pub fn related_effect(image: &Image) -> Option<Effect> {
    match (&image.reference, &image.disk) {
        (ImageRef::Glance { .. }, _) => Some(Effect::Share(ShareEffect::Shares(image.reference.clone()))),
        (_, Some(_)) => None,
        _ => Some(Effect::Image(ImageEffect::Tags(image.reference.clone()))),
    }
}

/// Width of the values in the overview, in columns.
fn value_width(columns: u16) -> usize {
    usize::from(columns).saturating_sub(LABEL).max(8)
}

/// The page of an image.
#[derive(Debug)]
pub struct Page {
    /// The image that the page was opened for.
    pub target: ImageTarget,
    /// The image; `None` until it has arrived.
    pub image: Option<Image>,
    /// Why the image could not be read.
    pub error: Option<Error>,
    /// The tags, newest first; `None` until they have arrived.
    pub tags: Option<Result<Vec<String>, Error>>,
    /// Details of tags, in the order in which they arrived.
    pub versions: Vec<Version>,
    /// What is known of the versions that have arrived, by their digests.
    pub version_marks: HashMap<Digest, Marks>,
    /// The pane that is shown.
    pub pane: Pane,
    /// The selection and scroll position in the shown pane.
    pub at: ListCursor,
    /// What is said about the link that the page was opened from; `true` for good news.
    pub from_link: Vec<(bool, String)>,
    /// The link that the page was opened from: it is opened again with its proof, never by its reference alone.
    pub link: Option<Link>,
    /// The offer of the image to one of the person's projects, where the page was opened from a link.
    pub offer: Option<DrawnItem<Offer>>,
    /// What is shown of the image of a link until it has arrived: labels and values.
    pub remembered: Vec<(&'static str, String)>,
    /// The tags of the last read of version details, of which some may not have arrived.
    pub asked: Vec<String>,
    /// Whether the launch screen opens as soon as the image has arrived.
    pub launch_next: bool,
    /// The platform that the person has chosen, like `linux/arm64`.
    pub platform: Option<String>,
    /// The shares of a cloud's image; `None` until they have arrived.
    pub shares: Option<Result<Rows<Share>, Error>>,
    /// The evidence and the verdict; `None` until they have arrived.
    pub verified: Option<Result<Box<Verified>, Error>>,
    /// Whether the person has asked for the checks and is to be told what came of them.
    pub checking: bool,
    /// The versions that would mend the image, the best first.
    pub mends: Vec<Mend>,
    /// The nearest version that the policy allows, with its reference.
    pub allowed: Option<(Mend, ImageRef)>,
    /// The sources that have the same digest, as far as their lists tell, itself among them.
    pub also_in: Vec<String>,
    /// What is known of the findings besides their scan.
    pub besides: Besides,
    /// The typed words that narrow findings and packages.
    pub narrowed: String,
    /// The order of the findings.
    pub order: Order,
}

impl Page {
    /// A page that waits for its image.
    pub fn new(target: ImageTarget) -> Self {
        Self {
            target,
            image: None,
            error: None,
            tags: None,
            versions: Vec::new(),
            version_marks: HashMap::new(),
            pane: Pane::Overview,
            at: ListCursor::default(),
            from_link: Vec::new(),
            link: None,
            offer: None,
            remembered: Vec::new(),
            asked: Vec::new(),
            launch_next: false,
            platform: None,
            shares: None,
            verified: None,
            checking: false,
            mends: Vec::new(),
            allowed: None,
            also_in: Vec::new(),
            besides: Besides::default(),
            narrowed: String::new(),
            order: Order::default(),
        }
    }

    /// The image as actions take it: its full reference, once that is known.
    pub fn target(&self) -> ImageTarget {
        self.image.as_ref().map_or_else(|| self.target.clone(), |image| ImageTarget::Reference(image.reference.clone()))
    }

    /// The image that an action means: the selected version in the versions pane, else the image of the page.
    pub fn action_target(&self) -> ImageTarget {
        match (self.selected_tag(), self.target()) {
            (Some(tag), ImageTarget::Reference(reference)) => ImageTarget::Reference(reference.with_tag(tag)),
            (_, target) => target,
        }
    }

    /// The effect that reads the image, for the chosen platform.
    pub fn fetch(&self) -> Effect {
        Effect::Image(ImageEffect::Image { target: self.target(), platform: self.platform.clone() })
    }

    /// Reads and shows the image for another platform.
    pub fn choose_platform(&mut self, platform: String) -> Vec<Effect> {
        self.platform = Some(platform);
        vec![self.fetch()]
    }

    /// The name of the image, for the header.
    pub fn title(&self) -> String {
        match &self.image {
            Some(image) if matches!(image.reference, ImageRef::Glance { .. } | ImageRef::Volume { .. }) => {
                image.title()
            }
            _ => self.target().label(),
        }
    }

    /// Shows the pane that is `steps` further to the right, beginning again at the left.
    pub fn turn_pane(&mut self, steps: usize) {
        let panes = self.panes();
        let now = panes.iter().position(|pane| *pane == self.pane).unwrap_or(0);
        let next = (now + steps % panes.len().max(1)) % panes.len().max(1);
        self.pane = panes.get(next).copied().unwrap_or(Pane::Overview);
        self.at = ListCursor::default();
        // Words typed for findings mean nothing for packages.
        self.narrowed.clear();
    }

    /// The panes that this kind of image has.
    pub fn panes(&self) -> Vec<Pane> {
        let of_cloud = matches!(&self.image, Some(image) if matches!(image.reference, ImageRef::Glance { .. }));
        let is_file = self.image.as_ref().is_some_and(|image| image.disk.is_some());
        Pane::ALL
            .into_iter()
            .filter(|pane| match pane {
                Pane::Versions | Pane::Layers => !is_file,
                Pane::Shares => of_cloud,
                _ => true,
            })
            .collect()
    }

    /// Reads the shares again, if the page shows them.
    pub fn reads_shares(&self) -> Option<Effect> {
        self.shares
            .is_some()
            .then(|| self.image.as_ref().map(|image| Effect::Share(ShareEffect::Shares(image.reference.clone()))))?
    }

    /// The selected share in the shares pane.
    pub fn selected_share(&self) -> Option<&Share> {
        match (self.pane, &self.shares) {
            (Pane::Shares, Some(Ok(shares))) => shares.selected(),
            _ => None,
        }
    }

    /// The selected share, if the last frame showed it so.
    pub fn seen_share(&self) -> std::result::Result<SeenRow<String>, NotSeen> {
        match (self.pane, &self.shares) {
            (Pane::Shares, Some(Ok(shares))) => shares.seen_one(),
            _ => Err(NotSeen::Nothing),
        }
    }

    /// Takes the shares, or why they could not be read.
    pub fn shared_with(&mut self, result: Result<Vec<Share>, Error>) {
        match (&mut self.shares, result) {
            (Some(Ok(rows)), Ok(shares)) => rows.set(shares),
            (shares, result) => *shares = Some(result.map(Rows::new)),
        }
    }

    /// The number of lines of the shown pane, on a screen of so many columns; `alone`: the pane of the overview that has
    /// the screen alone. Where the scan pane lists findings, each is a line.
    pub fn count(&self, alone: Alone, model: &Model) -> usize {
        let (columns, now) = (model.size.0, model.now);
        match (self.pane, &self.image) {
            (Pane::Versions, _) => self.tags.as_ref().and_then(|tags| tags.as_ref().ok()).map_or(0, Vec::len),
            (Pane::Shares, _) => {
                self.shares.as_ref().and_then(|shares| shares.as_ref().ok()).map_or(0, Scrollable::count)
            }
            (Pane::Trust, Some(image)) => self.trust_lines(image, columns, &Theme::plain(), now).len(),
            (Pane::Scan, Some(_)) if self.has_findings(now) => self.shown_findings(now).0.len(),
            (Pane::Scan, Some(_)) => self.scan_words(columns, &Theme::plain(), now).len(),
            (Pane::Software, Some(_)) => self.software_count(now),
            (Pane::Layers, Some(image)) => image.layers.len() + image.history.len() + 2,
            (Pane::Overview, Some(image)) => self.overview_count(image, (columns, alone), model),
            _ => 0,
        }
    }

    /// The selected tag in the versions pane.
    pub fn selected_tag(&self) -> Option<&String> {
        match (self.pane, &self.tags) {
            (Pane::Versions, Some(Ok(tags))) => tags.get(self.at.selected),
            _ => None,
        }
    }

    /// The tags that the versions pane shows on `height` lines, and of which nothing is known.
    pub fn unknown_tags(&self, height: usize) -> Vec<String> {
        let count = self.tags.as_ref().and_then(|tags| tags.as_ref().ok()).map_or(0, Vec::len);
        self.unknown(self.at.window(count, height), height)
    }

    /// Of so many tags from one on, those of which nothing is known.
    fn unknown(&self, first: usize, count: usize) -> Vec<String> {
        let Some(Ok(tags)) = &self.tags else { return Vec::new() };
        let is_unknown = |tag: &&String| !self.versions.iter().any(|version| version.tag == **tag);
        tags.iter().skip(first).take(count).filter(is_unknown).cloned().collect()
    }

    /// The overview as labels and values, in order.
    pub fn facts(&self, image: &Image, now: i64) -> Vec<(&'static str, String)> {
        let mut facts: Vec<(&'static str, String)> = Vec::new();
        let mut add = |label: &'static str, value: String| {
            if !value.is_empty() {
                facts.push((label, value));
            }
        };
        add("Reference", image.reference.to_string());
        add("Made from", text::with_short_digests(&made_from(image)));
        if let Some(pinned) = &image.pinned {
            add("Digest", pinned.digest.to_string());
            if pinned.manifest != pinned.digest {
                add("Manifest", pinned.manifest.to_string());
            }
        }
        add("Kind", format!("{} · {}", image.kind_words(), image.kind_type()));
        add(
            "Created",
            image
                .created
                .map(|created| format!("{} · {}", text::timestamp(created), text::ago(created, now)))
                .unwrap_or_default(),
        );
        let layers = text::plural(image.layers.len() as u64, "layer", "layers");
        let size = text::size(image.size);
        add("Size", if image.disk.is_some() { size } else { format!("{size} in {layers}") });
        if let Some(disk) = &image.disk {
            add(
                "Disk",
                format!(
                    "{} {}",
                    disk.format,
                    disk.virtual_size.map(|size| format!("of {}", text::size(size))).unwrap_or_default()
                ),
            );
            disk.warnings.iter().for_each(|warning| add("! Careful", warning.clone()));
        }
        let host = wharf_core::image::model::Platform::host();
        let shown = image.pinned.as_ref().and_then(|pinned| pinned.platform.as_ref());
        let platforms = image.platforms.iter().map(|entry| {
            let mut notes = Vec::new();
            if Some(&entry.platform) == shown && image.platforms.len() > 1 {
                notes.push("shown");
            }
            if entry.platform.serves(&host) {
                notes.push("this machine");
            }
            let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
            format!("{}{notes}", entry.platform)
        });
        add("Platforms", platforms.collect::<Vec<_>>().join(", "));
        let config = &image.config;
        add("Entry point", join_words(&model::shown(&config.entrypoint)));
        add("Command", join_words(&model::shown(&config.command)));
        if image.disk.is_none() && image.artifact.is_none() {
            add("User", config.user_words());
            config.unread_fields().into_iter().for_each(|words| add("! Careful", words));
        }
        add("Directory", config.working_dir.to_string());
        add("Ports", config.ports.join(", "));
        add("Volumes", config.volumes.join(", "));
        config.environment.iter().for_each(|pair| add("Environment", pair.to_string()));
        let property = if image.disk.is_some() { "Property" } else { "Annotation" };
        image.annotations.iter().for_each(|(key, value)| add(property, format!("{key} = {value}")));
        config
            .labels
            .iter()
            .filter(|(key, value)| image.annotations.get(*key) != Some(*value))
            .for_each(|(key, value)| add("Label", format!("{key} = {value}")));
        facts
    }
}
