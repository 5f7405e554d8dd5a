//! Colours by role. A theme is a table from roles to styles; a role like `list.selected` falls back on `selected`.
//!
//! The signs and words of a screen do not depend on a theme: with `NO_COLOR` only bold, underline and reverse are
//! left, and everything can still be read.

use std::{collections::BTreeMap, path::Path};

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

use wharf_core::base::{
    clean,
    mistakes::{self, Mistake},
    small_file,
};

/// The built-in themes: their names and their files (TOML).
pub const BUILT_IN: &[(&str, &str)] = &[
    ("default", include_str!("../../../themes/default.toml")),
    ("light", include_str!("../../../themes/light.toml")),
    ("dark", include_str!("../../../themes/dark.toml")),
    ("high-contrast", include_str!("../../../themes/high-contrast.toml")),
    ("colour-blind", include_str!("../../../themes/colour-blind.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
];

/// Every role, and what it colours.
pub const ROLES: &[(&str, &str)] = &[
    ("text", "everything without another role"),
    ("dim", "what matters less: columns of detail, hints"),
    ("title", "titles of screens and panes"),
    ("border", "lines around panes and popups"),
    ("selected", "the selected line"),
    ("match", "characters that the filter matched"),
    ("key", "keys in hints and help"),
    ("good", "badges and states that are good"),
    ("caution", "those that want a look"),
    ("bad", "those that are bad, and errors"),
    ("unknown", "those of which nothing is known"),
    ("bar", "size bars, progress, sparklines"),
];

/// Finer roles. Where a theme does not name one, it is drawn as its last part: `critical.bad` as `bad`.
pub const FINER_ROLES: &[(&str, &str)] = &[
    ("tab.selected", "the screen or tab that is shown"),
    ("inactive.selected", "the selected line of a pane whose keys are not live"),
    ("focus.title", "the title of the pane whose keys are live"),
    ("heading.title", "headings of sections and columns"),
    ("critical.bad", "findings that are critical"),
    ("high.bad", "findings that are high"),
    ("medium.caution", "findings that are medium"),
    ("low.dim", "findings that are low"),
    ("chart.bar", "charts and gauges"),
    ("chart2.bar", "the second chart beside another"),
    ("gate.good", "a launch that may begin"),
    ("gate.caution", "a launch that must be approved or isolated"),
    ("gate.bad", "a launch that is denied"),
    ("log.bad", "errors in output"),
    ("log.caution", "warnings in output"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    inherits: Option<String>,
    #[serde(default)]
    roles: BTreeMap<String, Paint>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "a table of a theme file, not a state")]
struct Paint {
    fg: Option<String>,
    bg: Option<String>,
    bold: bool,
    dim: bool,
    underline: bool,
    reverse: bool,
}

/// How many colours the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// No colours: `NO_COLOR` is set, or the terminal is `dumb`.
    None,
    /// The 16 colours of the terminal's own palette.
    Sixteen,
    /// All colours of a theme, as RGB.
    True,
}

impl Depth {
    /// The colours that the environment names: `NO_COLOR`, `COLORTERM`, `TERM`.
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        if !variable("NO_COLOR").is_empty() || variable("TERM") == "dumb" {
            Self::None
        } else if matches!(variable("COLORTERM").as_str(), "truecolor" | "24bit")
            || variable("TERM").contains("256")
            || variable("TERM").contains("direct")
        {
            Self::True
        } else {
            Self::Sixteen
        }
    }
}

/// The theme in use.
#[derive(Debug, Clone)]
pub struct Theme {
    /// The theme's name; `default` if the wanted one could not be used.
    pub name: String,
    roles: BTreeMap<String, Style>,
    depth: Depth,
    /// What could not be used of the theme, one sentence each.
    pub warnings: Vec<String>,
}

impl Theme {
    /// A theme that draws everything alike, for counting the lines of what is not drawn yet.
    pub fn plain() -> Self {
        Self { name: String::new(), roles: BTreeMap::new(), depth: Depth::None, warnings: Vec::new() }
    }

    /// The theme of this name, from the user's folder, else a built-in one. One that cannot be read gives the default
    /// theme and a warning.
    pub fn load(name: &str, folder: Option<&Path>, depth: Depth) -> Self {
        let mut theme = Self { name: name.to_owned(), roles: BTreeMap::new(), depth, warnings: Vec::new() };
        let mistakes = theme.add(name, folder, 0);
        if !mistakes.is_empty() {
            let name = clean::short(name, 60);
            theme.warnings = mistakes.iter().map(|why| format!("theme '{name}': {why}: the default is used")).collect();
            theme.roles.clear();
            theme.name = "default".into();
            let _ = theme.add("default", None, 0);
        }
        theme
    }

