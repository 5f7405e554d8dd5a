//! A launcher describes its questions as data; the screens and the command line show them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::mount::Mount;
use super::{
    duration::{self, format_duration, parse_duration},
    isolation::{self, Isolation},
    room::{Gate, OfferedPreset, Room},
};
use crate::base::{
    error::{Error, Result},
    text::parse_bytes,
};

/// What sort of answer a field takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// Free text, one line.
    Text,
    /// Free text of several lines, for an editor.
    Lines,
    /// Words as a shell would split them: `--flag "two words"`.
    Words,
    /// Words of the form `NAME=value`, each name once.
    Variables,
    /// Words of the form `/host:/inside[:rw]`, each path inside once.
    Mounts,
    /// A switch, answered `yes` or `no`.
    Flag,
    /// One of these words.
    Choice(Vec<String>),
    /// A whole number from `least` to `most`.
    Number { least: u64, most: u64 },
    /// A size like `512M` or `2G`; empty means no limit.
    Bytes,
    /// A time span within bounds, in seconds, as [`parse_duration`] reads it; empty means the backend's own default.
    Duration { least: u64, most: u64 },
}

/// The answer to another question with which a question is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AskedWith {
    /// The key of the other question.
    pub key: &'static str,
    /// The answers to it, one of which must be given.
    pub answers: Vec<String>,
}

/// One question of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The key in `--set KEY=VALUE`.
    pub key: &'static str,
    /// The label on the form.
    pub label: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// The type of the answer.
    pub kind: FieldKind,
    /// The answer if none is given: the careful one.
    pub default: String,
    /// With which answer it is asked; `None` if always. Otherwise its answer is left out, or its default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_with: Option<AskedWith>,
}

impl Field {
    /// A field of these parts, whose default is `default`.
    pub fn new(
        key: &'static str,
        label: &'static str,
        help: &'static str,
        kind: FieldKind,
        default: impl Into<String>,
    ) -> Self {
        Self { key, label, help, kind, default: default.into(), asked_with: None }
    }

    /// Whether it is asked in this form with these answers; what they leave out has its default.
    pub fn is_asked(&self, form: &Form, answers: &Answers) -> bool {
        self.asked_with.as_ref().is_none_or(|with| {
            let default = form.field(with.key).map(|field| &field.default);
            answers.0.get(with.key).or(default).is_some_and(|answer| with.answers.contains(answer))
        })
    }

    /// Whether the answer is typed rather than chosen from a list.
    pub fn is_typed(&self) -> bool {
        !matches!(self.kind, FieldKind::Flag | FieldKind::Choice(_) | FieldKind::Lines)
    }

    /// Why `answer` is not valid, in words; `None` if it is.
    pub fn refuse(&self, answer: &str) -> Option<String> {
        match &self.kind {
            FieldKind::Text => {
                answer.chars().any(char::is_control).then(|| "control characters are not allowed".into())
            }
            FieldKind::Lines => {
                let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
                answer
                    .chars()
                    .any(odd)
                    .then(|| "control characters other than tabs and line breaks are not allowed".into())
            }
            FieldKind::Words => split_words(answer).err(),
            FieldKind::Variables => refuse_variables(answer),
            FieldKind::Mounts => refuse_mounts(answer),
            FieldKind::Flag => (!matches!(answer, "yes" | "no")).then(|| "answer yes or no".into()),
            FieldKind::Choice(options) => (!options.iter().any(|option| option == answer))
                .then(|| format!("choose one of {}", options.join(", "))),
            FieldKind::Number { least, most } => match answer.parse::<u64>() {
                Ok(number) if (*least..=*most).contains(&number) => None,
                _ => Some(format!("a whole number from {least} to {most}")),
            },
            FieldKind::Bytes => match parse_bytes(answer) {
                _ if answer.is_empty() => None,
                // Zero is no limit to some and none at all to others.
                Some(0) => Some("a size above zero; leave it empty for no limit".into()),
                Some(_) => None,
                None => Some("a size like 512M or 2G".into()),
            },
            FieldKind::Duration { .. } if answer.is_empty() => None,
            FieldKind::Duration { least, most } => match parse_duration(answer) {
                Some(seconds) if (*least..=*most).contains(&seconds) => None,
                Some(_) => Some(format!("a time from {} to {}", format_duration(*least), format_duration(*most))),
                None => Some(duration::WRITTEN.into()),
            },
        }
    }
}

