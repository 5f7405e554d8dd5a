//! The image page: overview, versions, layers, trust, scan.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    core::{
        error::Error,
        evidence::{Publisher, Scan, Signature},
        form::join_words,
        model::{Image, Version},
        text,
    },
    tui::{
        list::Position,
        msg::{Effect, Target},
        theme::Theme,
        widgets::{badge, bar, below, fact, failure, fit, put, row, select},
    },
};

/// The panes, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    /// What it is.
    Overview,
    /// Its tags.
    Versions,
    /// Its layers.
    Layers,
    /// Signatures.
    Trust,
    /// Vulnerabilities.
    Scan,
}

impl Pane {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Overview, Self::Versions, Self::Layers, Self::Trust, Self::Scan];

    fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Versions => "Versions",
            Self::Layers => "Layers",
            Self::Trust => "Trust",
            Self::Scan => "Scan",
        }
    }
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
        }
    }

    /// The image as actions take it.
    pub fn target(&self) -> Target {
        self.image.as_ref().map_or_else(|| self.target.clone(), |image| Target::Reference(image.reference.clone()))
    }

    /// What the header says: the last part of the name, and where it is.
    pub fn title(&self) -> String {
        self.target().words()
    }

    /// Goes to another pane.
    pub fn turn(&mut self, steps: usize) {
        let now = Pane::ALL.iter().position(|pane| *pane == self.pane).unwrap_or(0);
        self.pane = Pane::ALL[(now + steps) % Pane::ALL.len()];
        self.at = Position::default();
    }

    /// Number of lines of the shown pane.
    pub fn count(&self) -> usize {
        match (self.pane, &self.image) {
            (Pane::Versions, _) => self.tags.as_ref().and_then(|tags| tags.as_ref().ok()).map_or(0, Vec::len),
            (Pane::Layers, Some(image)) => image.layers.len() + image.history.len() + 2,
            (Pane::Overview, Some(image)) => {
                14 + image.annotations.len() + image.config.labels.len() + image.config.environment.len()
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

    /// Draws the page.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64) {
        let mut tabs: Vec<Span<'static>> = vec![Span::raw(" ")];
        for pane in Pane::ALL {
            let style = if pane == self.pane { theme.style("selected") } else { theme.style("dim") };
            tabs.push(Span::styled(format!(" {} ", pane.title()), style));
            tabs.push(Span::raw(" "));
        }
        put(frame, row(area, 0), Line::from(tabs));
        let area = below(area, 2);
        if let Some(error) = &self.error {
            for (number, line) in failure(error, theme).into_iter().enumerate() {
                put(frame, row(area, number as u16), line);
            }
            return;
        }
        let Some(image) = &self.image else {
            put(
                frame,
                row(area, 0),
                Line::styled(format!("  asking for {}…", self.target.words()), theme.style("dim")),
            );
            return;
        };
        match self.pane {
            Pane::Overview => self.lines(frame, area, self.overview(image, theme, now), theme),
            Pane::Versions => self.versions_pane(frame, area, image, theme, now),
            Pane::Layers => self.lines(frame, area, layers(image, area.width as usize, theme), theme),
            Pane::Trust => self.lines(frame, area, trust(image, theme), theme),
            Pane::Scan => self.lines(frame, area, scan(theme), theme),
        }
    }

    /// Scrolls lines that are only read.
    fn lines(&self, frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>, _theme: &Theme) {
        let top = self.at.selected.min(lines.len().saturating_sub(area.height as usize));
        for (number, line) in lines.into_iter().skip(top).take(area.height as usize).enumerate() {
            put(frame, row(area, number as u16), line);
        }
    }

    fn overview(&self, image: &Image, theme: &Theme, now: i64) -> Vec<Line<'static>> {
        let mut lines: Vec<Line<'static>> = self
            .from_link
            .iter()
            .map(|(fine, words)| {
                Line::styled(
                    format!("{} {words}", if *fine { "✓" } else { "!" }),
                    theme.style(if *fine { "good" } else { "caution" }),
                )
            })
            .collect();
        let mut add = |label: &str, value: String| {
            if !value.is_empty() {
                lines.push(fact(label, value, theme));
            }
        };
        add("Reference", image.reference.to_string());
        if let Some(pinned) = &image.pinned {
            add("Digest", pinned.digest.to_string());
            if pinned.manifest != pinned.digest {
                add("Manifest", pinned.manifest.to_string());
            }
        }
        add("Kind", format!("{} · {}", image.kind.word(), image.media_type));
        add(
            "Created",
            image
                .created
                .map(|created| format!("{} · {}", text::timestamp(created), text::ago(created, now)))
                .unwrap_or_default(),
        );
        add(
            "Size",
            format!("{} in {}", text::size(image.size), text::plural(image.layers.len() as u64, "layer", "layers")),
        );
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
        let host = crate::core::model::Platform::host();
        let platforms = image.platforms.iter().map(|entry| {
            if entry.platform.serves(&host) {
                format!("{} (this machine)", entry.platform)
            } else {
                entry.platform.to_string()
            }
        });
        add("Platforms", platforms.collect::<Vec<_>>().join(", "));
        let config = &image.config;
        add("Entry point", join_words(&config.entrypoint));
        add("Command", join_words(&config.command));
        if image.disk.is_none() {
            add(
                "User",
                if config.user.is_empty() { "root (the image names none)".into() } else { config.user.clone() },
            );
        }
        add("Directory", config.working_dir.clone());
        add("Ports", config.ports.join(", "));
        add("Volumes", config.volumes.join(", "));
        config.environment.iter().for_each(|pair| add("Environment", pair.clone()));
        image.annotations.iter().for_each(|(key, value)| add("Annotation", format!("{key} = {value}")));
        config
            .labels
            .iter()
            .filter(|(key, value)| image.annotations.get(*key) != Some(*value))
            .for_each(|(key, value)| add("Label", format!("{key} = {value}")));
        lines
    }

    fn versions_pane(&self, frame: &mut Frame<'_>, area: Rect, image: &Image, theme: &Theme, now: i64) {
        let tags = match &self.tags {
            None => return put(frame, row(area, 0), Line::styled("  asking…", theme.style("dim"))),
            Some(Err(error)) => {
                return failure(error, theme)
                    .into_iter()
                    .enumerate()
                    .for_each(|(number, line)| put(frame, row(area, number as u16), line));
            }
            Some(Ok(tags)) if tags.is_empty() => {
                return put(frame, row(area, 0), Line::styled("  this image has no tags", theme.style("dim")));
            }
            Some(Ok(tags)) => tags,
        };
        let width = (area.width as usize).saturating_sub(44).clamp(8, 40);
        put(
            frame,
            row(area, 0),
            Line::styled(
                format!("  {} {} {} {}", fit("TAG", width), fit("CREATED", 12), fit("SIZE", 9), "DIGEST"),
                theme.style("dim"),
            ),
        );
        let area = below(area, 1);
        let top = self.at.window(tags.len(), area.height as usize);
        let current = image.pinned.as_ref().map(|pinned| &pinned.digest);
        for (number, tag) in tags.iter().enumerate().skip(top).take(area.height as usize) {
            let version = self.versions.iter().find(|version| version.tag == *tag);
            let digest = version.and_then(|version| version.digest.as_ref());
            let here = digest.is_some() && digest == current;
            let created =
                version.and_then(|version| version.created).map(|created| text::ago(created, now)).unwrap_or_default();
            let size = version.and_then(|version| version.size).map(text::size).unwrap_or_default();
            let line = Line::from(vec![
                Span::styled(if here { "▸ " } else { "  " }, theme.style("key")),
                Span::styled(fit(tag, width), theme.style("text")),
                Span::styled(
                    format!(
                        " {} {} {}",
                        fit(&created, 12),
                        fit(&size, 9),
                        digest.map_or(if version.is_some() { "?" } else { "…" }, |digest| digest.short())
                    ),
                    theme.style("dim"),
                ),
            ]);
            put(frame, row(area, (number - top) as u16), select(line, number == self.at.selected, theme));
        }
    }
}

