//! A launcher describes its questions as data; the screens and the command line render them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::base::error::{Error, Result};

/// What sort of answer a field takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// Free text, one line.
    Text,
    /// Words as a shell would split them: `--flag "two words"`.
    Words,
    /// Yes or no.
    Flag,
    /// One of these.
    Choice(Vec<String>),
    /// A whole number within bounds.
    Number { least: u64, most: u64 },
    /// A size like `512M` or `2G`; empty means no limit.
    Size,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The key in `--set KEY=VALUE`.
    pub key: &'static str,
    /// The label on the form.
    pub label: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// What sort of answer.
    pub kind: FieldKind,
    /// The answer when nothing is said: the careful one.
    pub default: String,
}

impl Field {
    /// A field with these words.
    pub fn new(
        key: &'static str,
        label: &'static str,
        help: &'static str,
        kind: FieldKind,
        default: impl Into<String>,
    ) -> Self {
        Self { key, label, help, kind, default: default.into() }
    }

    /// Why `answer` does not fit, if it does not.
    pub fn refuse(&self, answer: &str) -> Option<String> {
        match &self.kind {
            FieldKind::Text => {
                answer.chars().any(char::is_control).then(|| "control characters are not allowed".into())
            }
            FieldKind::Words => split_words(answer).err(),
            FieldKind::Flag => (!matches!(answer, "yes" | "no")).then(|| "answer yes or no".into()),
            FieldKind::Choice(options) => (!options.iter().any(|option| option == answer))
                .then(|| format!("choose one of {}", options.join(", "))),
            FieldKind::Number { least, most } => match answer.parse::<u64>() {
                Ok(number) if (*least..=*most).contains(&number) => None,
                _ => Some(format!("a whole number from {least} to {most}")),
            },
            FieldKind::Size => {
                (!answer.is_empty() && parse_size(answer).is_none()).then(|| "a size like 512M or 2G".into())
            }
        }
    }
}

/// A launcher's questions, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Form {
    /// The questions.
    pub fields: Vec<Field>,
}

/// Answers by key. Keys that the form does not have are errors, not ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers(pub BTreeMap<String, String>);

impl Answers {
    /// The answer, or empty.
    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// Whether a flag is on.
    pub fn is(&self, key: &str) -> bool {
        self.get(key) == "yes"
    }

    /// A size in bytes; `None` when empty.
    pub fn size(&self, key: &str) -> Option<u64> {
        parse_size(self.get(key))
    }

    /// An answer split into words.
    pub fn words(&self, key: &str) -> Vec<String> {
        split_words(self.get(key)).unwrap_or_default()
    }
}

impl Form {
    /// The form's own defaults.
    pub fn defaults(&self) -> Answers {
        Answers(self.fields.iter().map(|field| (field.key.to_owned(), field.default.clone())).collect())
    }

    /// The field with this key.
    pub fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// Fills in defaults and checks every answer; the first that does not fit is the error.
    pub fn check(&self, given: &Answers) -> Result<Answers> {
        let mut answers = self.defaults();
        for (key, value) in &given.0 {
            let Some(field) = self.field(key) else {
                let known: Vec<_> = self.fields.iter().map(|field| field.key).collect();
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

/// Bytes of `512M`, `2G`, `2GiB`, `1024`; binary units.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text.get(..digits)?.parse().ok()?;
    let shift = match text.get(digits..)?.trim().to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// Splits at white space, honouring single and double quotes and backslashes. Nothing is expanded.
///
/// ```
/// use wharf::core::launch::form::split_words;
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

/// The words as one line that `split_words` reads back.
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
        Form {
            fields: vec![
                Field::new("memory", "Memory", "like 2G", FieldKind::Size, "1G"),
                Field::new("network", "Network", "", FieldKind::Choice(vec!["none".into(), "bridge".into()]), "bridge"),
                Field::new("tty", "Terminal", "", FieldKind::Flag, "no"),
            ],
        }
    }

    #[test]
    fn unknown_keys_and_bad_values_are_named() {
        let answer = |key: &str, value: &str| Answers([(key.to_owned(), value.to_owned())].into());
        assert!(form().check(&answer("colour", "red")).unwrap_err().to_string().contains("memory, network, tty"));
        assert!(form().check(&answer("memory", "lots")).unwrap_err().to_string().contains("512M"));
        assert!(form().check(&answer("network", "host")).is_err());
        assert_eq!(form().check(&answer("tty", "yes")).unwrap().get("memory"), "1G");
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(parse_size("2G"), Some(2 << 30));
        assert_eq!(parse_size("512 MiB"), Some(512 << 20));
        assert_eq!(parse_size("12 parsec"), None);
        assert_eq!(parse_size("99999999999999T"), None);
    }

    proptest::proptest! {
        #[test]
        fn joined_words_split_back(words in proptest::collection::vec("\\PC{0,12}", 0..6)) {
            proptest::prop_assert_eq!(split_words(&join_words(&words)).unwrap(), words);
        }
    }
}
