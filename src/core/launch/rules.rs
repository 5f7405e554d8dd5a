//! What a site says of the forms of backends: fields that are hidden, fixed, bounded, or have another default.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    duration::parse_duration,
    form::{Answers, Field, FieldKind, Form},
};
use crate::base::{
    error::{Error, Result},
    text::parse_bytes,
};

/// A value as it is written in a file: a text, a number, or true and false for yes and no.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "String")]
pub struct Value(pub String);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Switch(bool),
    Number(u64),
    Text(String),
}

impl From<Written> for Value {
    fn from(written: Written) -> Self {
        Self(match written {
            Written::Switch(on) => if on { "yes" } else { "no" }.to_owned(),
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        })
    }
}

impl From<Value> for String {
    fn from(value: Value) -> Self {
        value.0
    }
}

/// What is said of one field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FieldRule {
    /// Whether the form does not show it: it has its fixed value, or its default.
    pub hide: bool,
    /// The only answer.
    pub fixed: Option<Value>,
    /// The answer if none is given.
    pub default: Option<Value>,
    /// The least number, size or time.
    pub least: Option<Value>,
    /// The largest number, size or time. No limit is then no answer.
    pub most: Option<Value>,
    /// Of a choice, the words that may be chosen.
    pub only: Vec<Value>,
}

/// What is said of the form of one backend: an entry `[[form]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormRules {
    /// The name of the backend.
    pub backend: String,
    /// The rules by the field's key.
    #[serde(default)]
    pub field: BTreeMap<String, FieldRule>,
    /// The file and the line of the entry.
    #[serde(skip)]
    pub origin: String,
}

impl FieldRule {
    /// What contradicts itself in the rule, in words.
    pub fn mistake(&self) -> Option<&'static str> {
        match () {
            () if self.fixed.is_some() && (self.default.is_some() || self.least.is_some() || self.most.is_some()) => {
                Some("what is fixed has no default and no bounds")
            }
            () if self.fixed.is_some() && !self.only.is_empty() => Some("what is fixed has no choice"),
            () if *self == Self::default() => Some("it says nothing: write hide, fixed, default, least, most or only"),
            () => None,
        }
    }

    /// Changes a field as the rule says. Fails with the reason, in words, where the rule does not fit the field.
    fn apply(&self, field: &mut Field) -> Result<(), String> {
        if !self.only.is_empty() {
            let FieldKind::Choice(options) = &mut field.kind else {
                return Err("only: it is no choice".to_owned());
            };
            options.retain(|option| self.only.iter().any(|only| only.0 == *option));
            let Some(first) = options.first() else { return Err("only: none of these can be chosen".to_owned()) };
            if !options.contains(&field.default) {
                field.default.clone_from(first);
            }
        }
        self.bound(field)?;
        for (name, value) in [("fixed", &self.fixed), ("default", &self.default)] {
            let Some(Value(value)) = value else { continue };
            if let Some(why) = field.refuse(value).or_else(|| self.refuse(&field.kind, value)) {
                return Err(format!("{name}: {why}"));
            }
            field.default.clone_from(value);
        }
        if let Some(Value(fixed)) = &self.fixed {
            field.kind = FieldKind::Choice(vec![fixed.clone()]);
        } else if self.refuse(&field.kind, &field.default).is_some() {
            // The backend's own default is outside of the bounds.
            let within = self.most.as_ref().or(self.least.as_ref());
            field.default = within.map(|value| value.0.clone()).unwrap_or_default();
        }
        Ok(())
    }

    /// Narrows the bounds of a field that has some, and fails where a bound is none.
    fn bound(&self, field: &mut Field) -> Result<(), String> {
        let measure = |name: &str, value: &Option<Value>| match value {
            Some(Value(text)) => match measured(&field.kind, text) {
                Some(number) => Ok(Some(number)),
                None => Err(format!("{name}: '{text}' is no bound of this field")),
            },
            None => Ok(None),
        };
        let (low, high) = (measure("least", &self.least)?, measure("most", &self.most)?);
        if let FieldKind::Number { least, most } | FieldKind::Duration { least, most } = &mut field.kind {
            *least = low.map_or(*least, |low| low.max(*least));
            *most = high.map_or(*most, |high| high.min(*most));
            if least > most {
                return Err("least and most leave nothing".to_owned());
            }
        }
        Ok(())
    }

    /// Why the rule does not let this answer to a field of this kind pass, in words.
    fn refuse(&self, kind: &FieldKind, answer: &str) -> Option<String> {
        let bound = |value: &Option<Value>| value.as_ref().and_then(|value| measured(kind, &value.0));
        let given = measured(kind, answer);
        let words = |value: &Option<Value>| value.as_ref().map(|value| value.0.clone()).unwrap_or_default();
        match (&self.fixed, bound(&self.least), bound(&self.most)) {
            (Some(fixed), ..) => (fixed.0 != answer).then(|| format!("it is fixed to '{}'", fixed.0)),
            (_, Some(least), _) if given.is_none_or(|given| given < least) => {
                Some(format!("it is at least {}", words(&self.least)))
            }
            (_, _, Some(most)) if given.is_none_or(|given| given > most) => {
                Some(format!("it is at most {}", words(&self.most)))
            }
            _ => None,
        }
    }
}