    /// Adds the roles of a theme and of the themes that it inherits from; returns what could not be used of them.
    fn add(&mut self, name: &str, folder: Option<&Path>, depth: usize) -> Vec<String> {
        if depth > 8 {
            return vec!["it inherits from itself".into()];
        }
        let own = folder
            .map(|folder| folder.join(format!("{name}.toml")))
            .filter(|path| path.is_file() && !name.contains('/'));
        let place = own.as_ref().map_or_else(|| name.to_owned(), |path| path.display().to_string());
        let built_in = || BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let text = match own {
            Some(path) => small_file::text(path).map_err(|error| format!("{place}: {error}")),
            None => built_in().ok_or_else(|| "there is no such theme".to_owned()),
        };
        let text = match text {
            Ok(text) => text,
            Err(why) => return vec![why],
        };
        let (file, wrong) = mistakes::parse::<File>(&text);
        let told = |mistake: &Mistake| format!("{place}:{}: {}", mistake.line, clean::short(&mistake.words, 120));
        let mut wrong: Vec<String> = wrong.iter().map(told).collect();
        let Some(file) = file else { return wrong };
        if let Some(parent) = file.inherits {
            // The user's "default" may inherit from the built-in theme of the same name.
            let folder = if parent == name { None } else { folder };
            wrong.extend(self.add(&parent, folder, depth + 1));
        }
        for (role, paint) in file.roles {
            let base = role.rsplit('.').next().unwrap_or(&role);
            if !ROLES.iter().any(|(known, _)| *known == base) {
                wrong.push(format!("{place}: '{}' is no role", clean::short(&role, 40)));
                continue;
            }
            match style(&paint, self.depth, role.starts_with("inactive.")) {
                Ok(style) => _ = self.roles.insert(role, style),
                Err(why) => wrong.push(format!("{place}: {}: {why}", clean::short(&role, 40))),
            }
        }
        wrong
    }

    /// The style of a role; `a.b` falls back on `b`, and an unknown role on `text`.
    pub fn style(&self, role: &str) -> Style {
        let mut rest = role;
        loop {
            if let Some(style) = self.roles.get(rest) {
                return *style;
            }
            match rest.split_once('.') {
                Some((_, tail)) => rest = tail,
                None => return self.roles.get("text").copied().unwrap_or_default(),
            }
        }
    }
}

/// The style of a paint; `weak` is ground that is not to stand out where there are no colours.
fn style(paint: &Paint, depth: Depth, weak: bool) -> Result<Style, String> {
    let mut style = Style::default();
    for (on, modifier) in [
        (paint.bold, Modifier::BOLD),
        (paint.dim, Modifier::DIM),
        (paint.underline, Modifier::UNDERLINED),
        (paint.reverse, Modifier::REVERSED),
    ] {
        if on {
            style = style.add_modifier(modifier);
        }
    }
    let colour = |text: &Option<String>| {
        text.as_ref()
            .map(|text| text.parse::<Color>().map_err(|_| format!("'{}' is no colour", clean::short(text, 20))))
            .transpose()
    };
    let (fg, bg) = (colour(&paint.fg)?, colour(&paint.bg)?);
    if depth != Depth::None {
        style.fg = fg.map(|colour| fit(colour, depth));
        style.bg = bg.map(|colour| fit(colour, depth));
    } else if bg.is_some() && !paint.reverse && !weak {
        // Without colours, a background that set the text apart becomes reverse.
        style = style.add_modifier(Modifier::REVERSED);
    }
    Ok(style)
}

