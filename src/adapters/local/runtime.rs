//! The runtime that runs images in sandboxes: an image is unpacked once, and every process of it gets its own
//! namespaces. The local backend's workloads use the same parts, and a keeper besides.

use std::{fs::File, path::Path};

use async_trait::async_trait;

use super::{
    enter,
    mounted::{self, MountedImage},
    placing, plan, root, run,
    sandbox_program::SandboxProgram,
    sandboxed::{Sandboxed, file},
    sif_root,
};
use crate::{
    formats::sif_file,
    prepared::{
        below::RootFolder,
        known::{self, KnownFile},
        people,
    },
    shared::{exec, private},
};
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        error::{During, Error, Result},
    },
    image::model::{Image, ImageKind, Platform},
    launch::{
        form::{Answers, Form, Section},
        isolation::{self, Isolation},
        plan::{Risk, name_from},
        questions,
    },
    ports::{Description, Process, Runtime, Supply},
};

/// The runtime with the sandbox program of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Sandboxes {
    program: Option<SandboxProgram>,
    gvisor: bool,
    /// Whether SIF images can be unpacked.
    unpacks_sif: bool,
    /// Whether they can be mounted instead.
    mounts_sif: bool,
}

impl Sandboxes {
    /// A runtime with this program; without one, it accepts no image.
    pub fn new(program: Option<SandboxProgram>) -> Self {
        Self { program, gvisor: false, unpacks_sif: exec::on_path(sif_root::PROGRAM).is_some(), mounts_sif: false }
    }

    /// The same runtime, which also offers gVisor if `runsc` is on the path.
    #[must_use]
    pub fn with_gvisor(self) -> Self {
        Self { gvisor: exec::on_path(SandboxProgram::Runsc.name()).is_some(), ..self }
    }

    /// The same runtime, which mounts SIF images where this machine can. For a backend that starts a keeper, which hands
    /// the image's file on.
    #[must_use]
    pub fn with_mounts(self) -> Self {
        Self { mounts_sif: MountedImage::possible().is_some(), ..self }
    }

    /// The programs that it has, those with the weakest isolation first; `Unsupported` if there is none.
    pub fn programs(self) -> Result<Vec<SandboxProgram>> {
        let gvisor = self.gvisor.then_some(SandboxProgram::Runsc);
        let all: Vec<SandboxProgram> = self.program.into_iter().chain(gvisor).collect();
        if all.is_empty() { self.program().map(|program| vec![program]) } else { Ok(all) }
    }

    /// The program for an answer about isolation; without an answer, the one with the weakest.
    fn chosen(self, answer: &str) -> Result<SandboxProgram> {
        let all = self.programs()?;
        let asked = Isolation::from_name(answer);
        let fits = |program: &&SandboxProgram| asked.is_none_or(|asked| program.isolation() == asked);
        all.iter().find(fits).copied().ok_or_else(|| {
            Error::usage("launch on local", format!("there is no program with the isolation {answer}"))
                .hint("install gVisor (runsc), or launch it with another isolation")
        })
    }

    /// The form for an image, with the question about isolation if there is a choice.
    pub(super) fn form(self, image: &Image) -> Form {
        let mut sections = plan::questions(image);
        let levels: Vec<Isolation> =
            self.programs().unwrap_or_default().into_iter().map(SandboxProgram::isolation).collect();
        if let Some(basics) = sections.first_mut() {
            basics.fields.extend(questions::isolation(&levels));
        }
        if image.kind == ImageKind::Sif && self.mounts_sif && self.unpacks_sif {
            sections.last_mut().into_iter().for_each(|last| last.fields.push(mounted::question()));
        }
        Form { isolation: levels.first().copied().unwrap_or_default(), ..Form::new(sections) }
    }

    /// The program that makes the namespaces; `Unsupported` if there is none.
    pub fn program(self) -> Result<SandboxProgram> {
        self.program.ok_or_else(|| {
            Error::unsupported("launch on local", "neither bwrap nor unshare is on the path").hint("install bubblewrap")
        })
    }

    /// How the image is mounted for these answers: a SIF, or the file that was `prepared` from another image. `None` where it
    /// is unpacked: for gVisor, which takes folders only, for a program that may write to it, and for a user who is only in the
    /// image's lists, where an older Wharf has prepared the file without looking there.
    fn mounted(
        self,
        image: &Image,
        answers: &Answers,
        program: SandboxProgram,
        prepared: Option<&KnownFile>,
    ) -> Result<Option<MountedImage>> {
        let wanted = program != SandboxProgram::Runsc && !answers.is("writable") && !answers.is(mounted::UNPACK);
        let possible = || MountedImage::possible().filter(|_| wanted && self.mounts_sif);
        if image.kind != ImageKind::Sif {
            let prepared = prepared.filter(|file| file.user.is_some() || people::is_numeric(&image.config.user));
            return Ok(
                prepared.and_then(|file| Some(MountedImage { prepared: Some(file.path.clone()), ..possible()? }))
            );
        }
        let mounted = possible();
        if mounted.is_none() {
            sif_root::must_unpack(&format!("launch {} on local", image.reference), self.unpacks_sif)?;
        }
        Ok(mounted)
    }