/// The number that an answer to a field of this kind means; `None` where the kind has none, or for no answer.
fn measured(kind: &FieldKind, text: &str) -> Option<u64> {
    match kind {
        FieldKind::Number { .. } => text.parse().ok(),
        FieldKind::Bytes => parse_bytes(text),
        FieldKind::Duration { .. } => parse_duration(text),
        _ => None,
    }
}

/// The rules of all files, in their order: each holds, and a later one cannot loosen an earlier one.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a>(pub &'a [FormRules]);

impl<'a> Rules<'a> {
    /// The rules for the fields of a backend, each with its place in the files.
    fn of(self, backend: &'a str) -> impl Iterator<Item = (&'a str, &'a str, &'a FieldRule)> {
        let own = self.0.iter().filter(move |rules| rules.backend == backend);
        own.flat_map(|rules| rules.field.iter().map(|(key, rule)| (rules.origin.as_str(), key.as_str(), rule)))
    }

    /// Whether anything is said of a backend's form.
    pub fn say_something_of(self, backend: &'a str) -> bool {
        self.of(backend).next().is_some()
    }

    /// The form with all rules applied, hidden fields too.
    ///
    /// # Errors
    /// `Usage` with file and line, for a rule that does not fit the form, or that changes what an earlier one hides.
    pub fn whole(self, backend: &'a str, mut form: Form) -> Result<Form> {
        let mut hidden = BTreeSet::new();
        for (origin, key, rule) in self.of(backend) {
            let what = || format!("{origin}: form of '{backend}': {key}");
            let known = form.fields().map(|field| field.key).collect::<Vec<_>>().join(", ");
            let mut fields = form.sections.iter_mut().flat_map(|section| &mut section.fields);
            let Some(field) = fields.find(|field| field.key == key) else {
                return Err(
                    Error::usage(what(), "this backend does not ask for it").hint(format!("it asks for {known}"))
                );
            };
            let before = field.default.clone();
            rule.apply(field).map_err(|why| Error::usage(what(), why).hint("correct that line"))?;
            if hidden.contains(key) && field.default != before {
                let why = "a rule before it hides it, and sets what it is";
                return Err(Error::usage(what(), why).hint("remove that line"));
            }
            if rule.hide {
                hidden.insert(key);
            }
        }
        Ok(form)
    }

    /// The form of [`whole`](Self::whole) as people see it.
    #[must_use]
    pub fn shown(self, backend: &'a str, mut form: Form) -> Form {
        let hidden = |field: &Field| self.of(backend).any(|(_, key, rule)| rule.hide && key == field.key);
        for section in &mut form.sections {
            section.fields.retain(|field| !hidden(field));
        }
        form.sections.retain(|section| !section.fields.is_empty());
        // What would be added has no place then.
        let has_place = form.fields().any(|field| field.kind == FieldKind::Lines);
        form.editable &= has_place;
        form
    }

