//! The runtimes of an engine, and how each isolates containers.
//!
//! An engine names its runtimes (`GET /info`: `Runtimes`, `DefaultRuntime`), but not what they are: that is known from
//! the name and the file name of a runtime. A runtime of which neither is known is not offered.

use std::collections::BTreeMap;

use bollard::query_parameters::InspectContainerOptions;
use serde::Deserialize;
use wharf_core::{
    base::{
        clean,
        error::{Error, Kind, Result},
    },
    launch::isolation::{self, Isolation},
};

use super::{Engine, Facts};
use crate::shared::exec;

/// A runtime, as an engine describes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct RuntimeAnswer {
    path: Option<String>,
    #[serde(rename = "runtimeType")]
    kind: Option<String>,
    #[serde(rename = "runtimeArgs")]
    arguments: Option<Vec<String>>,
}

/// A runtime with which containers can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineRuntime {
    /// The engine's name for it.
    pub name: String,
    /// How it isolates containers.
    pub isolation: Isolation,
    /// Whether it puts containers into control groups: without them there are no limits, and figures of the whole host.
    pub counted: bool,
}

/// How the runtime with this name or path isolates; `None` if it is not known.
fn level(word: &str) -> Option<Isolation> {
    let last = word.rsplit('/').next().unwrap_or(word);
    // containerd's names of runtimes: io.containerd.kata-qemu.v2.
    let last = last.strip_prefix("io.containerd.").unwrap_or(last);
    let first = last.split(['-', '.', '_']).next().unwrap_or(last);
    match first {
        "runsc" | "gvisor" => Some(Isolation::UserSpaceKernel),
        "kata" | "krun" => Some(Isolation::OwnKernel),
        "runc" | "crun" | "youki" => Some(Isolation::SharedKernel),
        _ => None,
    }
}

/// The runtimes that an engine offers, the default one first. An engine that names none has one that shares the kernel.
///
/// Of name, path and type the least isolation counts, so that a runtime with a promising name is not believed. Podman
/// also names runtimes that are not installed: of these only those in this machine's `PATH` count.
pub(super) fn offered(
    answers: Option<BTreeMap<String, RuntimeAnswer>>,
    default: Option<&str>,
    installed: impl Fn(&str) -> bool,
) -> Vec<EngineRuntime> {
    let read = |(name, answer): (String, RuntimeAnswer)| {
        let words = [Some(name.as_str()), answer.path.as_deref(), answer.kind.as_deref()];
        let isolation = words.into_iter().flatten().filter_map(level).min()?;
        let file = answer.path.as_deref().unwrap_or(&name);
        let known = default == Some(name.as_str()) || installed(file);
        let counted = !answer.arguments.iter().flatten().any(|word| word.contains("ignore-cgroups"));
        known.then_some(EngineRuntime { name, isolation, counted })
    };
    let mut all: Vec<EngineRuntime> = answers.into_iter().flatten().filter_map(read).collect();
    let own = all.iter().position(|runtime| default == Some(runtime.name.as_str()));
    let own = own.map(|at| all.remove(at)).unwrap_or_else(|| EngineRuntime {
        name: default.unwrap_or_default().to_owned(),
        isolation: Isolation::SharedKernel,
        counted: true,
    });
    all.insert(0, own);
    all
}

/// Whether a runtime's program is on this machine.
pub(super) fn is_here(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    std::path::Path::new(file).is_file() || exec::on_path(name).is_some()
}

impl Facts {
    /// The isolation that the runtimes offer, each once or more often.
    pub(super) fn levels(&self) -> Vec<Isolation> {
        self.runtimes.iter().map(|runtime| runtime.isolation).collect()
    }

    /// The isolation of a launch without an answer about it: that of the default runtime.
    pub(super) fn usual(&self) -> Isolation {
        self.runtimes.first().map(|runtime| runtime.isolation).unwrap_or_default()
    }

    /// The runtime for this answer about isolation, the default one if it fits; `None` if the engine named none.
    pub(super) fn runtime(&self, answer: &str) -> Option<&EngineRuntime> {
        let wanted = Isolation::from_name(answer).unwrap_or_else(|| self.usual());
        self.runtimes.iter().find(|runtime| runtime.isolation == wanted)
    }

    /// The name of the runtime that has to be sent for this answer; `None` for the default one.
    pub(super) fn sent(&self, answer: &str) -> Option<&str> {
        let default = self.runtimes.first();
        let chosen = self.runtime(answer).filter(|chosen| Some(*chosen) != default);
        chosen.map(|runtime| runtime.name.as_str())
    }
}

