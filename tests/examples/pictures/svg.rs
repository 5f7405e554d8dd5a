//! Screens as SVG: pictures of one moment, and films of several.

use std::fmt::Write as _;

use vt100::{Cell, Color};

/// The size of a cell and of its letters, in pixels.
const WIDE: f32 = 8.4;
const HIGH: f32 = 17.0;
const LETTER: f32 = 14.0;
/// The space between two screens of one picture, in lines.
const BETWEEN: f32 = 0.6;

/// The colours of a terminal: the default ones, and the sixteen that have names.
pub(crate) struct Palette {
    front: &'static str,
    back: &'static str,
    named: [&'static str; 16],
}

pub(crate) const DARK: Palette = Palette {
    front: "#d4d4d8",
    back: "#14151b",
    named: [
        "#14151b", "#fb7185", "#4ade80", "#fbbf24", "#7dd3fc", "#c4b5fd", "#22d3ee", "#d4d4d8", "#8b8b96", "#fb7185",
        "#4ade80", "#fbbf24", "#7dd3fc", "#c4b5fd", "#22d3ee", "#ffffff",
    ],
};

pub(crate) const LIGHT: Palette = Palette {
    front: "#27272a",
    back: "#fbfbfa",
    named: [
        "#27272a", "#b91c1c", "#15803d", "#a16207", "#1d4ed8", "#7e22ce", "#0e7490", "#52525b", "#71717a", "#b91c1c",
        "#15803d", "#a16207", "#1d4ed8", "#7e22ce", "#0e7490", "#fbfbfa",
    ],
};

/// One screen: cells by line and column.
pub(crate) type Shot = Vec<Vec<Cell>>;

fn colour(colour: Color, otherwise: &str, palette: &Palette) -> String {
    match colour {
        Color::Default => otherwise.to_owned(),
        Color::Idx(number @ 0..16) => palette.named[usize::from(number)].to_owned(),
        Color::Idx(number @ 232..) => format!("#{0:02x}{0:02x}{0:02x}", 8 + (number - 232) * 10),
        Color::Idx(number) => {
            let part = |of: u8| [0, 95, 135, 175, 215, 255][usize::from(of % 6)];
            let number = number - 16;
            format!("#{:02x}{:02x}{:02x}", part(number / 36), part(number / 6), part(number))
        }
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
    }
}

/// The colours of letters and ground, and whether the letters are bold.
fn look(cell: &Cell, palette: &Palette) -> (String, String, bool) {
    let (front, back) = (colour(cell.fgcolor(), palette.front, palette), colour(cell.bgcolor(), palette.back, palette));
    let (front, back) = if cell.inverse() { (back, front) } else { (front, back) };
    (front, back, cell.bold())
}

/// The beginning of an SVG of this many cells.
fn head(title: &str, columns: usize, lines: f32, palette: &Palette) -> String {
    let (width, height) = (columns as f32 * WIDE + 16.0, lines * HIGH + 16.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"{LETTER}\">\n\
         <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{}\"/>\n",
        palette.back
    )
}

fn columns(shots: &[&Shot]) -> usize {
    shots.iter().flat_map(|shot| shot.iter()).map(Vec::len).max().unwrap_or(0)
}

/// The screens below each other. Each run of cells that look alike is one text of a fixed length, so that it fits
/// whatever font is there.
pub(crate) fn picture(title: &str, shots: &[Shot], palette: &Palette) -> String {
    let lines = shots.iter().map(Vec::len).sum::<usize>() as f32 + BETWEEN * (shots.len() as f32 - 1.0);
    let mut out = head(title, columns(&shots.iter().collect::<Vec<_>>()), lines, palette);
    let mut top = 8.0;
    for (number, shot) in shots.iter().enumerate() {
        if number > 0 {
            let at = top + BETWEEN * HIGH / 2.0;
            let _ = writeln!(out, "<rect y=\"{at:.1}\" width=\"100%\" height=\"1\" fill=\"#3f3f46\"/>");
            top += BETWEEN * HIGH;
        }
        for line in shot {
            runs(&mut out, line, top, palette);
            top += HIGH;
        }
    }
    out.push_str("</svg>\n");
    out
}

/// A screen of a film: how many seconds it stays, and the words below it.
pub(crate) struct Frame {
    pub(crate) shot: Shot,
    pub(crate) seconds: f32,
    pub(crate) words: String,
}

/// A film that begins again when it has ended. A line of the screen is written once for as long as it stays the same.
pub(crate) fn film(title: &str, frames: &[Frame], palette: &Palette) -> String {
    let shots: Vec<&Shot> = frames.iter().map(|frame| &frame.shot).collect();
    let lines = shots.iter().map(|shot| shot.len()).max().unwrap_or(0);
    let whole: f32 = frames.iter().map(|frame| frame.seconds).sum();
    let mut out = head(title, columns(&shots), lines as f32 + 1.6, palette);
    for line in 0..lines {
        let top = 8.0 + line as f32 * HIGH;
        let mut first = 0;
        while first < frames.len() {
            let shown = drawn(shots[first].get(line), top, palette);
            let same = |shot: &&&Shot| drawn(shot.get(line), top, palette) == shown;
            let past = first + shots[first..].iter().take_while(same).count();
            if !shown.is_empty() {
                during(&mut out, &shown, (first, past), frames, whole);
            }
            first = past;
        }
    }
    let below = 8.0 + (lines as f32 + 1.1) * HIGH;
    let mut first = 0;
    while first < frames.len() {
        let words = &frames[first].words;
        let past = first + frames[first..].iter().take_while(|frame| frame.words == *words).count();
        let text = format!(
            "<text x=\"12\" y=\"{below:.1}\" fill=\"{}\" font-weight=\"bold\">{}</text>\n",
            palette.named[3],
            escaped(words)
        );
        during(&mut out, &text, (first, past), frames, whole);
        first = past;
    }
    out.push_str("</svg>\n");
    out
}

/// Something that is shown from one frame until before another.
fn during(out: &mut String, shown: &str, (first, past): (usize, usize), frames: &[Frame], whole: f32) {
    let at = |frame: usize| frames[..frame].iter().map(|frame| frame.seconds).sum::<f32>() / whole;
    let (from, to) = (at(first), at(past));
    if past - first == frames.len() {
        out.push_str(shown);
        return;
    }
    let (times, values) = match (first, past == frames.len()) {
        (0, _) => (format!("0;{to:.4}"), "visible;hidden"),
        (_, true) => (format!("0;{from:.4}"), "hidden;visible"),
        _ => (format!("0;{from:.4};{to:.4}"), "hidden;visible;hidden"),
    };
    let hidden = if first == 0 { "" } else { " visibility=\"hidden\"" };
    let _ = writeln!(
        out,
        "<g{hidden}><animate attributeName=\"visibility\" calcMode=\"discrete\" dur=\"{whole:.1}s\" \
         repeatCount=\"indefinite\" keyTimes=\"{times}\" values=\"{values}\"/>"
    );
    out.push_str(shown);
    out.push_str("</g>\n");
}

fn drawn(line: Option<&Vec<Cell>>, top: f32, palette: &Palette) -> String {
    let mut out = String::new();
    if let Some(line) = line {
        runs(&mut out, line, top, palette);
    }
    out
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn runs(out: &mut String, line: &[Cell], top: f32, palette: &Palette) {
    let mut begin = 0;
    while begin < line.len() {
        let (front, back, bold) = look(&line[begin], palette);
        let is_alike = |cell: &&Cell| look(cell, palette) == (front.clone(), back.clone(), bold);
        let alike = line[begin..].iter().take_while(is_alike).count();
        let (left, width) = (8.0 + begin as f32 * WIDE, alike as f32 * WIDE);
        if back != palette.back {
            let _ = writeln!(
                out,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{HIGH}\" fill=\"{back}\"/>"
            );
        }
        let cells = &line[begin..begin + alike];
        let blank = |cell: &Cell| cell.contents().trim().is_empty();
        let last = cells.iter().rposition(|cell| !blank(cell)).map_or(0, |at| at + 1);
        let first = cells.iter().position(|cell| !blank(cell)).unwrap_or(0);
        if last > first {
            let shown: String = cells[first..last]
                .iter()
                .map(|cell| if cell.contents().is_empty() { " " } else { cell.contents() })
                .collect();
            let (left, length) = (left + first as f32 * WIDE, shown.chars().count() as f32 * WIDE);
            let words = escaped(&shown);
            let weight = if bold { " font-weight=\"bold\"" } else { "" };
            let _ = writeln!(
                out,
                "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
                 fill=\"{front}\"{weight} xml:space=\"preserve\">{words}</text>",
                top + HIGH - 4.5
            );
        }
        begin += alike;
    }
}
