//! Other limits for containers, while they run (Docker Engine API, "Update a container").

use bollard::models::{ContainerUpdateBody, HostConfig};

use super::Engine;
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    launch::{
        form::{Answers, Field, FieldKind, Form},
        questions,
    },
};

/// The part of a processor in which engines count.
const PART: i64 = 1_000_000_000;
/// The most processors that can be asked for.
const MOST: u64 = 1024;

impl Engine {
    /// The form for other limits, with those that a container has.
    pub(super) async fn size_form(&self, cx: &Context, id: &str) -> Result<Form> {
        Ok(form(&self.limits_of(cx, id).await?))
    }

    /// Gives a container other limits.
    pub(super) async fn limit(&self, cx: &Context, id: &str, answers: &Answers) -> Result<()> {
        let what = format!("resize {id}");
        // Its service takes such a call, and ignores parts of it.
        if self.facts().await?.podman {
            return Err(Error::unsupported(what, "Podman's service changes no limits").hint("'podman update' does"));
        }
        let now = self.limits_of(cx, id).await?;
        let body = update(&now, answers);
        cx.run(&what, async {
            let docker = self.docker().await?;
            docker.update_container(id, body).await.map_err(|error| self.library_error(&what, &error))
        })
        .await
    }

    async fn limits_of(&self, cx: &Context, id: &str) -> Result<HostConfig> {
        let what = format!("ask for the size of {id}");
        let asked = cx.run(&what, async {
            let docker = self.docker().await?;
            docker.inspect_container(id, None).await.map_err(|error| self.library_error(&what, &error))
        });
        Ok(asked.await?.host_config.unwrap_or_default())
    }
}

fn form(now: &HostConfig) -> Form {
    let memory = now.memory.filter(|bytes| *bytes > 0).map(|bytes| format!("{}M", bytes >> 20)).unwrap_or_default();
    let processors = now.nano_cpus.filter(|part| *part > 0).map_or(0, |part| part.div_euclid(PART));
    let kind = FieldKind::Number { least: 0, most: MOST };
    let fields = vec![
        questions::memory("how much it may use; empty leaves it as it is", &memory),
        Field::new("cpus", "Processors", "at most this many; 0 leaves it as it is", kind, processors.to_string()),
    ];
    Form::new(vec![questions::resources(fields)])
}

/// What is sent: only what is asked for. There is as much swap as before; its limit counts memory, too.
fn update(now: &HostConfig, answers: &Answers) -> ContainerUpdateBody {
    let memory = answers.bytes("memory").and_then(|bytes| i64::try_from(bytes).ok());
    let memory = memory.filter(|bytes| Some(*bytes) != now.memory);
    let swap = |memory: i64| match (now.memory, now.memory_swap) {
        (_, Some(-1)) => -1,
        (Some(before), Some(swap)) if swap >= before && before > 0 => memory.saturating_add(swap - before),
        _ => memory.saturating_mul(2),
    };
    let processors = answers.get("cpus").parse::<i64>().ok().filter(|count| *count > 0);
    ContainerUpdateBody {
        memory,
        memory_swap: memory.map(swap),
        nano_cpus: processors.map(|count| count.saturating_mul(PART)).filter(|part| Some(*part) != now.nano_cpus),
        ..ContainerUpdateBody::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_changed_and_there_is_as_much_swap_as_before() {
        let now = |memory, swap| HostConfig {
            memory: Some(memory),
            memory_swap: Some(swap),
            nano_cpus: Some(PART),
            ..HostConfig::default()
        };
        let sent = |now: &HostConfig, memory: &str| {
            let given = Answers([("memory".to_owned(), memory.to_owned())].into());
            form(now).check(&given).unwrap();
            let sent = update(now, &given);
            (sent.memory, sent.memory_swap, sent.nano_cpus)
        };
        let (small, large) = (64 << 20, 128 << 20);
        assert_eq!(sent(&now(small, 2 * small), "64M"), (None, None, None));
        assert_eq!(sent(&now(small, 2 * small), "128M"), (Some(large), Some(large + small), None));
        assert_eq!(sent(&now(small, small), "128M"), (Some(large), Some(large), None));
        assert_eq!(sent(&now(small, -1), "128M"), (Some(large), Some(-1), None));
        assert_eq!(sent(&now(0, 0), ""), (None, None, None));
    }
}