/// Why an answer is not words as a shell splits them, or why the first that `refuse` does not take is refused.
fn refuse_words(answer: &str, refuse: impl FnMut(&String) -> Option<String>) -> Option<String> {
    split_words(answer).map_or_else(Some, |words| words.iter().find_map(refuse))
}

/// Why these are no environment variables, if they are not.
fn refuse_variables(answer: &str) -> Option<String> {
    let mut seen = BTreeSet::new();
    refuse_words(answer, |word| match word.split_once('=') {
        Some(("", _)) => Some(format!("'{word}' has no name before its '='")),
        Some((name, _)) if !seen.insert(name.to_owned()) => Some(format!("{name} is set twice")),
        Some(_) => None,
        None => Some(format!("'{word}' is no NAME=value")),
    })
}

/// Why these are no mounts, if they are not.
fn refuse_mounts(answer: &str) -> Option<String> {
    let mut seen = BTreeSet::new();
    refuse_words(answer, |word| match Mount::parse(word) {
        Ok(mount) => {
            let inside = mount.inside.display().to_string();
            (!seen.insert(mount.inside)).then(|| format!("two mounts are at {inside}"))
        }
        Err(error) => Some(format!("{}: {}; {}", error.what, error.why, error.hint)),
    })
}

/// Questions that belong together, under a title.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What the questions are about, in a word or two; unique within a form.
    pub title: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Whether only the title is shown at first, because most people keep the defaults.
    pub folded: bool,
    /// The questions, in order.
    pub fields: Vec<Field>,
}

impl Section {
    /// A section whose questions are shown.
    pub fn new(title: &'static str, help: &'static str, fields: Vec<Field>) -> Self {
        Self { title, help, folded: false, fields }
    }

    /// The same section, showing only its title at first.
    #[must_use]
    pub fn folded(self) -> Self {
        Self { folded: true, ..self }
    }