    /// The answers with which the backend plans: those given, and where rules say something of the others, theirs.
    ///
    /// # Errors
    /// `Usage` for an answer to a field that is hidden, or that a rule does not let pass.
    pub fn answers(self, backend: &'a str, form: Form, given: &Answers) -> Result<Answers> {
        let own = form.defaults();
        let form = self.whole(backend, form)?;
        let mut answers = given.clone();
        for (origin, key, rule) in self.of(backend) {
            let default = form.field(key).map(|field| field.default.clone()).unwrap_or_default();
            if let Some(answer) = given.0.get(key).filter(|answer| rule.hide && **answer != default) {
                return Err(Error::usage(format!("setting '{key}' to '{answer}'"), "it cannot be chosen here")
                    .hint(format!("{origin} sets it")));
            }
            if form.field(key).is_some_and(|field| !field.is_asked(&form, &answers)) {
                // What does not matter is not said; a form may have shown it nevertheless.
                if answers.0.get(key) == Some(&default) {
                    answers.0.remove(key);
                }
                continue;
            }
            // What the backend does by itself need not be said.
            if own.0.get(key) != Some(&default) {
                answers.0.entry(key.to_owned()).or_insert(default);
            }
        }
        self.check(backend, &form, &answers)?;
        Ok(answers)
    }

    /// Fails for the first answer that a rule does not let pass.
    ///
    /// # Errors
    /// `Usage` with the place of the rule.
    fn check(self, backend: &'a str, form: &Form, answers: &Answers) -> Result<()> {
        for (origin, key, rule) in self.of(backend) {
            let (Some(field), Some(answer)) = (form.field(key), answers.0.get(key)) else { continue };
            if let Some(why) = field.refuse(answer).or_else(|| rule.refuse(&field.kind, answer)) {
                return Err(
                    Error::usage(format!("setting '{key}' to '{answer}'"), why).hint(format!("{origin} says so"))
                );
            }
        }
        Ok(())
    }

