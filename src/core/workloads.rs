//! Workloads of every backend: finding them, and changing them. What changes one is written into the audit.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{
    error::{Error, Result},
    launch::Workload,
    portal::Portal,
    ports::Launcher,
    progress::Context,
};

impl Portal {
    /// Workloads of every backend; a backend that fails is an error beside the others' workloads.
    pub async fn workloads(&self, cx: &Context) -> (Vec<Workload>, Vec<(String, Error)>) {
        let mut all = Vec::new();
        let mut failed = Vec::new();
        let asked: Vec<_> = self.launchers.iter().map(|launcher| ask_workloads(cx, launcher.clone())).collect();
        let answers: Vec<_> = stream::iter(asked).buffered(8).collect().await;
        for (name, answer) in answers {
            match answer {
                Ok(workloads) => all.extend(workloads),
                Err(error) => failed.push((name, error)),
            }
        }
        all.sort_by(|a, b| b.state.is_live().cmp(&a.state.is_live()).then(b.created.cmp(&a.created)));
        (all, failed)
    }

    /// The workload whose id or name starts with `id`, and its backend.
    pub async fn find_workload(&self, cx: &Context, id: &str) -> Result<(Arc<dyn Launcher>, Workload)> {
        let (all, failed) = self.workloads(cx).await;
        let exact = all.iter().filter(|workload| workload.id == id || workload.name == id);
        let mut fits: Vec<&Workload> = exact.collect();
        if fits.is_empty() {
            fits = all
                .iter()
                .filter(|workload| !id.is_empty() && (workload.id.starts_with(id) || workload.name.starts_with(id)))
                .collect();
        }
        // Two sign-ins of one project see the same server: either will do.
        fits.dedup_by(|other, first| other.id == first.id);
        match fits.as_slice() {
            [one] => Ok((self.launcher(Some(&one.backend), None)?, (*one).clone())),
            [] => {
                let hint = failed.first().map_or_else(
                    || "'wharf workloads' lists them".to_owned(),
                    |(name, error)| format!("{name} did not answer: {}", error.why),
                );
                Err(Error::not_found(format!("workload '{id}'"), "there is no such workload").hint(hint))
            }
            many => Err(Error::usage(format!("workload '{id}'"), format!("{} workloads start like this", many.len()))
                .hint("type more of the id")),
        }
    }

    /// Stops a workload; one that stands still is stopped already.
    pub async fn stop(&self, cx: &Context, backend: &str, id: &str) -> Result<()> {
        let launcher = self.launcher(Some(backend), None)?;
        let done = launcher.stop(cx, id).await;
        self.note(self.entry("stop", format!("{id} on {backend}")), &done).await;
        done
    }

    /// Starts a workload that was stopped, or with `again` one that runs anew.
    pub async fn start(&self, cx: &Context, backend: &str, id: &str, again: bool) -> Result<()> {
        let launcher = self.launcher(Some(backend), None)?;
        let done = launcher.start(cx, id, again).await;
        let action = if again { "restart" } else { "start" };
        self.note(self.entry(action, format!("{id} on {backend}")), &done).await;
        done
    }

    /// Stops a workload and removes it; one that is gone is removed already.
    pub async fn remove(&self, cx: &Context, backend: &str, id: &str) -> Result<()> {
        let launcher = self.launcher(Some(backend), None)?;
        let done = launcher.remove(cx, id).await;
        self.note(self.entry("remove", format!("{id} on {backend}")), &done).await;
        done
    }

    /// Runs a command in a workload. The audit tells of the program, not of its arguments: they may hold a secret.
    pub async fn exec(&self, cx: &Context, backend: &str, id: &str, command: Vec<String>) -> Result<(Vec<u8>, i64)> {
        let launcher = self.launcher(Some(backend), None)?;
        let program = command.first().map(|word| super::clean::short(word, 100)).unwrap_or_default();
        let done = launcher.exec(cx, id, command).await;
        self.note(self.entry("exec", format!("{program} in {id} on {backend}")), &done).await;
        done
    }
}

async fn ask_workloads(cx: &Context, launcher: Arc<dyn Launcher>) -> (String, Result<Vec<Workload>>) {
    let name = launcher.name().to_owned();
    let answer = cx.run(&format!("list workloads of {name}"), launcher.workloads(cx)).await;
    (name, answer)
}
