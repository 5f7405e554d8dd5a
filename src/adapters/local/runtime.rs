//! The runtime that runs images in sandboxes: an image is unpacked once, and every process of it gets its own
//! namespaces. The local backend's workloads use the same parts, and a keeper besides.

use std::path::Path;

use async_trait::async_trait;

use super::{
    below::RootFolder,
    enter, people, plan, root, run,
    sandbox_program::SandboxProgram,
    sandboxed::{Sandboxed, file},
    sif_root,
};
use crate::shared::{exec, private};
use wharf_core::{
    base::{
        context::Context,
        error::{During, Error, Result},
    },
    image::model::{Image, ImageKind, Platform},
    launch::{
        form::{Answers, Section},
        plan::{Risk, name_from},
    },
    ports::{Description, Process, Runtime, Supply},
};

/// The runtime with the sandbox program of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Sandboxes {
    program: Option<SandboxProgram>,
    /// Whether SIF images can be unpacked.
    unpacks_sif: bool,
}

impl Sandboxes {
    /// A runtime with this program; without one, it accepts no image.
    pub fn new(program: Option<SandboxProgram>) -> Self {
        Self { program, unpacks_sif: exec::on_path(sif_root::PROGRAM).is_some() }
    }

    /// The program that makes the namespaces; `Unsupported` if there is none.
    pub fn program(self) -> Result<SandboxProgram> {
        self.program.ok_or_else(|| {
            Error::unsupported("launch on local", "neither bwrap nor unshare is on the path").hint("install bubblewrap")
        })
    }

    /// The process as data, and its risks. Resolves links in the mounts' host paths.
    pub async fn sandboxed(self, image: &Image, answers: &Answers) -> Result<(Sandboxed, Vec<Risk>)> {
        let program = self.program()?;
        let image = &plan::as_run(image, answers);
        let name = name_from(answers.get("name"));
        let (asked, given) = (image.clone(), answers.clone());
        // Reads paths of the host, which may be on a slow file system.
        let inside = tokio::task::spawn_blocking(move || plan::inside(&asked, &given, Path::new(plan::ROOT), &name))
            .await
            .during("plan on local")??;
        let mut risks = plan::risks(image, answers, &inside, program);
        if inside.hostname != answers.get("name") && !answers.get("name").is_empty() {
            let words =
                format!("it is called '{}': names here have lower-case letters, digits and '-' only", inside.hostname);
            risks.push(Risk::caution(words));
        }
        let sandboxed = Sandboxed {
            runtime: program,
            argv: plan::argv(program, &inside, &plan::Ids::from_user(&image.config.user), "WHARF", "TASK"),
            inside,
            user: image.config.user.clone(),
            who: None,
            memory: answers.bytes("memory").unwrap_or(0),
            processors: answers.get("cpus").parse().unwrap_or(0),
            processes: answers.get("processes").parse().unwrap_or(0),
        };
        Ok((sandboxed, risks))
    }

    /// The same process, ready to run: the image is unpacked below `images`; if the process may write, it gets a copy
    /// in `staging`, which it will find as `folder`.
    pub async fn prepared_in(
        self,
        cx: &Context,
        supply: &Supply,
        mut sandboxed: Sandboxed,
        images: &Path,
        (staging, folder): (&Path, &Path),
    ) -> Result<Sandboxed> {
        let what = "launch on local";
        let unpacked = root::provide(cx, images, supply).await?;
        let root = if sandboxed.inside.writable {
            cx.progress.phase("copying the image");
            let own = staging.join("root");
            let before = own.clone();
            // An earlier try may have left an incomplete copy.
            tokio::task::spawn_blocking(move || if before.exists() { private::remove(&before) } else { Ok(()) })
                .await
                .during(what)?
                .during(what)?;
            root::private_copy(unpacked, own.clone()).await?;
            sandboxed.inside.root = folder.join("root");
            own
        } else {
            sandboxed.inside.root.clone_from(&unpacked);
            unpacked
        };
        // Reads files whose size the image decides, so it must not run in an asynchronous task.
        tokio::task::spawn_blocking(move || {
            let below = RootFolder::new(&root)?;
            // The shared image is never changed: what it lacks is made in the sandbox.
            if sandboxed.inside.writable {
                plan::points(&sandboxed.inside).iter().try_for_each(|point| below.make(point).map(drop))?;
            }
            plan::must_start(&sandboxed.inside, &below)?;
            let who = people::resolve(&sandboxed.user, &below)?;
            plan::complete(&mut sandboxed.inside, &who, &below)?;
            sandboxed.argv = plan::argv(sandboxed.runtime, &sandboxed.inside, &who.clone().into(), "WHARF", "TASK");
            sandboxed.who = Some(who);
            Ok(sandboxed)
        })
        .await
        .during(what)?
    }
}