/// The nearest of the 16 palette colours, where the terminal has only those.
fn fit(colour: Color, depth: Depth) -> Color {
    const SIXTEEN: [(Color, [i32; 3]); 16] = [
        (Color::Black, [0, 0, 0]),
        (Color::Red, [170, 0, 0]),
        (Color::Green, [0, 170, 0]),
        (Color::Yellow, [170, 85, 0]),
        (Color::Blue, [0, 0, 170]),
        (Color::Magenta, [170, 0, 170]),
        (Color::Cyan, [0, 170, 170]),
        (Color::Gray, [170, 170, 170]),
        (Color::DarkGray, [85, 85, 85]),
        (Color::LightRed, [255, 85, 85]),
        (Color::LightGreen, [85, 255, 85]),
        (Color::LightYellow, [255, 255, 85]),
        (Color::LightBlue, [85, 85, 255]),
        (Color::LightMagenta, [255, 85, 255]),
        (Color::LightCyan, [85, 255, 255]),
        (Color::White, [255, 255, 255]),
    ];
    let (Color::Rgb(red, green, blue), Depth::Sixteen) = (colour, depth) else { return colour };
    let wanted = [i32::from(red), i32::from(green), i32::from(blue)];
    let distance = |[r, g, b]: [i32; 3]| (r - wanted[0]).pow(2) + (g - wanted[1]).pow(2) + (b - wanted[2]).pow(2);
    SIXTEEN.iter().min_by_key(|(_, value)| distance(*value)).map_or(colour, |(named, _)| *named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_has_every_role_and_no_mistake() {
        for (name, _) in BUILT_IN {
            for depth in [Depth::None, Depth::Sixteen, Depth::True] {
                let theme = Theme::load(name, None, depth);
                assert_eq!(theme.warnings, Vec::<String>::new());
                for (role, _) in ROLES {
                    assert!(theme.roles.contains_key(*role), "{name} lacks {role}");
                }
            }
        }
    }

    #[test]
    fn without_colour_no_colour_is_used_and_the_selection_still_shows() {
        for (name, _) in BUILT_IN {
            let theme = Theme::load(name, None, Depth::None);
            assert!(theme.roles.values().all(|style| style.fg.is_none() && style.bg.is_none()));
            assert!(theme.style("selected").add_modifier.contains(Modifier::REVERSED), "{name}");
        }
    }

    #[test]
    fn finer_roles_are_drawn_as_their_last_part_where_a_theme_does_not_name_them() {
        let theme = Theme::load("high-contrast", None, Depth::True);
        for (role, _) in FINER_ROLES {
            let last = role.rsplit('.').next().unwrap();
            assert!(ROLES.iter().any(|(known, _)| *known == last), "{role}");
            if !theme.roles.contains_key(*role) {
                assert_eq!(theme.style(role), theme.style(last));
            }
        }
    }

    /// Bright black is the background itself in some palettes, so that what is drawn in it disappears.
    #[test]
    fn the_default_theme_says_nothing_in_bright_black() {
        for depth in [Depth::Sixteen, Depth::True] {
            let theme = Theme::load("default", None, depth);
            for (role, style) in &theme.roles {
                assert!(style.fg != Some(Color::DarkGray) && style.bg != Some(Color::DarkGray), "{role}");
            }
        }
        assert!(Theme::load("default", None, Depth::Sixteen).style("dim").add_modifier.contains(Modifier::DIM));
    }

    #[test]
    fn a_pane_without_focus_has_a_selection_of_its_own() {
        for (name, _) in BUILT_IN {
            for depth in [Depth::None, Depth::Sixteen, Depth::True] {
                let theme = Theme::load(name, None, depth);
                assert_ne!(theme.style("inactive.selected"), theme.style("selected"), "{name}");
                assert_ne!(theme.style("inactive.selected"), theme.style("text"), "{name}");
            }
        }
    }

    #[test]
    fn a_bad_theme_is_named_and_the_default_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("typo.toml", "[roles]\nbad = { fg = \"blurple\" }\n");
        write("role.toml", "[roles]\nnose = { fg = \"red\" }\n");
        write("ring.toml", "inherits = \"ring2\"\n");
        write("ring2.toml", "inherits = \"ring\"\n");
        for (name, why) in [("typo", "blurple"), ("role", "nose"), ("ring", "itself"), ("gone", "no such theme")] {
            let theme = Theme::load(name, Some(folder.path()), Depth::True);
            assert!(theme.warnings[0].contains(why), "{:?}", theme.warnings);
            assert_eq!(theme.name, "default");
        }
    }

    #[test]
    fn a_theme_may_inherit_and_roles_fall_back_by_their_dots() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("mine.toml"),
            "inherits = \"mono\"\n[roles]\n\"list.selected\" = { bold = true }\n",
        )
        .unwrap();
        let theme = Theme::load("mine", Some(folder.path()), Depth::True);
        assert!(theme.warnings.is_empty());
        assert!(theme.style("list.selected").add_modifier.contains(Modifier::BOLD));
        assert_eq!(theme.style("popup.selected"), theme.style("selected"));
    }

    /// Contrast of every role on the background that the theme is made for (WCAG 2.1, contrast ratio).
    #[test]
    fn true_colour_themes_can_be_read_on_their_background() {
        let light = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = |colour: Color| match colour {
            Color::Rgb(r, g, b) => Some(0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b)),
            _ => None,
        };
        for (name, ground) in [
            ("light", Color::Rgb(255, 255, 255)),
            ("dark", Color::Rgb(24, 24, 27)),
            ("high-contrast", Color::Rgb(0, 0, 0)),
            ("colour-blind", Color::Rgb(0, 0, 0)),
        ] {
            let theme = Theme::load(name, None, Depth::True);
            for (role, style) in &theme.roles {
                let (Some(front), Some(back)) = (style.fg.and_then(luminance), luminance(style.bg.unwrap_or(ground)))
                else {
                    continue;
                };
                let ratio = (front.max(back) + 0.05) / (front.min(back) + 0.05);
                let least = if role == "border" { 2.0 } else { 4.5 };
                assert!(ratio >= least, "{name}: {role} has contrast {ratio:.1}");
            }
        }
    }
}