    /// The process as data, and its risks. Resolves links in the mounts' host paths.
    ///
    /// `prepared` is a file that was prepared from the image, if there is one; `memory`: the bytes that the machine has
    /// where it will run, as far as known.
    pub async fn sandboxed(
        self,
        image: &Image,
        answers: &Answers,
        prepared: Option<KnownFile>,
        memory: Option<u64>,
    ) -> Result<(Sandboxed, Vec<Risk>)> {
        let program = self.chosen(answers.get(isolation::KEY))?;
        let image = &plan::as_run(image, answers);
        let mounted = self.mounted(image, answers, program, prepared.as_ref())?;
        let name = name_from(answers.get("name"));
        let (asked, given) = (image.clone(), answers.clone());
        // Reads paths of the host, which may be on a slow file system.
        let inside = blocking(move || plan::inside(&asked, &given, Path::new(plan::ROOT), &name))
            .await
            .during("plan on local")??;
        let mut risks = plan::risks(image, answers, &inside, (program, memory));
        risks.extend(mounted.as_ref().map(MountedImage::risk));
        if inside.hostname != answers.get("name") && !answers.get("name").is_empty() {
            let words =
                format!("it is called '{}': names here have lower-case letters, digits and '-' only", inside.hostname);
            risks.push(Risk::caution(words));
        }
        let sandboxed = Sandboxed {
            runtime: program,
            argv: plan::argv(program, &inside, &plan::Ids::from_user(&image.config.user), "WHARF", "TASK"),
            inside,
            who: mounted.as_ref().and(prepared).and_then(|file| file.user),
            mounted,
            user: image.config.user.clone(),
            memory: answers.bytes("memory").unwrap_or(0),
            processors: answers.get("cpus").parse().unwrap_or(0),
            processes: answers.get("processes").parse().unwrap_or(0),
        };
        Ok((sandboxed, risks))
    }

    /// The open file of an image that is mounted, and where its file system begins in it. A SIF is compared with its digest,
    /// and copied below `images` where others could change it. `None` where the image is not mounted, or where the file that
    /// was prepared from it is not what was prepared any more: then it is unpacked.
    pub(super) async fn image_file(
        self,
        cx: &Context,
        supply: &Supply,
        sandboxed: &Sandboxed,
        images: &Path,
    ) -> Result<Option<(File, u64)>> {
        let what = "launch on local";
        let Some(image) = &sandboxed.mounted else { return Ok(None) };
        let Some(path) = image.prepared.clone() else {
            let file = sif_file::open(cx, supply, &images.join(sif_root::FILES)).await?;
            let offset = sif_root::partition(&file, what)?.offset;
            return Ok(Some((file, offset)));
        };
        cx.progress.phase("comparing the prepared image");
        let (at, manifest) = (path.clone(), supply.image.manifest.clone());
        let cancel = cx.cancel.clone();
        let comparing = blocking(move || known::open(&at, &manifest, &cancel));
        let opened = cx.unless_cancelled(what, async { comparing.await.during(what) }).await?;
        if let Err(why) = &opened {
            tracing::warn!(file = %path.display(), why, "a prepared image is not used; it is unpacked");
            cx.progress.phase(format!("unpacking, because the prepared file is not used: {why}"));
        }
        Ok(opened.ok().map(|file| (file, 0)))
    }

    /// The same process of an image that is mounted, ready to run; its file system begins at `offset` of its file. The
    /// image's place is made in `staging`, where the process will find it in `folder`.
    pub(super) fn mounted_in(
        self,
        mut sandboxed: Sandboxed,
        offset: u64,
        (staging, folder): (&Path, &Path),
    ) -> Result<Sandboxed> {
        let place = staging.join(mounted::PLACE);
        private::folder(&place)?;
        sandboxed.mounted.iter_mut().for_each(|mounted| mounted.offset = offset);
        sandboxed.inside.root = folder.join(mounted::PLACE);
        // The user is known, or a number, which needs no file of the image; what needs one, process 1 fills in.
        let who = match sandboxed.who.take() {
            Some(who) => who,
            None => people::resolve(&sandboxed.user, &RootFolder::new(&place)?)?,
        };
        sandboxed.argv = plan::argv(sandboxed.runtime, &sandboxed.inside, &who.clone().into(), "WHARF", "TASK");
        sandboxed.who = Some(who);
        Ok(sandboxed)
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
        let (asked, below) = (sandboxed.clone(), unpacked.clone());
        let copied = sandboxed.inside.writable
            || blocking(move || placing::lacks_places(asked, &below)).await.during(what)??;
        let root = if copied {
            cx.progress.phase("copying the image");
            let own = staging.join("root");
            let before = own.clone();
            // An earlier try may have left an incomplete copy.
            blocking(move || if before.exists() { private::remove(&before) } else { Ok(()) })
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
        blocking(move || placing::placed(sandboxed, &root, copied)).await.during(what)?
    }
}

#[async_trait]
impl Runtime for Sandboxes {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        let what = format!("launch {} on local", image.reference);
        self.programs()?;
        if image.kind == ImageKind::Sif {
            // The digest of a file is computed for the plan.
            return sif_root::must_unpack(&what, self.unpacks_sif || self.mounts_sif);
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
        let (sandboxed, risks) = self.sandboxed(image, answers, None, None).await?;
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
        blocking(move || private::write(&written, &bytes)).await.during(&what)?
    }

    fn argv(&self, folder: &Path) -> Result<Vec<String>> {
        own_words("run a sandbox", &[Path::new(run::VERB), folder])
    }

    fn may_enter(&self, _process: &Process) -> Result<()> {
        Ok(())
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
