//! One answer that makes a launch safer: what the key on the launch screen changes, the most serious first.
//!
//! It works with the questions that backends ask in the same words ([`super::questions`]), so no backend has to name
//! its safer answers.

use super::{
    form::{Answers, Form},
    isolation::{self, Isolation},
    plan::{Mount, Weight},
    room::{Gate, GateRequirement},
};

/// An answer to put in the place of the present one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaferAnswer {
    /// The key of the question.
    pub key: &'static str,
    /// The new answer.
    pub answer: String,
    /// What changes, in words that follow "safer: ".
    pub words: String,
}

/// The answer with which a launch passes the gate, where only its isolation is missing and the form offers it.
pub fn demanded(gate: &Gate, form: &Form) -> Option<SaferAnswer> {
    let GateRequirement::Isolated(least) = gate.passage else { return None };
    let field = form.field(isolation::KEY)?;
    let offered = |level: &Isolation| *level >= least && field.refuse(level.name()).is_none();
    let level = Isolation::ALL.into_iter().find(offered)?.name();
    let words = format!("its isolation is {level}, as the policy demands");
    Some(SaferAnswer { key: isolation::KEY, answer: level.to_owned(), words })
}

/// The next answer that makes the launch safer; `None` if no answer of this form does. `root`: whether the image runs as
/// root where no user is named; `user`: the person's number, for programs that would run as root.
pub fn next(form: &Form, answers: &Answers, root: bool, user: u32) -> Option<SaferAnswer> {
    let now = |key: &str| {
        let field = form.field(key)?;
        Some(answers.0.get(key).cloned().unwrap_or_else(|| field.default.clone()))
    };
    let takes = |wanted: &SaferAnswer| {
        now(wanted.key).is_some_and(|answer| answer != wanted.answer)
            && form.field(wanted.key).is_some_and(|field| field.refuse(&wanted.answer).is_none())
    };
    let one_of = |key: &'static str, wanted: &[&str], words: &str| {
        let all =
            wanted.iter().map(|answer| SaferAnswer { key, answer: (*answer).to_owned(), words: words.to_owned() });
        all.into_iter().find(&takes)
    };
    let mounts = now("mounts").unwrap_or_default();
    let is = |key: &str, word: &str| now(key).is_some_and(|answer| answer == word);
    let stronger = || {
        let least = now(isolation::KEY).and_then(|word| Isolation::from_name(&word)).unwrap_or_default();
        Isolation::ALL
            .into_iter()
            .filter(move |level| *level > least)
            .find_map(|level| one_of(isolation::KEY, &[level.name()], &format!("its isolation is {}", level.name())))
    };
    dangerous_mount(&mounts)
        .or_else(|| {
            is("network", "host")
                .then(|| one_of("network", &["private", "none"], "this machine's network is not shared"))
                .flatten()
        })
        .or_else(|| writing_mount(&mounts))
        .or_else(|| open_port(&now("ports").unwrap_or_default()))
        .or_else(|| {
            // For root there is no number of a person: the one of nobody.
            let user = if user == 0 { 65_534 } else { user };
            let as_root = now("user").is_some_and(|user| match user.split(':').next() {
                Some("") | None => root,
                Some(name) => matches!(name, "0" | "root"),
            });
            as_root.then(|| one_of("user", &[&format!("{user}:{user}")], "it does not run as root")).flatten()
        })
        .or_else(|| one_of("rights", &["none"], "it has no capabilities"))
        .or_else(|| one_of("home", &["no"], "your home is not mounted"))
        .or_else(|| one_of("read-only", &["yes"], "the image's files cannot be changed"))
        .or_else(|| one_of("writable", &["no"], "the image's files cannot be changed"))
        .or_else(|| {
            now("memory").filter(String::is_empty).and_then(|_| one_of("memory", &["2G"], "it has a limit of memory"))
        })
        .or_else(stronger)
        .or_else(|| one_of("network", &["none"], "it has no network"))
        .filter(&takes)
}

/// Leaves out the first mount that gives away more than a folder: a home, a socket, the machine.
fn dangerous_mount(mounts: &str) -> Option<SaferAnswer> {
    let words: Vec<&str> = mounts.split_whitespace().collect();
    let at = words.iter().position(|word| Mount::risk(word).weight == Weight::Danger)?;
    let gone = words.get(at).map(|word| word.split(':').next().unwrap_or(word).to_owned())?;
    let left: Vec<&str> = words.iter().enumerate().filter(|(place, _)| *place != at).map(|(_, word)| *word).collect();
    Some(SaferAnswer { key: "mounts", answer: left.join(" "), words: format!("{gone} is not mounted") })
}

