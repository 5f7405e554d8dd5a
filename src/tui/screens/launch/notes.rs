//! What is good to know beside a question: what is free, what the image says, which answers there are.

use super::Page;
use wharf_core::{
    base::clean,
    image::model::shown,
    launch::{
        duration::format_duration,
        form::{Field, FieldKind, join_words},
    },
};

/// A number from which bounds tell nothing.
const NO_BOUND: u64 = 100_000;

impl Page {
    /// What is good to know beside a question; empty if there is nothing.
    pub(super) fn note(&self, field: &Field) -> String {
        if let Some(words) = self.image_says(field) {
            return format!("the image: {words}");
        }
        if let Some(words) = self.free(field) {
            return words;
        }
        match &field.kind {
            FieldKind::Number { least, most } if *most < NO_BOUND => format!("{least} to {most}"),
            FieldKind::Duration { most, .. } => format!("at most {}", format_duration(*most)),
            _ => String::new(),
        }
    }

    /// What the image says to a question that has no answer.
    fn image_says(&self, field: &Field) -> Option<String> {
        if !self.answer(field).is_empty() {
            return None;
        }
        let config = &self.image.config;
        let words = match field.key {
            "command" => {
                let all = [shown(&config.entrypoint), shown(&config.command)].concat();
                if all.is_empty() {
                    return None;
                }
                let none = if config.entrypoint.is_empty() || !config.command.is_empty() { "" } else { " without any" };
                format!("{}{none}", join_words(&all))
            }
            "user" => config.user_words(),
            _ => return None,
        };
        Some(clean::short(&words, 200))
    }

    /// How much there is of what a question is about, as far as the backend tells it.
    fn free(&self, field: &Field) -> Option<String> {
        let resource = match field.key {
            "memory" => "memory",
            "cpus" => "processors",
            _ => return None,
        };
        let room = self.form.as_ref()?.room.iter().find(|room| room.label == resource)?;
        Some(match room.share() {
            Some(_) => clean::short(&room.describe(), 60),
            None => format!("of {}", clean::short(&room.describe(), 60)),
        })
    }

    /// The other values of a question with a choice, the next one first.
    pub(super) fn others(&self, field: &Field) -> Vec<String> {
        let options = match &field.kind {
            FieldKind::Flag => vec!["no".to_owned(), "yes".to_owned()],
            FieldKind::Choice(options) => options.clone(),
            _ => return Vec::new(),
        };
        let now = self.answer(field);
        after(&options, &now)
    }

    /// The backends besides the chosen one, the next one first; those that cannot launch such an image are left out.
    pub(super) fn other_backends(&self) -> Vec<String> {
        let able = self.backends.iter().enumerate().filter(|(at, _)| !self.refusing.contains(at));
        let able: Vec<String> = able.map(|(_, name)| name.clone()).collect();
        after(&able, &self.backend_name())
    }
}

/// The options without the present one, from that on.
fn after(options: &[String], now: &str) -> Vec<String> {
    let at = options.iter().position(|option| option == now).map_or(0, |at| at + 1);
    let (before, after) = options.split_at(at.min(options.len()));
    after.iter().chain(before).filter(|option| *option != now).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_values_begin_with_the_next_one() {
        let options = ["private", "none", "host"].map(str::to_owned);
        assert_eq!(after(&options, "none"), ["host", "private"]);
        assert_eq!(after(&options, "host"), ["private", "none"]);
        assert_eq!(after(&options, "odd"), ["private", "none", "host"]);
    }
}
