//! The runtime of a container: chosen by the answer about isolation, and checked before the container is started.

use bollard::query_parameters::InspectContainerOptions;
use serde::Deserialize;
use wharf_core::{
    base::{
        clean,
        error::{Error, Kind, Result},
    },
    launch::isolation::{self, Isolation},
};

use super::{Engine, Facts, runtimes::EngineRuntime};

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

    /// The name of the runtime that has to be sent for this answer; `None` for the default one, unless it isolates more than
    /// others: the engine's default may be another one by now.
    pub(super) fn sent(&self, answer: &str) -> Option<&str> {
        let default = self.runtimes.first();
        let chosen = self
            .runtime(answer)
            .filter(|chosen| Some(*chosen) != default || chosen.isolation > Isolation::SharedKernel);
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
    use crate::engine::runtimes;

    #[test]
    fn what_is_not_the_default_or_isolates_more_is_sent_by_its_name() {
        let text = r#"{"runc": {"path": "runc"}, "runsc": {"path": "runsc"}}"#;
        let facts = |default| Facts {
            runtimes: runtimes::offered(serde_json::from_str(text).unwrap(), Some(default), |_| true),
            ..Facts::default()
        };
        assert_eq!(facts("runc").sent("gvisor"), Some("runsc"));
        assert_eq!((facts("runc").sent("shared"), facts("runc").sent("")), (None, None));
        assert_eq!((facts("runsc").sent("gvisor"), facts("runsc").sent("shared")), (Some("runsc"), Some("runc")));
        assert_eq!(facts("runsc").usual(), Isolation::UserSpaceKernel);
        assert_eq!(Facts::default().sent(""), None);
    }
}