    /// The answers that differ from the defaults, in words: `User 1000, Terminal yes`; empty if none does.
    pub fn changes(&self, answers: &Answers) -> String {
        let given = self.fields.iter().filter_map(|field| Some((field, answers.0.get(field.key)?)));
        let changed = given.filter(|(field, answer)| **answer != field.default);
        let words = changed.map(|(field, answer)| {
            let answer = if answer.is_empty() { "–" } else { answer.as_str() };
            format!("{} {answer}", field.label)
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

/// A launcher's questions, with the free capacity and the policy's gate beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Form {
    /// The questions, the common ones first.
    pub sections: Vec<Section>,
    /// The free capacity of the backend, as far as it is known without delay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub room: Vec<Room>,
    /// Whether a launch has root rights on the host, or requires them of the person; the gate depends on it.
    pub privileged: bool,
    /// The isolation of every launch where there is no question about it.
    pub isolation: Isolation,
    /// Whether a person may add lines to the text of its plans.
    pub editable: bool,
    /// The policy's gate between the image and a launch; the core fills it in, not a backend.
    pub gate: Option<Gate>,
    /// The presets for this image on this backend; the core fills them in, not a backend.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub presets: Vec<OfferedPreset>,
}

/// Answers by key. Keys that the form does not have are errors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers(pub BTreeMap<String, String>);

impl Answers {
    /// The answer to a question; empty if there is none.
    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// Whether a flag is answered `yes`.
    pub fn is(&self, key: &str) -> bool {
        self.get(key) == "yes"
    }

    /// A size in bytes; `None` when empty.
    pub fn bytes(&self, key: &str) -> Option<u64> {
        parse_bytes(self.get(key))
    }

    /// A time span in seconds; `None` when empty.
    pub fn duration(&self, key: &str) -> Option<u64> {
        parse_duration(self.get(key))
    }

    /// An answer split into words.
    pub fn split_words(&self, key: &str) -> Vec<String> {
        split_words(self.get(key)).unwrap_or_default()
    }
}

impl Form {
    /// A form of these sections.
    pub fn new(sections: Vec<Section>) -> Self {
        Self { sections, ..Self::default() }
    }

    /// All fields of all sections, in order.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.sections.iter().flat_map(|section| &section.fields)
    }

    /// The default of every field.
    pub fn defaults(&self) -> Answers {
        Answers(self.fields().map(|field| (field.key.to_owned(), field.default.clone())).collect())
    }

    /// The field with this key.
    pub fn field(&self, key: &str) -> Option<&Field> {
        self.fields().find(|field| field.key == key)
    }

    /// The isolation of a launch with these answers; missing ones are the defaults.
    pub fn isolation_of(&self, answers: &Answers) -> Isolation {
        let Some(field) = self.field(isolation::KEY) else { return self.isolation };
        let answer = answers.0.get(isolation::KEY).unwrap_or(&field.default);
        Isolation::from_name(answer).unwrap_or_default()
    }

    /// Makes the weakest isolation that is at least `least` the default, where the backend offers one. A default that is
    /// strong enough stays.
    pub fn demand(&mut self, least: Isolation) {
        let fields = self.sections.iter_mut().flat_map(|section| &mut section.fields);
        for field in fields.filter(|field| field.key == isolation::KEY) {
            let FieldKind::Choice(offered) = &field.kind else { continue };
            if Isolation::from_name(&field.default).is_some_and(|level| level >= least) {
                continue;
            }
            let levels = offered.iter().filter_map(|word| Isolation::from_name(word));
            if let Some(level) = levels.filter(|level| *level >= least).min() {
                level.name().clone_into(&mut field.default);
            }
        }
    }

    /// The answers that this form does not take, by key, with the reason of each.
    pub fn not_taken(&self, given: &Answers) -> Vec<(String, String)> {
        let refused = given.0.iter().filter_map(|(key, value)| {
            let why = match self.field(key) {
                Some(field) => field.refuse(value)?,
                None => "this backend does not ask for it".to_owned(),
            };
            Some((key.clone(), why))
        });
        refused.collect()
    }

    /// Fills in defaults and checks every answer.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::base::error::Kind::Usage) for the first answer that is not valid.
    pub fn check(&self, given: &Answers) -> Result<Answers> {
        let mut answers = self.defaults();
        for (key, value) in &given.0 {
            let Some(field) = self.field(key) else {
                let known: Vec<_> = self.fields().map(|field| field.key).collect();
                return Err(Error::usage(format!("setting '{key}'"), "this backend does not ask for it")
                    .hint(format!("it asks for {}", known.join(", "))));
            };
            if let Some(why) = field.refuse(value) {
                return Err(Error::usage(format!("setting '{key}'"), why).hint(field.help));
            }
            answers.0.insert(key.clone(), value.clone());
        }
        Ok(answers)
    }
}

/// Splits text at white space as a shell does, with single and double quotes and backslashes. Nothing is expanded.
///
/// ```
/// use wharf_core::launch::form::split_words;
///
/// assert_eq!(split_words("run --name 'two words'").unwrap(), ["run", "--name", "two words"]);
/// assert!(split_words("an 'open quote").is_err());
/// ```
pub fn split_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => {
                word.get_or_insert_default().push(chars.next().ok_or("a backslash at the end")?)
            }
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".into());
    }
    words.extend(word);
    Ok(words)
}

