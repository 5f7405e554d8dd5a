//! Charliecloud: `ch-run` on a prepared image, as any person (ch-run(1)).

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;

use super::{
    entering,
    image_process::{self, IMAGE, ImageProcess, PLACE, one_line, path_text},
    launch_folder::{self, VARIABLES, Written, quoted},
};
use crate::prepared::Store;
use wharf_core::{
    base::{
        context::Context,
        error::{During, Error, Result},
    },
    image::model::{Foreign, Image},
    launch::{
        command,
        form::{Answers, Field, FieldKind, Section},
        plan::Risk,
        questions,
    },
    ports::{Description, Process, Runtime, Supply},
};

/// The runtime with Charliecloud's program.
#[derive(Debug, Clone)]
pub struct Charliecloud {
    program: PathBuf,
    site: Option<PathBuf>,
}

/// What is between the words of a command line that only a process knows.
struct Parts {
    /// The program and its options before those that a process adds.
    before: Vec<String>,
    /// The options after them, the image, and the command in it.
    after: Vec<String>,
}

impl Charliecloud {
    /// The runtime with this program, which every node has under the same path.
    pub fn new(program: PathBuf) -> Self {
        Self { program, site: None }
    }

    fn parts(&self, process: &ImageProcess, variables: &str, image: &str) -> Result<Parts> {
        let what = "run with charliecloud";
        let program = path_text(&self.program, what)?;
        let before = [program, "--unset-env=*", "--env-no-expand", "--private-tmp"].map(str::to_owned).to_vec();
        let folder = one_line(process.working_dir.raw(), what, "the working folder")?;
        let mut after = vec![format!("--set-env={variables}"), format!("--cd={folder}")];
        for mount in &process.mounts {
            let (host, inside) = (path_text(&mount.host, what)?, path_text(&mount.inside, what)?);
            if host.contains(':') {
                return Err(Error::usage(what, format!("{host} has a ':' in it, which ends a path for Charliecloud"))
                    .hint("mount a folder above it"));
            }
            after.push(format!("--bind={host}:{inside}"));
        }
        after.extend([image.to_owned(), "--".to_owned()]);
        after.extend(process.argv.iter().map(|word| word.raw().to_owned()));
        Ok(Parts { before, after })
    }

    fn written(&self, process: &ImageProcess, image: &Path, folder: &Path) -> Result<Written> {
        let what = "run with charliecloud";
        let variables = folder.join(VARIABLES);
        let parts = self.parts(process, path_text(&variables, what)?, path_text(image, what)?)?;
        let words = |words: &[String]| {
            let quoted = words.iter().map(|word| quoted(word, what)).collect::<Result<Vec<_>>>();
            quoted.map(|words| words.join(" "))
        };
        // A squashfs is mounted in a folder that nobody else can exchange.
        let is_file = image.extension().is_some_and(|ending| ending == "sqfs");
        let mount = if is_file { "  mkdir -p \"$place/image\"\n  set -- \"--mount=$place/image\"\n" } else { "" };
        let script = format!(
            "set --\nif [ -n \"$place\" ]; then\n{mount}  # What Slurm says of this task; the image's own variables come after it, and win.\n  \
             [ ! -r \"$place/environment\" ] || set -- \"$@\" \"--set-env=$place/environment\"\nfi\nexec {} \"$@\" {}\n",
            words(&parts.before)?,
            words(&parts.after)?,
        );
        let join = self.join(process, path_text(&variables, what)?, path_text(image, what)?)?;
        let enter = entering::script(&["user", "mnt"], &join);
        Ok(Written { script, variables: variables_of(process, what)?, enter })
    }

