//! Presets: answers to a form under a name, for some images on some backend.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    form::{Answers, Field, Form},
    ledger::{LaunchRecord, Outcome},
    room::OfferedPreset,
    rules::Value,
};
use crate::{
    base::error::{Error, Result},
    image::reference::ImageRef,
};

/// The longest name, in characters.
const LONGEST: usize = 60;
/// What the answers of the last launch are called. A name that somebody gives has no space.
const LAST_TIME: &str = "last time";

/// Answers under a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The name, by which it is chosen.
    pub name: String,
    /// Which images it is for: a reference, in which `*` stands for anything; empty for all.
    #[serde(default)]
    pub image: String,
    /// Which backend it is for; empty for every one that has these questions.
    #[serde(default)]
    pub backend: String,
    /// The answers.
    #[serde(default)]
    pub answers: BTreeMap<String, Value>,
}

impl Preset {
    /// What is wrong with it, in words.
    pub fn mistake(&self) -> Option<String> {
        let odd = |c: char| c.is_control() || c.is_whitespace();
        if self.name.is_empty() || self.name.chars().count() > LONGEST || self.name.contains(odd) {
            return Some(format!("a preset's name has no spaces and 1 to {LONGEST} characters"));
        }
        self.answers.is_empty().then(|| format!("the preset '{}' has no answers", self.name))
    }

    /// The answers of it.
    pub fn answers(&self) -> Answers {
        Answers(self.answers.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect())
    }

    /// Whether it is for this image on this backend.
    pub fn fits(&self, image: &ImageRef, backend: &str) -> bool {
        (self.backend.is_empty() || self.backend == backend) && self.is_for(image)
    }

    /// Whether it is for this image.
    pub fn is_for(&self, image: &ImageRef) -> bool {
        let whole = image.to_string();
        let named = whole.split_once('@').map_or(whole.as_str(), |(name, _)| name);
        self.image.is_empty() || matches(&self.image, named) || matches(&self.image, &image.short_text())
    }

    /// The answers of the newest of these launches (the newest first) that made a workload of this image on this backend,
    /// as a preset; `None` if there is none, or if it was launched with the form's own answers. What the form does not
    /// take any more is left out, and so is the name, which belongs to that workload.
    pub fn last_time(launches: &[LaunchRecord], image: &ImageRef, backend: &str, form: &Form) -> Option<OfferedPreset> {
        let of_it = |one: &&LaunchRecord| {
            one.plan.backend == backend
                && matches!(one.outcome, Outcome::Made { .. })
                && one.plan.image.reference.without_version() == image.without_version()
        };
        let mut answers = launches.iter().find(of_it)?.answers().0;
        answers.retain(|key, value| {
            let differs = |field: &Field| field.default != *value && field.refuse(value).is_none();
            key != "name" && form.field(key).is_some_and(differs)
        });
        (!answers.is_empty()).then(|| OfferedPreset { name: LAST_TIME.to_owned(), answers })
    }

    /// The preset of a launch that went well: for all versions of its image.
    pub fn of_launch(name: &str, image: &ImageRef, backend: &str, answers: &Answers) -> Self {
        let answers = answers.0.iter().map(|(key, value)| (key.clone(), Value(value.clone()))).collect();
        let image = format!("{}*", image.without_version());
        Self { name: name.to_owned(), image, backend: backend.to_owned(), answers }
    }
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = left.get(at + part.len()..).unwrap_or_default();
    }
    left.ends_with(last)
}

/// Fails if answers cannot be kept under this name.
///
/// # Errors
/// `Usage` with the reason.
pub fn keepable(name: &str, answers: &Answers) -> Result<()> {
    let answers = answers.0.iter().map(|(key, value)| (key.clone(), Value(value.clone()))).collect();
    let preset = Preset { name: name.to_owned(), answers, ..Preset::default() };
    preset.mistake().map_or(Ok(()), |why| {
        Err(Error::usage(format!("keep the preset '{name}'"), why).hint("give answers by --set, or a command"))
    })
}

