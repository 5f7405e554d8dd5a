//! The part of the folder's lock file in a launch screen: which bytes are launched, and the choice of those of today.

use ratatui::text::Line;

use crate::{kit::theme::Theme, msg::LockWish};
use wharf_core::{
    base::{clean, error::Error},
    image::model::Image,
    launch::lock::LockedHere,
};

/// What the lock file of this folder says about the image, and what the person wants.
#[derive(Debug, Default)]
pub(super) struct Lock {
    /// Whether the person wants what the name means now, whatever the file says.
    pub is_left: bool,
    /// The platform that the person has chosen.
    pub platform: Option<String>,
    /// What the file names.
    pub named: Named,
}

/// What the file names.
#[derive(Debug, Default)]
pub(super) enum Named {
    /// Nothing, or it is not asked: a launch that is made again has its bytes.
    #[default]
    Nothing,
    /// It was not read yet.
    Unread,
    /// It cannot be used.
    Refused(Error),
    /// These bytes; with the image that the name means now.
    Bytes(Box<LockedHere>, Box<Image>),
}

impl Lock {
    /// What is to be read before a form is asked for, if anything.
    pub(super) fn wish(&self) -> Option<LockWish> {
        let open = matches!(self.named, Named::Unread | Named::Refused(_));
        (open && !self.is_left).then(|| LockWish { platform: self.platform.clone() })
    }

    /// Whether there is a choice: the file names the image, or cannot be read.
    pub(super) fn is_shown(&self) -> bool {
        matches!(self.named, Named::Refused(_) | Named::Bytes(..))
    }

    /// The choice that was made, and the other one.
    pub(super) fn choice(&self) -> (&'static str, &'static str) {
        let (locked, now) = ("as in wharf.lock", "as it is now");
        if self.is_left { (now, locked) } else { (locked, now) }
    }

    /// Which bytes are launched, in words for the plan; no lines where there is no choice.
    pub(super) fn lines(&self, theme: &Theme) -> Vec<Line<'static>> {
        let (sign, role, words) = match &self.named {
            Named::Nothing | Named::Unread => return Vec::new(),
            Named::Refused(_) if !self.is_left => return Vec::new(),
            Named::Refused(error) => ("!", "caution", format!("the lock file here is not used: {}", error.why)),
            Named::Bytes(here, now) => {
                let words = here.words(now.pinned.as_ref().map(|pinned| &pinned.digest));
                if self.is_left { ("!", "caution", format!("not {words}")) } else { (" ", "text", words) }
            }
        };
        let of = |(number, part): (usize, &str)| {
            let sign = if number == 0 { sign } else { " " };
            Line::styled(format!(" {sign} {}", clean::line(part)), theme.style(role))
        };
        // The tag has a line of its own: it is what differs from what the person has chosen.
        words.split("; ").enumerate().map(of).collect()
    }
}
