//! The runtimes of an engine, and how each isolates containers.
//!
//! An engine names its runtimes (`GET /info`: `Runtimes`, `DefaultRuntime`), but not what they are: that is known from
//! the name and the file name of a runtime. A runtime of which neither is known is not offered.

use std::collections::BTreeMap;

use serde::Deserialize;
use wharf_core::launch::isolation::Isolation;

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

/// The runtimes that an engine offers, the default one first. An engine that names none has one that shares the kernel.
///
/// Of name, path and type the least isolation counts, and a path or type that is not known says nothing good: a runtime with
/// a promising name is not believed. Podman
/// also names runtimes that are not installed: of these only those in this machine's `PATH` count.
pub(super) fn offered(
    answers: Option<BTreeMap<String, RuntimeAnswer>>,
    default: Option<&str>,
    installed: impl Fn(&str) -> bool,
) -> Vec<EngineRuntime> {
    let read = |(name, answer): (String, RuntimeAnswer)| {
        let told =
            [answer.path.as_deref(), answer.kind.as_deref()].into_iter().flatten().filter(|word| !word.is_empty());
        let told = told.map(Isolation::of_runtime).collect::<Option<Vec<_>>>()?;
        let isolation = told.into_iter().chain(Isolation::of_runtime(&name)).min()?;
        let file = answer.path.as_deref().unwrap_or(&name);
        let known = default == Some(name.as_str()) || installed(file);
        let counted = !answer.arguments.iter().flatten().any(|word| word.contains("ignore-cgroups"));
        known.then_some(EngineRuntime { name, isolation, counted })
    };
    let mut all: Vec<EngineRuntime> = answers.into_iter().flatten().filter_map(read).collect();
    let own = all.iter().position(|runtime| default == Some(runtime.name.as_str()));
    let unknown = || EngineRuntime {
        name: default.unwrap_or_default().to_owned(),
        isolation: Isolation::SharedKernel,
        counted: true,
    };
    let own = own.map_or_else(unknown, |at| all.remove(at));
    all.insert(0, own);
    all
}

/// Whether a runtime's program is on this machine.
pub(super) fn is_here(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    std::path::Path::new(file).is_file() || exec::on_path(name).is_some()
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
            "other": {"path": "/usr/bin/other"},
            "gvisor": {"path": "/opt/site/wrapper"}
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
        assert!(!found.iter().any(|(name, ..)| name == "other" || name == "gvisor"), "{found:?}");
        let podman = read(text, "crun", |file| file == "runc");
        assert_eq!(
            podman.iter().map(|one| one.0.as_str()).collect::<Vec<_>>(),
            ["crun", "io.containerd.runc.v2", "runc"]
        );
        assert_eq!(offered(None, None, |_| true)[0].isolation, SharedKernel);
    }
}