    /// The lines that join a process and run a command there. The variables are read before, outside.
    fn join(&self, process: &ImageProcess, variables: &str, image: &str) -> Result<String> {
        let what = "enter with charliecloud";
        let program = path_text(&self.program, what)?;
        let folder = one_line(process.working_dir.raw(), what, "the working folder")?;
        let after = [format!("--set-env={variables}"), format!("--cd={folder}"), image.to_owned(), "--".to_owned()];
        let words = after.iter().map(|word| quoted(word, what)).collect::<Result<Vec<_>>>()?;
        Ok(format!(
            "set -- {} \"$@\"\n\
             [ ! -r \"$place/environment\" ] || set -- \"--set-env=$place/environment\" \"$@\"\n\
             [ \"$files\" != terminal ] || set -- --set-env=TERM=xterm-256color \"$@\"\n\
             exec {} \"--join-pid=$inside\" '--unset-env=*' --env-no-expand \"$@\" 3<&-\n",
            words.join(" "),
            quoted(program, what)?,
        ))
    }
}

/// The file of variables: `NAME='value'` a line. One pair of quotes around a value is taken away (ch-run(1), "Environment
/// variables"), so that every value without a line break arrives as it is.
fn variables_of(process: &ImageProcess, what: &str) -> Result<String> {
    let lines = process.variables(what)?.into_iter().map(|(name, value)| {
        let shown = wharf_core::base::clean::short(name, 40);
        one_line(name, what, "the name of a variable")?;
        let odd = value.contains(['\n', '\0']);
        if odd {
            let why = format!("the variable {shown} has a line break in it, which Charliecloud cannot pass");
            return Err(Error::usage(what, why).hint("leave it out, or choose another runtime or backend"));
        }
        Ok(format!("{name}='{value}'\n"))
    });
    lines.collect()
}

