//! Answers about an image: its page, its evidence, its link.

use crate::{
    flows::{share, upkeep},
    kit::action::Action,
    msg::{Effect, ImageNews, LinkWish},
    popups::Popup,
    state::{Screen, State},
};
use wharf_core::{base::text, portal::evidence::Verified};

/// Handles news of images.
pub(super) fn arrived(state: &mut State, news: ImageNews) -> Vec<Effect> {
    match news {
        ImageNews::Image(result) => {
            if let Some(page) = topmost!(state, Screen::Image) {
                let effects = page.arrived(*result);
                find_copies(state);
                return effects;
            }
        }
        ImageNews::Instead(words) => state.say(words),
        ImageNews::Remembered(link, proof, known) => {
            if let Some(page) = topmost!(state, Screen::Image) {
                page.remember(&link, proof.as_ref(), known.as_deref());
            }
        }
        ImageNews::Opened(result) => {
            if let Some(page) = topmost!(state, Screen::Image) {
                let effects = match *result {
                    Ok(opened) => page.open_from_link(opened),
                    Err(error) => page.arrived(Err(error)),
                };
                find_copies(state);
                return effects;
            }
        }
        ImageNews::Tags(result) => {
            if let Some(page) = topmost!(state, Screen::Image) {
                // The newest tags are what people look for, so they come first.
                page.tags = Some(result.map(|tags| tags.into_iter().rev().collect()));
            }
        }
        ImageNews::Version(version, marks) => {
            if let Some(page) = topmost!(state, Screen::Image) {
                if let (Some(digest), Some(marks)) = (&version.digest, marks) {
                    page.version_marks.insert(digest.clone(), marks);
                }
                page.versions.retain(|known| known.tag != version.tag);
                page.versions.push(version);
            }
        }
        ImageNews::Explained(result) => match *result {
            Ok(verified) => {
                mark(state, &verified);
                let text = verified.explain(state.now);
                state.open_unasked(Popup::text("Why", text));
            }
            Err(error) => state.fail(&error),
        },
        ImageNews::Verified(result) => {
            if let Ok(verified) = &*result {
                mark(state, verified);
            }
            let (now, key) = (state.now, state.keymap.label("global", Action::Sources));
            if let Some(page) = topmost!(state, Screen::Image)
                && page.judged(*result)
            {
                let words = page.checked_words(now, &key);
                state.say(words);
            }
        }
        ImageNews::Mends { digest, mends, allowed } => {
            if let Some(page) = topmost!(state, Screen::Image) {
                page.mended_by(&digest, mends, allowed.map(|allowed| *allowed));
            }
        }
        ImageNews::AboutFindings(manifest, about) => {
            if let Some(page) = topmost!(state, Screen::Image) {
                page.besides_read(&manifest, about);
            }
        }
        ImageNews::Compared(result) => match *result {
            Ok(diff) => {
                state.open_unasked(Popup::text("Compared", diff.describe()));
            }
            Err(error) => state.fail(&error),
        },
        ImageNews::Link(wish, answer) if share::waits_for_link(state, &wish) => share::link_made(state, answer),
        ImageNews::Link(wish, Ok((link, code))) => return link_made(state, wish, &link.to_string(), code),
        ImageNews::Link(_, Err(error)) => state.fail(&error),
        ImageNews::Removals(targets, answers) => upkeep::removals_described(state, &targets, answers),
    }
    Vec::new()
}

/// The page of an image is told which sources have the same digest, as far as their lists tell.
pub(super) fn find_copies(state: &mut State) {
    let Screen::Image(page) = state.screen() else { return };
    let Some(pinned) = page.image.as_ref().and_then(|image| image.pinned.as_ref()) else { return };
    let found = state.catalog.also_in("", pinned.digest.as_str());
    if let Some(page) = topmost!(state, Screen::Image) {
        page.also_in = found;
    }
}

/// Shows a link that was made, with its QR code if there is room, and copies the link.
fn link_made(state: &mut State, wish: LinkWish, link: &str, code: String) -> Vec<Effect> {
    // A QR code that is cut cannot be scanned.
    let (lines, columns) = (code.lines().count(), code.lines().map(|line| line.chars().count()).max().unwrap_or(0));
    let around = link.chars().count().div_ceil(usize::from(state.size.0.clamp(30, 110)).saturating_sub(4))
        + 5
        + 2 * usize::from(wish.until.is_some());
    let fits = lines + around <= usize::from(state.size.1) && columns + 4 <= usize::from(state.size.0);
    let code = if fits {
        code
    } else {
        format!(
            "Its QR code needs a terminal of {} lines and {} columns: make it larger, then {} again.",
            lines + around,
            columns + 4,
            state.keymap.label("image", Action::Link),
        )
    };
    let end = wish.until.map(|until| format!("It is good until {}.\n\n", text::timestamp(until)));
    let end = end.unwrap_or_default();
    state.open_unasked(Popup::Text {
        title: "Link, copied where the terminal allows it".into(),
        text: format!("{link}\n\n{end}{code}"),
        copy: Some(link.to_owned()),
        top: 0,
        link: Some(wish),
    });
    vec![Effect::Copy(link.to_owned())]
}

/// The list shows what was learnt of an image, too.
fn mark(state: &mut State, verified: &Verified) {
    let (marks, brief) = (verified.marks(state.now), verified.brief(state.now));
    state.catalog.marked_as(&verified.subject, marks, brief);
    state.catalog.narrow_by_marks();
}