/// Joins words into one line that [`split_words`] splits back into the same words.
pub fn join_words(words: &[String]) -> String {
    let quoted = |word: &String| {
        let safe = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-=:@,+%".contains(c));
        if safe { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        let walltime = FieldKind::Duration { least: 60, most: 2 * 24 * 3600 };
        let choice = FieldKind::Choice(vec!["none".into(), "bridge".into()]);
        Form::new(vec![
            Section::new("Basics", "", vec![Field::new("memory", "Memory", "like 2G", FieldKind::Bytes, "1G")]),
            Section::new(
                "Rest",
                "",
                vec![
                    Field::new("network", "Network", "", choice, "bridge"),
                    Field::new("tty", "Terminal", "", FieldKind::Flag, "no"),
                    Field::new("walltime", "Time", "", walltime, ""),
                ],
            )
            .folded(),
        ])
    }

    #[test]
    fn unknown_keys_and_bad_values_are_named() {
        let answer = |key: &str, value: &str| Answers([(key.to_owned(), value.to_owned())].into());
        assert!(
            form().check(&answer("colour", "red")).unwrap_err().to_string().contains("memory, network, tty, walltime")
        );
        assert!(form().check(&answer("memory", "lots")).unwrap_err().to_string().contains("512M"));
        assert!(form().check(&answer("network", "host")).is_err());
        assert_eq!(form().check(&answer("tty", "yes")).unwrap().get("memory"), "1G");
        let why = |time: &str| form().check(&answer("walltime", time)).unwrap_err().to_string();
        assert!(why("3d").contains("from 00:01:00 to 2-00:00:00"), "{}", why("3d"));
        assert!(why("soon").contains("1-12:00:00"));
        assert_eq!(form().check(&answer("walltime", "1-12")).unwrap().duration("walltime"), Some(36 * 3600));
        assert_eq!(form().check(&answer("walltime", "")).unwrap().duration("walltime"), None);
    }

    #[test]
    fn a_section_tells_what_is_answered_otherwise() {
        let form = form();
        let mut answers = form.defaults();
        assert_eq!(form.sections[1].changes(&answers), "");
        answers.0.insert("tty".to_owned(), "yes".to_owned());
        assert_eq!(form.sections[1].changes(&answers), "Terminal yes");
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(parse_bytes("2G"), Some(2 << 30));
        assert_eq!(parse_bytes("512 MiB"), Some(512 << 20));
        assert_eq!(parse_bytes("12 parsec"), None);
        assert_eq!(parse_bytes("2P"), None);
        assert_eq!(parse_bytes("99999999999999T"), None);
    }

    proptest::proptest! {
        #[test]
        fn joined_words_split_back(words in proptest::collection::vec("\\PC{0,12}", 0..6)) {
            proptest::prop_assert_eq!(split_words(&join_words(&words)).unwrap(), words);
        }
    }

    #[test]
    fn variables_mounts_and_sizes_are_refused_before_anything_is_sent() {
        let field = |kind| Field::new("x", "X", "", kind, "");
        let variables = field(FieldKind::Variables);
        assert_eq!(variables.refuse("A=1 B='two words' C="), None);
        for (answer, why) in [("A", "no NAME=value"), ("=x", "no name"), ("A=1 A=2", "A is set twice"), ("'a", "quote")]
        {
            assert!(variables.refuse(answer).is_some_and(|said| said.contains(why)), "{answer}");
        }
        let mounts = field(FieldKind::Mounts);
        assert_eq!(mounts.refuse("/a:/b /c:/d:rw"), None);
        for answer in ["/a", "a:/b", "/a:b", "/a:/", "/a:/b/../c", "/a:/b:rwx", "/a:/x /b:/x"] {
            assert!(mounts.refuse(answer).is_some(), "{answer}");
        }
        let size = field(FieldKind::Bytes);
        assert_eq!((size.refuse(""), size.refuse("2G")), (None, None));
        assert!(size.refuse("0").is_some() && size.refuse("0G").is_some() && size.refuse("99999999999T").is_some());
    }
}