#[async_trait]
impl Runtime for Charliecloud {
    fn name(&self) -> &'static str {
        "charliecloud"
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        image_process::accepts(image, self.name())
    }

    fn questions(&self, image: &Image) -> Vec<Section> {
        let help =
            "/host/path:/inside:rw, where the image has the folder inside; Charliecloud mounts nothing read-only";
        let mounts = Field::new("mounts", "Mounts", help, FieldKind::Mounts, "");
        // It has no network of its own to give.
        image_process::questions(image, &["host"], mounts)
    }

    async fn describe(&self, image: &Image, answers: &Answers) -> Result<Description> {
        let what = "plan with charliecloud";
        let mut process = ImageProcess::read(image, answers, what).await?;
        if let Some(mount) = process.mounts.iter().find(|mount| !mount.writes) {
            let why = format!("Charliecloud cannot mount {} read-only", mount.host.display());
            return Err(Error::usage("setting 'mounts'", why)
                .hint("add :rw if the program may write there, or choose another runtime or backend"));
        }
        process.network = true;
        if !command::has(&process.environment, "HOME") {
            // The only folder that it can write to.
            process.environment.push(Foreign::new("HOME=/tmp"));
        }
        let parts = self.parts(&process, VARIABLES, IMAGE)?;
        process.command = [parts.before, vec![format!("--mount={PLACE}/image")], parts.after].concat();
        // Refuses what cannot be passed on, before anything is made.
        self.written(&process, Path::new("/image"), Path::new("/folder"))?;
        let mut risks = image_process::risks(image, &process);
        risks.push(Risk::harmless("the image's files cannot be changed; /tmp can, and is gone afterwards"));
        risks.extend(process.gpus.then(questions::no_drivers));
        risks.push(Risk::danger(
            "Charliecloud separates file systems only: the program sees your other processes on the node, and can stop them \
             or read what is in them",
        ));
        Ok(Description { process: Process(serde_json::to_value(&process).during(what)?), risks })
    }

    async fn prepare(
        &self,
        cx: &Context,
        supply: &Supply,
        process: &Process,
        images: &Path,
        folder: &Path,
    ) -> Result<()> {
        let store = Store { own: images.to_owned(), site: self.site.clone() };
        let write = |process: &ImageProcess, image: &Path| self.written(process, image, folder);
        launch_folder::prepare(cx, supply, process, &store, folder, write).await
    }

    fn argv(&self, folder: &Path) -> Result<Vec<String>> {
        launch_folder::argv(folder)
    }

    fn check(&self, process: &Process, folder: &Path) -> Result<Option<Vec<String>>> {
        launch_folder::check(process, folder)
    }

    fn may_enter(&self, _process: &Process) -> Result<()> {
        Ok(())
    }

    fn enter(&self, folder: &Path, place: &Path, terminal: bool) -> Result<Vec<String>> {
        entering::words(folder, place, terminal)
    }

    fn with_site_store(&self, site: &Path) -> Option<Arc<dyn Runtime>> {
        Some(Arc::new(Self { site: Some(site.to_owned()), ..self.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        prepared::Form,
        runtimes::launch_folder::tests::{listener, received},
    };
    use wharf_core::launch::mount::Mount;

    fn process(argv: &[&str], environment: &[&str]) -> ImageProcess {
        let words = |words: &[&str]| words.iter().map(|word| Foreign::new(*word)).collect();
        ImageProcess {
            form: Form::Squashfs,
            argv: words(argv),
            environment: words(environment),
            mounts: vec![Mount::parse("/data:/in:rw").unwrap()],
            working_dir: Foreign::new("/work"),
            network: true,
            gpus: false,
            setuid: None,
            command: Vec::new(),
        }
    }

    #[test]
    fn the_script_starts_it_with_nothing_of_the_node() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("environment"), "SLURM_JOB_ID=7\n").unwrap();
        let runtime = Charliecloud::new(listener(folder.path()));
        let argv = ["prog", "-x", "a\nb 'c' \"$d\""];
        let written = runtime.written(
            &process(&argv, &["A=x 'y' $z", "B='q'", "A=last"]),
            Path::new("/image.sqfs"),
            folder.path(),
        );
        let written = written.unwrap();
        assert_eq!(written.variables, "B=''q''\nA='last'\n");
        let (arguments, environment) = received(&written.script, folder.path(), &place);
        let at = folder.path().display();
        let expected = [
            "--unset-env=*".to_owned(),
            "--env-no-expand".to_owned(),
            "--private-tmp".to_owned(),
            format!("--mount={at}/place/image"),
            format!("--set-env={at}/place/environment"),
            format!("--set-env={at}/variables"),
            "--cd=/work".to_owned(),
            "--bind=/data:/in".to_owned(),
            "/image.sqfs".to_owned(),
            "--".to_owned(),
        ];
        let expected: Vec<String> = expected.into_iter().chain(argv.map(str::to_owned)).collect();
        assert_eq!(arguments, expected);
        assert!(!environment.iter().any(|pair| pair.starts_with("SECRET")), "{environment:?}");
    }

    #[test]
    fn a_command_joins_the_process_with_what_the_image_says() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        std::fs::write(folder.path().join("environment"), "SLURM_JOB_ID=7\n").unwrap();
        let runtime = Charliecloud::new(listener(folder.path()));
        let join = runtime.join(&process(&["prog"], &[]), "/it's/variables", "/image.sqfs").unwrap();
        let given = format!("place='{at}' inside=7 files=terminal\nset -- prog 'a b' '$(id)'\n");
        let (arguments, _) = received(&format!("{given}{join}"), folder.path(), folder.path());
        let environment = format!("--set-env={at}/environment");
        let expected = [
            "--join-pid=7",
            "--unset-env=*",
            "--env-no-expand",
            "--set-env=TERM=xterm-256color",
            &environment,
            "--set-env=/it's/variables",
            "--cd=/work",
            "/image.sqfs",
            "--",
            "prog",
            "a b",
            "$(id)",
        ];
        assert_eq!(arguments, expected);
    }

    #[test]
    fn what_it_cannot_pass_is_refused_in_words() {
        let refused = |environment: &[&str]| {
            let written =
                Charliecloud::new("/c".into()).written(&process(&["x"], environment), Path::new("/i"), Path::new("/f"));
            written.err().map(|error| error.why).unwrap_or_default()
        };
        assert!(refused(&["A=1\n2"]).contains("line break"), "{}", refused(&["A=1\n2"]));
        assert!(!refused(&["A\nB=1"]).is_empty());
        assert_eq!(refused(&["odd.name=1", "TAB=a\tb"]), "");
    }
}