    /// Fails where a plan was made with other answers than the rules let pass.
    ///
    /// # Errors
    /// `Usage` with the place of the rule.
    pub fn planned(self, backend: &'a str, form: Form, answers: &Answers) -> Result<()> {
        let form = self.whole(backend, form)?;
        self.check(backend, &form, answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::form::{AskedWith, Section};

    fn form() -> Form {
        let choice = FieldKind::Choice(vec!["short".into(), "debug".into()]);
        let fields = vec![
            Field::new("partition", "Partition", "", choice, "short"),
            Field::new("cpus", "Processors", "", FieldKind::Number { least: 1, most: 64 }, "2"),
            Field::new("memory", "Memory", "", FieldKind::Bytes, ""),
            Field::new("time", "Time", "", FieldKind::Duration { least: 60, most: 86400 }, ""),
        ];
        Form::new(vec![
            Section::new("Basics", "", fields),
            Section::new("Rest", "", vec![Field::new("tty", "Terminal", "", FieldKind::Flag, "no")]),
        ])
    }

    fn rules(text: &str) -> Vec<FormRules> {
        let mut rules: FormRules = toml::from_str(&format!("backend = \"slurm\"\n{text}")).unwrap();
        rules.origin = "site.toml:3".into();
        vec![rules]
    }

    fn given(pairs: &[(&str, &str)]) -> Answers {
        Answers(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_fixed_cannot_be_chosen_otherwise() {
        let rules = rules("field.partition = { fixed = \"debug\" }\nfield.tty = { hide = true }");
        let all = Rules(&rules);
        let shown = all.shown("slurm", all.whole("slurm", form()).unwrap());
        assert_eq!(shown.field("partition").unwrap().kind, FieldKind::Choice(vec!["debug".into()]));
        assert_eq!((shown.sections.len(), shown.defaults().get("partition")), (1, "debug"), "a hidden field is gone");
        let answers = |pairs: &[(&str, &str)]| all.answers("slurm", form(), &given(pairs));
        assert_eq!(
            answers(&[]).unwrap(),
            given(&[("partition", "debug")]),
            "what the backend does by itself is not said"
        );
        for (key, value) in [("partition", "short"), ("tty", "yes")] {
            let error = answers(&[(key, value)]).unwrap_err();
            assert!(error.hint.contains("site.toml:3"), "{error}");
        }
        assert!(all.planned("slurm", form(), &given(&[("partition", "short"), ("tty", "no")])).is_err());
        assert_eq!(Rules(&rules).whole("docker", form()).unwrap(), form(), "of another backend nothing is said");
    }

    #[test]
    fn bounds_hold_for_numbers_sizes_and_times_and_no_limit_is_none() {
        let rules = rules(
            "field.cpus = { most = 8 }\nfield.memory = { most = \"4G\", default = \"1G\" }\nfield.time = { most = \"2h\" }",
        );
        let all = Rules(&rules);
        let shown = all.shown("slurm", all.whole("slurm", form()).unwrap()).defaults();
        assert_eq!((shown.get("memory"), shown.get("time"), shown.get("cpus")), ("1G", "2h", "2"));
        let fits = |key: &str, value: &str| all.answers("slurm", form(), &given(&[(key, value)])).is_ok();
        for (key, value) in [("cpus", "8"), ("memory", "4096M"), ("time", "90m")] {
            assert!(fits(key, value), "{key}={value}");
        }
        for (key, value) in [("cpus", "9"), ("memory", "5G"), ("memory", ""), ("time", "3h"), ("time", "")] {
            assert!(!fits(key, value), "{key}={value}");
        }
    }

    #[test]
    fn a_later_rule_cannot_loosen_an_earlier_one() {
        let site = rules("field.partition = { fixed = \"debug\" }\nfield.cpus = { most = 4 }");
        let own = rules("field.cpus = { most = 32 }");
        let both = [site.clone(), own].concat();
        assert!(Rules(&both).answers("slurm", form(), &given(&[("cpus", "5")])).is_err());
        let other = [site, rules("field.partition = { fixed = \"short\" }")].concat();
        assert!(Rules(&other).whole("slurm", form()).is_err());
    }

    #[test]
    fn a_rule_that_does_not_fit_is_told_with_its_line() {
        for (text, why) in [
            ("field.partiton = { fixed = \"debug\" }", "does not ask"),
            ("field.partition = { fixed = \"gone\" }", "choose one of"),
            ("field.partition = { most = 3 }", "no bound"),
            ("field.cpus = { only = [\"2\"] }", "no choice"),
            ("field.cpus = { least = 9, most = 3 }", "leave nothing"),
            ("field.memory = { default = \"lots\" }", "512M"),
        ] {
            let rules = rules(text);
            let error = Rules(&rules).whole("slurm", form()).unwrap_err();
            assert!(error.what.starts_with("site.toml:3") && error.why.contains(why), "{text}: {error}");
        }
        let wrong =
            FieldRule { fixed: Some(Value("x".into())), default: Some(Value("y".into())), ..FieldRule::default() };
        assert!(wrong.mistake().is_some() && FieldRule::default().mistake().is_some());
    }

    #[test]
    fn a_rule_about_a_question_says_nothing_where_it_is_not_asked() {
        let form = || {
            let choice = FieldKind::Choice(vec!["sandbox".into(), "open".into()]);
            let mut only = Field::new("processes", "", "", FieldKind::Number { least: 1, most: 9999 }, "512");
            only.asked_with = Some(AskedWith { key: "inside", answers: vec!["sandbox".into()] });
            Form::new(vec![Section::new("A", "", vec![only, Field::new("inside", "", "", choice, "sandbox")])])
        };
        let own = rules("field.processes = { default = 64, most = 128 }");
        let planned = |given_: &[(&str, &str)]| Rules(&own).answers("slurm", form(), &given(given_)).unwrap();
        assert_eq!(planned(&[]).get("processes"), "64");
        for open in [&[("inside", "open")][..], &[("inside", "open"), ("processes", "64")]] {
            assert!(!planned(open).0.contains_key("processes"), "{open:?}");
        }
        assert!(Rules(&own).answers("slurm", form(), &given(&[("processes", "500")])).is_err());
        // A rule about the other question counts, too.
        let fixed = [own.clone(), rules("field.inside = { fixed = \"open\" }")].concat();
        assert!(!Rules(&fixed).answers("slurm", form(), &given(&[])).unwrap().0.contains_key("processes"));
    }

    #[test]
    fn what_an_earlier_rule_hides_is_not_set_by_a_later_one() {
        let hidden = rules(r#"field.memory = { hide = true, default = "2G" }"#);
        let own = rules(r#"field.memory = { default = "64G" }"#);
        let both = [hidden.clone(), own].concat();
        let error = Rules(&both).whole("slurm", form()).unwrap_err();
        assert!(error.why.contains("hides it"), "{error}");
        assert!(Rules(&hidden).answers("slurm", form(), &given(&[("memory", "64G")])).is_err());
        let planned = Rules(&hidden).answers("slurm", form(), &given(&[])).unwrap();
        assert_eq!(planned.get("memory"), "2G");
    }
}
