//! The image page: overview, versions, layers, trust, scan, software.

mod actions;
mod evidence;
mod findings;
mod view;

pub use findings::Order;

use crate::{
    core::{
        base::{error::Error, text},
        image::{
            model::{self, Image, Version},
            reference::ImageRef,
        },
        launch::form::join_words,
        portal::evidence::Verified,
        sharing::offer::Share,
    },
    tui::{
        kit::{
            list::{Position, Rows, Seen, Unseen, Walk},
            widgets::wrap,
        },
        msg::{Effect, ImageEffect, ShareEffect, Target},
    },
};

/// Columns of a label in the overview.
const LABEL: usize = 13;

/// The panes, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    /// What it is.
    Overview,
    /// Its tags.
    Versions,
    /// Its layers.
    Layers,
    /// Who may use it.
    Shares,
    /// Signatures.
    Trust,
    /// Vulnerabilities.
    Scan,
    /// What is in it.
    Software,
}

impl Pane {
    /// All of them.
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

/// What to read beside an image: its tags, or who may use it.
pub fn beside(image: &Image) -> Option<Effect> {
    match (&image.reference, &image.disk) {
        (ImageRef::Glance { .. }, _) => Some(Effect::Share(ShareEffect::Shares(image.reference.clone()))),
        (_, Some(_)) => None,
        _ => Some(Effect::Image(ImageEffect::Tags(image.reference.clone()))),
    }
}

/// Columns for the values of the overview.
fn value_width(columns: u16) -> usize {
    usize::from(columns).saturating_sub(LABEL).max(8)
}

/// The pane whose tab is at a column: a space, then each title between spaces, a space between tabs.
pub fn pane_at(panes: &[Pane], column: u16) -> Option<Pane> {
    let mut begin = 1;
    panes.iter().copied().find(|pane| {
        let width = pane.title().len() as u16 + 2;
        let hit = (begin..begin + width).contains(&column);
        begin += width + 1;
        hit
    })
}

/// The page's state.
#[derive(Debug)]
pub struct Page {
    /// What was asked for.
    pub target: Target,
    /// The image, once it came.
    pub image: Option<Image>,
    /// Why it did not.
    pub error: Option<Error>,
    /// Its tags, newest first.
    pub tags: Option<Result<Vec<String>, Error>>,
    /// Details of tags, as they come.
    pub versions: Vec<Version>,
    /// The shown pane.
    pub pane: Pane,
    /// Where one stands in it.
    pub at: Position,
    /// Words about the link it was opened from.
    pub from_link: Vec<(bool, String)>,
    /// The last versions asked for, so that they are not asked for again.
    pub wanted: Option<Effect>,
    /// Whether the launch screen opens as soon as the image is here.
    pub launch_next: bool,
    /// The platform the person chose, if they did.
    pub platform: Option<String>,
    /// Who may use it, for images of clouds.
    pub shares: Option<Result<Rows<Share>, Error>>,
    /// Its evidence, and what policy makes of it.
    pub verified: Option<Result<Box<Verified>, Error>>,
    /// Words that narrow findings and packages.
    pub narrowed: String,
    /// How findings are put in order.
    pub order: Order,
}

impl Page {
    /// A page that waits for its image.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            image: None,
            error: None,
            tags: None,
            versions: Vec::new(),
            pane: Pane::Overview,
            at: Position::default(),
            from_link: Vec::new(),
            wanted: None,
            launch_next: false,
            platform: None,
            shares: None,
            verified: None,
            narrowed: String::new(),
            order: Order::default(),
        }
    }

    /// The image as actions take it.
    pub fn target(&self) -> Target {
        self.image.as_ref().map_or_else(|| self.target.clone(), |image| Target::Reference(image.reference.clone()))
    }

    /// What is meant: the version that is selected, where versions are shown, else the image of the page.
    pub fn meant(&self) -> Target {
        match (self.selected_tag(), self.target()) {
            (Some(tag), Target::Reference(reference)) => Target::Reference(reference.with_tag(tag)),
            (_, target) => target,
        }
    }

    /// Asks for the image again, for the chosen platform.
    pub fn fetch(&self) -> Effect {
        Effect::Image(ImageEffect::Image { target: self.target(), platform: self.platform.clone() })
    }

    /// Shows the image for another platform.
    pub fn choose_platform(&mut self, platform: String) -> Vec<Effect> {
        self.platform = Some(platform);
        vec![self.fetch()]
    }

    /// What the header says: the last part of the name, and where it is.
    pub fn title(&self) -> String {
        match &self.image {
            Some(image) if matches!(image.reference, ImageRef::Glance { .. } | ImageRef::Volume { .. }) => {
                image.title()
            }
            _ => self.target().words(),
        }
    }

    /// Goes to another pane.
    pub fn turn(&mut self, steps: usize) {
        let panes = self.panes();
        let now = panes.iter().position(|pane| *pane == self.pane).unwrap_or(0);
        let next = (now + steps % panes.len().max(1)) % panes.len().max(1);
        self.pane = panes.get(next).copied().unwrap_or(Pane::Overview);
        self.at = Position::default();
        // Words for findings mean nothing for packages.
        self.narrowed.clear();
    }

    /// The panes that mean something for this image.
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

    /// What to read again when a share may have changed.
    pub fn reads_shares(&self) -> Option<Effect> {
        self.shares
            .is_some()
            .then(|| self.image.as_ref().map(|image| Effect::Share(ShareEffect::Shares(image.reference.clone()))))?
    }

    /// The share under the selection.
    pub fn selected_share(&self) -> Option<&Share> {
        match (self.pane, &self.shares) {
            (Pane::Shares, Some(Ok(shares))) => shares.selected(),
            _ => None,
        }
    }

    /// The same, if the last frame showed it.
    pub fn seen_share(&self) -> std::result::Result<Seen<String>, Unseen> {
        match (self.pane, &self.shares) {
            (Pane::Shares, Some(Ok(shares))) => shares.seen_one(),
            _ => Err(Unseen::Nothing),
        }
    }

    /// Takes in who may use it.
    pub fn shared_with(&mut self, result: Result<Vec<Share>, Error>) {
        match (&mut self.shares, result) {
            (Some(Ok(rows)), Ok(shares)) => rows.set(shares),
            (shares, result) => *shares = Some(result.map(Rows::of)),
        }
    }

    /// Number of lines of the shown pane in so many columns.
    pub fn count(&self, columns: u16) -> usize {
        match (self.pane, &self.image) {
            (Pane::Versions, _) => self.tags.as_ref().and_then(|tags| tags.as_ref().ok()).map_or(0, Vec::len),
            (Pane::Shares, _) => self.shares.as_ref().and_then(|shares| shares.as_ref().ok()).map_or(0, Walk::count),
            (Pane::Trust, Some(_)) => match &self.verified {
                Some(Ok(verified)) => verified.judgement.reasons.len() * 2 + verified.records.len() * 5 + 10,
                _ => 0,
            },
            (Pane::Scan | Pane::Software, Some(_)) => self.listed(),
            (Pane::Layers, Some(image)) => image.layers.len() + image.history.len() + 2,
            (Pane::Overview, Some(image)) => {
                let lines = |(_, value): &(&str, String)| wrap(value, value_width(columns)).len();
                self.from_link.len() + self.facts(image, 0).iter().map(lines).sum::<usize>()
            }
            _ => 0,
        }
    }

    /// The tag under the selection of the versions pane.
    pub fn selected_tag(&self) -> Option<&String> {
        match (self.pane, &self.tags) {
            (Pane::Versions, Some(Ok(tags))) => tags.get(self.at.selected),
            _ => None,
        }
    }

    /// Tags on the screen whose details are not known yet.
    pub fn unknown_tags(&self, height: usize) -> Vec<String> {
        let Some(Ok(tags)) = &self.tags else { return Vec::new() };
        let top = self.at.window(tags.len(), height);
        tags.iter()
            .skip(top)
            .take(height)
            .filter(|tag| !self.versions.iter().any(|version| version.tag == **tag))
            .cloned()
            .collect()
    }

    /// The overview as labels and values, in their order.
    pub fn facts(&self, image: &Image, now: i64) -> Vec<(&'static str, String)> {
        let mut facts: Vec<(&'static str, String)> = Vec::new();
        let mut add = |label: &'static str, value: String| {
            if !value.is_empty() {
                facts.push((label, value));
            }
        };
        add("Reference", image.reference.to_string());
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
        let host = crate::core::image::model::Platform::host();
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
            config.unread_words().into_iter().for_each(|words| add("! Careful", words));
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
