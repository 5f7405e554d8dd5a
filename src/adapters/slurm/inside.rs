//! Which runtime starts the image in a job. A form cannot change with an answer, so it has the questions of all runtimes
//! that take the image, and the answers are checked again for the one that was chosen.

use wharf_core::{
    base::error::{Error, Result},
    launch::{
        form::{Answers, AskedWith, Field, FieldKind, Form, Section},
        questions::choice,
    },
};

/// The key of the question.
const INSIDE: &str = "inside";

/// What a runtime that takes an image asks.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    /// The name of the runtime.
    pub name: String,
    /// Its questions.
    pub sections: Vec<Section>,
}

impl Offer {
    fn field(&self, key: &str) -> Option<&Field> {
        self.sections.iter().flat_map(|section| &section.fields).find(|field| field.key == key)
    }
}

/// The questions of all runtimes, each once, as the first that has it asks it; with several, also which is to be taken.
/// The first is the default.
pub(super) fn sections(offers: &[Offer]) -> Vec<Section> {
    let mut all: Vec<Section> = Vec::new();
    for section in offers.iter().flat_map(|offer| &offer.sections) {
        for field in &section.fields {
            match all.iter_mut().flat_map(|section| &mut section.fields).find(|known| known.key == field.key) {
                Some(known) => add_choices(&mut known.kind, &field.kind),
                None => match all.iter_mut().find(|known| known.title == section.title) {
                    Some(known) => known.fields.push(field.clone()),
                    None => all.push(Section { fields: vec![field.clone()], ..section.clone() }),
                },
            }
        }
    }
    for field in all.iter_mut().flat_map(|section| &mut section.fields) {
        let ask: Vec<String> =
            offers.iter().filter(|offer| offer.field(field.key).is_some()).map(|offer| offer.name.clone()).collect();
        if ask.len() < offers.len() {
            field.asked_with = Some(AskedWith { key: INSIDE, answers: ask });
        }
    }
    let names: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
    if let ([first, _, ..], Some(basics)) = (names.as_slice(), all.first_mut()) {
        let help = "what starts the image in the job; the first hides most of the node from it";
        basics.fields.push(Field::new(INSIDE, "Inside", help, choice(&names), *first));
    }
    all
}

fn add_choices(known: &mut FieldKind, other: &FieldKind) {
    if let (FieldKind::Choice(known), FieldKind::Choice(other)) = (known, other) {
        let new: Vec<String> = other.iter().filter(|word| !known.contains(word)).cloned().collect();
        known.extend(new);
    }
}

/// The name of the runtime that was chosen, and the answers without those to questions that only others ask. `asked` are
/// the checked answers to the form with [`sections`], `own` is the form without them.
///
/// # Errors
/// `Usage` for an answer that the chosen runtime does not take.
pub(super) fn chosen<'a>(offers: &'a [Offer], own: &Form, mut asked: Answers) -> Result<(&'a str, Answers)> {
    let named = asked.get(INSIDE).to_owned();
    let offer = offers.iter().find(|offer| offer.name == named).or(offers.first());
    let offer = offer.ok_or_else(|| Error::unsupported("plan a job", "no runtime takes the image"))?;
    for field in sections(offers).iter().flat_map(|section| &section.fields) {
        if field.key == INSIDE || own.field(field.key).is_some() {
            continue;
        }
        let answer = asked.get(field.key).to_owned();
        let wrong = |why: String, help: &str| {
            Err(Error::usage(format!("setting '{}' with {INSIDE}={}", field.key, offer.name), why).hint(help))
        };
        match offer.field(field.key) {
            Some(asks) => {
                if let Some(why) = asks.refuse(&answer) {
                    return wrong(why, asks.help);
                }
            }
            None if answer == field.default => _ = asked.0.remove(field.key),
            None => {
                return wrong("this runtime does not ask for it".to_owned(), "leave it out, or choose another runtime");
            }
        }
    }
    Ok((&offer.name, asked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::launch::questions;

    fn offers() -> Vec<Offer> {
        let network = |words: &[&str]| Field::new("network", "Network", "", choice(words), words[0]);
        let writable = Field::new("writable", "Writable", "", FieldKind::Flag, "no");
        let offer = |name: &str, sections| Offer { name: name.to_owned(), sections };
        vec![
            offer(
                "sandbox",
                vec![
                    questions::basics(vec![questions::name("", "x")]),
                    questions::network("", vec![network(&["none"])]),
                    questions::advanced(vec![writable]),
                ],
            ),
            offer(
                "open",
                vec![
                    questions::basics(vec![questions::name("", "x")]),
                    questions::network("", vec![network(&["host"])]),
                ],
            ),
        ]
    }

    fn choose(given: &[(&str, &str)]) -> Result<(String, Answers)> {
        let offers = offers();
        let given = Answers(given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
        let asked = Form::new(sections(&offers)).check(&given)?;
        chosen(&offers, &Form::default(), asked).map(|(name, answers)| (name.to_owned(), answers))
    }

    #[test]
    fn the_first_is_taken_unless_another_is_chosen() {
        let (name, answers) = choose(&[("writable", "yes")]).unwrap();
        assert_eq!((name.as_str(), answers.get("writable")), ("sandbox", "yes"));
        let (name, answers) = choose(&[(INSIDE, "open"), ("network", "host")]).unwrap();
        assert_eq!((name.as_str(), answers.0.contains_key("writable")), ("open", false));
    }

    #[test]
    fn what_the_chosen_one_cannot_do_is_refused() {
        for given in [
            &[(INSIDE, "open")][..],
            &[(INSIDE, "open"), ("network", "host"), ("writable", "yes")],
            &[("network", "host")],
            &[(INSIDE, "nothing")],
        ] {
            assert!(choose(given).is_err(), "{given:?}");
        }
        let why = choose(&[(INSIDE, "open")]).unwrap_err().to_string();
        assert!(why.contains("setting 'network' with inside=open") && why.contains("choose one of host"), "{why}");
    }

    #[test]
    fn a_question_says_with_which_runtime_it_is_asked() {
        let form = Form::new(sections(&offers()));
        let with = form.field("writable").unwrap().asked_with.clone().unwrap();
        assert_eq!((with.key, with.answers), (INSIDE, vec!["sandbox".to_owned()]));
        assert_eq!(form.field("network").unwrap().asked_with, None);
    }

    #[test]
    fn with_one_runtime_nothing_is_asked() {
        let one = &offers()[..1];
        assert!(Form::new(sections(one)).field(INSIDE).is_none());
        assert_eq!(sections(one), one[0].sections);
    }
}