/// Makes the first mount that can be changed read-only.
fn writing_mount(mounts: &str) -> Option<SaferAnswer> {
    let words: Vec<&str> = mounts.split_whitespace().collect();
    let at = words.iter().position(|word| Mount::parse(word).is_ok_and(|mount| mount.writes))?;
    let changed = words.get(at)?.strip_suffix(":rw")?;
    let host = changed.split(':').next().unwrap_or(changed).to_owned();
    let all: Vec<&str> =
        words.iter().enumerate().map(|(place, word)| if place == at { changed } else { *word }).collect();
    Some(SaferAnswer { key: "mounts", answer: all.join(" "), words: format!("{host} is mounted read-only") })
}

/// Opens the first port that other machines reach to this machine alone.
fn open_port(ports: &str) -> Option<SaferAnswer> {
    let words: Vec<&str> = ports.split_whitespace().collect();
    let open = |word: &&str| word.split(':').count() > 2 && !word.starts_with("127.");
    let at = words.iter().position(open)?;
    let closed = words.get(at)?.split_once(':').map(|(_, rest)| rest)?;
    let all: Vec<&str> =
        words.iter().enumerate().map(|(place, word)| if place == at { closed } else { *word }).collect();
    Some(SaferAnswer { key: "ports", answer: all.join(" "), words: "other machines do not reach its port".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::{form::Field, questions};

    fn form() -> Form {
        let field = |key, kind: &[&str], default: &str| Field::new(key, "A", "help", questions::choice(kind), default);
        Form::new(vec![questions::basics(vec![
            field("network", &["private", "none", "host"], "private"),
            field("rights", &["none", "service", "default"], "default"),
            questions::mounts(),
            questions::memory("at most", ""),
            field("isolation", &["shared", "gvisor"], "shared"),
        ])])
    }

    /// The keys with their answers in the order in which they are changed.
    fn all(given: &[(&str, &str)]) -> Vec<String> {
        let form = form();
        let mut answers = Answers::default();
        answers.0.extend(given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let mut steps = Vec::new();
        while let Some(safer) = next(&form, &answers, true, 1000) {
            steps.push(format!("{}={}", safer.key, safer.answer));
            answers.0.insert(safer.key.to_owned(), safer.answer);
            assert!(steps.len() < 20, "it ends: {steps:?}");
        }
        steps
    }

    #[test]
    fn the_most_serious_risk_is_mended_first_and_it_ends() {
        let given = [("network", "host"), ("mounts", "/run/docker.sock:/s /data/a:/a:rw"), ("rights", "service")];
        let expected = [
            "mounts=/data/a:/a:rw",
            "network=private",
            "mounts=/data/a:/a",
            "rights=none",
            "memory=2G",
            "isolation=gvisor",
            "network=none",
        ];
        assert_eq!(all(&given), expected);
    }

    #[test]
    fn what_the_policy_demands_is_offered_only_where_the_form_has_it() {
        let demand = |least| Gate {
            verdict: crate::base::badge::Verdict::NeedsIsolation,
            isolation: least,
            passage: GateRequirement::Isolated(least),
            grounds: String::new(),
        };
        let answer = |least, form: &Form| demanded(&demand(least), form).map(|safer| safer.answer);
        assert_eq!(answer(Isolation::UserSpaceKernel, &form()).as_deref(), Some("gvisor"));
        assert_eq!(answer(Isolation::OwnKernel, &form()), None, "the form has no such level");
        let stronger = questions::isolation(&[Isolation::SharedKernel, Isolation::OwnKernel]).unwrap();
        let form = Form::new(vec![questions::basics(vec![stronger])]);
        assert_eq!(
            answer(Isolation::UserSpaceKernel, &form).as_deref(),
            Some("own"),
            "more than what is demanded passes"
        );
        assert_eq!(answer(Isolation::UserSpaceKernel, &Form::new(Vec::new())), None);
    }

    #[test]
    fn a_form_that_asks_nothing_of_this_has_no_safer_answer() {
        let form = Form::new(Vec::new());
        assert_eq!(next(&form, &Answers::default(), true, 1000), None);
    }

    proptest::proptest! {
        #[test]
        fn what_is_offered_is_always_an_answer_that_the_form_takes(mounts in "[a-z/:. ]{0,40}", ports in "[0-9:. ]{0,20}") {
            let form = form();
            let mut answers = Answers::default();
            answers.0.insert("mounts".into(), mounts);
            answers.0.insert("ports".into(), ports);
            if let Some(safer) = next(&form, &answers, true, 1000) {
                proptest::prop_assert!(form.field(safer.key).is_some_and(|field| field.refuse(&safer.answer).is_none()));
            }
        }
    }
}