fn layers(image: &Image, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let most = image.layers.iter().map(|layer| layer.size).max().unwrap_or(0);
    let bar_width = (width / 6).clamp(4, 20);
    let mut lines: Vec<Line<'static>> = image
        .layers
        .iter()
        .map(|layer| {
            Line::from(vec![
                Span::styled(format!("{:>9} ", text::size(layer.size)), theme.style("text")),
                Span::styled(bar(layer.size, most, bar_width), theme.style("bar")),
                Span::styled(
                    format!(" {} ", layer.digest.as_ref().map_or("", |digest| digest.short())),
                    theme.style("dim"),
                ),
                Span::styled(layer.created_by.clone(), theme.style("text")),
            ])
        })
        .collect();
    if lines.is_empty() {
        lines.push(Line::styled("  no layers: this is a single file", theme.style("dim")));
    }
    if !image.history.is_empty() {
        lines.push(Line::raw(""));
        lines.push(Line::styled("How it was built", theme.style("title")));
        lines.extend(image.history.iter().enumerate().map(|(number, step)| {
            Line::from(vec![
                Span::styled(format!("{:>3}  ", number + 1), theme.style("dim")),
                Span::styled(step.clone(), theme.style("text")),
            ])
        }));
    }
    lines
}

fn trust(image: &Image, theme: &Theme) -> Vec<Line<'static>> {
    let subject = image.pinned.as_ref().map_or_else(|| "no digest".to_owned(), |pinned| pinned.digest.to_string());
    vec![
        Line::from(vec![
            Span::styled(fit("Signature", 13), theme.style("dim")),
            badge(Signature::default().badge(), theme),
        ]),
        Line::from(vec![
            Span::styled(fit("Publisher", 13), theme.style("dim")),
            badge(
                if image.publisher == Publisher::Unknown {
                    Publisher::default().badge()
                } else {
                    image.publisher.badge()
                },
                theme,
            ),
        ]),
        Line::raw(""),
        fact("About", subject, theme),
        Line::styled(
            "Nobody has checked who made this image. The digest says only that the bytes are these.",
            theme.style("text"),
        ),
        Line::styled("A launch uses exactly this digest, whatever the tag points to by then.", theme.style("text")),
    ]
}

fn scan(theme: &Theme) -> Vec<Line<'static>> {
    vec![
        Line::from(vec![Span::styled(fit("Scan", 13), theme.style("dim")), badge(Scan::default().badge(), theme)]),
        Line::raw(""),
        Line::styled("Nobody has looked for known vulnerabilities in this image.", theme.style("text")),
        Line::styled("Not scanned is not the same as clean.", theme.style("text")),
    ]
}