/// The preset of this name for an image.
///
/// # Errors
/// `NotFound` where there is none, `Usage` where it is for other images.
pub fn named<'a>(all: &'a [Preset], name: &str, image: &ImageRef) -> Result<&'a Preset> {
    let what = format!("use the preset '{name}'");
    let Some(preset) = all.iter().find(|preset| preset.name == name) else {
        let known: Vec<&str> = all.iter().map(|preset| preset.name.as_str()).collect();
        let known = if known.is_empty() {
            "there are none yet".to_owned()
        } else {
            format!("presets here: {}", known.join(", "))
        };
        return Err(Error::not_found(what, "there is no such preset").hint(known));
    };
    if preset.is_for(image) {
        Ok(preset)
    } else {
        let why = format!("it is for {}, and not for {}", preset.image, image.short_text());
        Err(Error::usage(what, why).hint("give the answers by --set"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_anything_for_a_star() {
        for (pattern, text, fits) in [
            ("a/b:1", "a/b:1", true),
            ("a/b:1", "a/b:2", false),
            ("a/*", "a/b:2", true),
            ("*b*2", "a/b:2", true),
            ("*b*3", "a/b:2", false),
            ("a*a", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_preset_is_for_some_images_and_some_backend() {
        let image: ImageRef = "oci://lab.example/physics/gromacs:2024.1".parse().unwrap();
        let preset = |image: &str, backend: &str| Preset {
            name: "x".into(),
            image: image.into(),
            backend: backend.into(),
            ..Preset::default()
        };
        for (pattern, backend, fits) in [
            ("", "", true),
            ("lab.example/physics/*", "docker", true),
            ("oci://lab.example/physics/gromacs:*", "", true),
            ("lab.example/biology/*", "", false),
            ("", "slurm", false),
        ] {
            assert_eq!(preset(pattern, backend).fits(&image, "docker"), fits, "{pattern} {backend}");
        }
        let digest = format!("sha256:{}", "4f".repeat(32)).parse().unwrap();
        let made = Preset::of_launch("mine", &image.with_digest(&digest), "docker", &Answers::default());
        assert!(made.fits(&image, "docker") && !made.fits(&image, "slurm"), "{made:?}");
        assert!(made.mistake().is_some(), "it has no answers");
    }

    #[test]
    fn the_last_launch_of_an_image_gives_the_answers_that_were_not_the_forms_own() {
        use crate::launch::{isolation::Isolation, plan::Plan, questions};
        let digest = format!("sha256:{}", "4f".repeat(32));
        let image: ImageRef = "oci://lab.example/physics/gromacs:2024.2".parse().unwrap();
        let launch = |backend: &str, memory: &str, made: bool| {
            let answers = [("memory", memory), ("cpus", "2"), ("name", "md"), ("gone", "x")];
            let plan = Plan {
                backend: backend.into(),
                image: crate::image::model::Pinned {
                    reference: format!("oci://lab.example/physics/gromacs:1@{digest}").parse().unwrap(),
                    digest: digest.parse().unwrap(),
                    platform: None,
                    manifest: digest.parse().unwrap(),
                },
                answers: Answers(answers.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
                steps: Vec::new(),
                risks: Vec::new(),
                privileged: false,
                isolation: Isolation::SharedKernel,
                idempotency_key: "3f2a0001".into(),
            };
            let mut record = LaunchRecord::new(&plan, "ada", "allow");
            if made {
                record.outcome = Outcome::Made { id: "77".into(), name: "md".into() };
            }
            record
        };
        let fields = vec![questions::name("", ""), questions::memory("", "2G"), questions::processors(4)];
        let form = Form::new(vec![questions::basics(fields)]);
        let all = [launch("docker", "8G", false), launch("podman", "9G", true), launch("docker", "16G", true)];
        let last = |backend: &str| Preset::last_time(&all, &image, backend, &form).map(|preset| preset.answers);
        assert_eq!(last("docker"), Some([("memory".to_owned(), "16G".to_owned())].into()));
        assert_eq!(last("podman"), Some([("memory".to_owned(), "9G".to_owned())].into()));
        assert_eq!(last("slurm"), None);
        let own = [launch("docker", "2G", true)];
        assert_eq!(Preset::last_time(&own, &image, "docker", &form), None, "it had the form's own answers");
        let other: ImageRef = "oci://lab.example/physics/lammps:1".parse().unwrap();
        assert_eq!(Preset::last_time(&all, &other, "docker", &form), None);
    }

    #[test]
    fn a_preset_that_is_not_there_names_those_that_are() {
        let image: ImageRef = "oci://lab.example/physics/gromacs:2024.1".parse().unwrap();
        let all = [Preset { name: "quick".into(), image: "other/*".into(), ..Preset::default() }];
        assert!(named(&all, "slow", &image).unwrap_err().hint.contains("quick"));
        assert!(named(&all, "quick", &image).unwrap_err().why.contains("other/*"));
    }
}