/// What the engine says of a created container.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Created {
    /// Podman's word for the runtime.
    #[serde(rename = "OCIRuntime")]
    runtime: Option<String>,
}

impl Engine {
    /// Fails if a created container would not run with the runtime that was asked for: an engine may pass over what it
    /// does not know.
    pub(super) async fn has_runtime(&self, id: &str, asked: &str, what: &str) -> Result<()> {
        let found = if self.facts().await?.podman {
            let created: Created = self.read(&format!("/libpod/containers/{id}/json"), what).await?;
            created.runtime
        } else {
            self.runtime_of(id, what).await?
        };
        let found = found.unwrap_or_default();
        if found == asked {
            return Ok(());
        }
        let why = format!("{} would start it with '{}' and not with '{asked}'", self.name, clean::short(&found, 60));
        Err(Error::new(Kind::Integrity, what, why)
            .hint(format!("launch it on another backend that offers this {}", isolation::KEY)))
    }

    async fn runtime_of(&self, id: &str, what: &str) -> Result<Option<String>> {
        let asked = self.docker().await?.inspect_container(id, None::<InspectContainerOptions>).await;
        let inspected = asked.map_err(|error| self.library_error(what, &error))?;
        Ok(inspected.host_config.and_then(|host| host.runtime))
    }

    /// Whether the engine's figures for a container are its own. A runtime without control groups has those of the
    /// whole host.
    pub(super) async fn is_counted(&self, id: &str, what: &str) -> Result<bool> {
        let runtimes = &self.facts().await?.runtimes;
        if runtimes.iter().all(|runtime| runtime.counted) {
            return Ok(true);
        }
        if let Some(known) = self.counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(id) {
            return Ok(*known);
        }
        let name = self.runtime_of(id, what).await?.unwrap_or_default();
        let counted = runtimes.iter().find(|runtime| runtime.name == name).is_none_or(|runtime| runtime.counted);
        self.counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(id.to_owned(), counted);
        Ok(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, default: &str, installed: impl Fn(&str) -> bool) -> Vec<(String, Isolation, bool)> {
        let all = offered(serde_json::from_str(text).unwrap(), Some(default), installed);
        all.into_iter().map(|runtime| (runtime.name, runtime.isolation, runtime.counted)).collect()
    }

    #[test]
    fn runtimes_are_known_by_name_and_by_path_and_the_weaker_counts() {
        use Isolation::{OwnKernel, SharedKernel, UserSpaceKernel};
        let text = r#"{
            "runc": {"path": "runc"},
            "io.containerd.runc.v2": {"path": "runc"},
            "runsc": {"path": "/usr/bin/runsc", "runtimeArgs": ["--ignore-cgroups"]},
            "kata-runtime": {"runtimeType": "io.containerd.kata-qemu.v2"},
            "kata-fake": {"path": "/usr/bin/runsc"},
            "strong": {"path": "/opt/kata/bin/kata-runtime"},
            "other": {"path": "/usr/bin/other"}
        }"#;
        let found = read(text, "runc", |_| true);
        assert_eq!(found[0], ("runc".into(), SharedKernel, true), "the default comes first");
        for wanted in [
            ("runsc", UserSpaceKernel, false),
            ("kata-runtime", OwnKernel, true),
            ("kata-fake", UserSpaceKernel, true),
            ("strong", OwnKernel, true),
        ] {
            assert!(found.contains(&(wanted.0.to_owned(), wanted.1, wanted.2)), "{wanted:?} {found:?}");
        }
        assert!(!found.iter().any(|(name, ..)| name == "other"), "{found:?}");
        let podman = read(text, "crun", |file| file == "runc");
        assert_eq!(
            podman.iter().map(|one| one.0.as_str()).collect::<Vec<_>>(),
            ["crun", "io.containerd.runc.v2", "runc"]
        );
        assert_eq!(offered(None, None, |_| true)[0].isolation, SharedKernel);
    }

    #[test]
    fn only_a_runtime_that_is_not_the_default_is_sent() {
        let text = r#"{"runc": {"path": "runc"}, "runsc": {"path": "runsc"}}"#;
        let facts = |default| Facts {
            runtimes: offered(serde_json::from_str(text).unwrap(), Some(default), |_| true),
            ..Facts::default()
        };
        assert_eq!(facts("runc").sent("gvisor"), Some("runsc"));
        assert_eq!((facts("runc").sent("shared"), facts("runc").sent("")), (None, None));
        assert_eq!((facts("runsc").sent("gvisor"), facts("runsc").sent("shared")), (None, Some("runc")));
        assert_eq!(facts("runsc").usual(), Isolation::UserSpaceKernel);
        assert_eq!(Facts::default().sent(""), None);
    }
}