#[async_trait]
impl Runtime for Sandboxes {
    fn name(&self) -> &'static str {
        "local"
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        let what = format!("launch {} on local", image.reference);
        self.program()?;
        if image.kind == ImageKind::Sif {
            // The digest of a file is computed for the plan.
            return sif_root::must_unpack(&what, self.unpacks_sif);
        }
        if image.kind != ImageKind::Container || image.pinned.is_none() {
            return Err(Error::unsupported(what, format!("a {} image is not a root file system", image.kind.name())));
        }
        match image.pinned.as_ref().and_then(|pinned| pinned.platform.as_ref()) {
            Some(platform) if !platform.serves(&Platform::host()) => Err(Error::unsupported(
                what,
                format!("it is built for {platform}, this machine is {}", Platform::host()),
            )),
            _ => Ok(()),
        }
    }

    fn questions(&self, image: &Image) -> Vec<Section> {
        plan::questions(image)
    }

    async fn describe(&self, image: &Image, answers: &Answers) -> Result<Description> {
        let (sandboxed, risks) = self.sandboxed(image, answers).await?;
        let process = serde_json::to_value(&sandboxed).during("plan on local")?;
        Ok(Description { process: Process(process), risks })
    }

    async fn prepare(
        &self,
        cx: &Context,
        supply: &Supply,
        process: &Process,
        images: &Path,
        folder: &Path,
    ) -> Result<()> {
        let what = format!("prepare {}", supply.image.reference);
        let written = file(folder);
        // This file is written last: if it exists, everything else does.
        if tokio::fs::try_exists(&written).await.during(&what)? {
            return Ok(());
        }
        let sandboxed = serde_json::from_value(process.0.clone()).during(&what)?;
        let placed = self.prepared_in(cx, supply, sandboxed, images, (folder, folder)).await?;
        let bytes = serde_json::to_vec_pretty(&placed).during(&what)?;
        tokio::task::spawn_blocking(move || private::write(&written, &bytes)).await.during(&what)?
    }

    fn argv(&self, folder: &Path) -> Result<Vec<String>> {
        own_words("run a sandbox", &[Path::new(run::VERB), folder])
    }

    fn enter(&self, folder: &Path, place: &Path, terminal: bool) -> Result<Vec<String>> {
        let files = if terminal { "terminal" } else { "pipe" };
        let words = [Path::new(enter::VERB), folder, place, Path::new(files), Path::new("--")];
        own_words("enter a sandbox", &words)
    }
}

/// This program with these arguments, as text.
fn own_words(what: &str, arguments: &[&Path]) -> Result<Vec<String>> {
    let program = std::env::current_exe().during(what)?;
    let words = std::iter::once(program.as_path()).chain(arguments.iter().copied());
    let texts = words.map(|word| {
        word.to_str().map(str::to_owned).ok_or_else(|| {
            Error::unsupported(what, format!("the path {} is not text", word.display())).hint("choose another folder")
        })
    });
    texts.collect()
}
