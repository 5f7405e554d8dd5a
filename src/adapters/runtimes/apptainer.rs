//! Apptainer: `apptainer exec` on a prepared image, as any person (apptainer-exec(1)).

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;

use super::{
    entering,
    image_process::{self, IMAGE, ImageProcess, one_line, path_text},
    launch_folder::{self, Written, quoted},
};
use crate::{
    prepared::Store,
    shared::apptainer::{self, Program},
};
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{During, Error, Result},
    },
    image::model::{Foreign, Image},
    launch::{
        form::{Answers, Section},
        plan::Risk,
        questions,
    },
    ports::{Description, Process, Runtime, Supply},
};

/// Apptainer sets this itself.
const HOME: &str = "HOME";
/// Stands in a plan for the option that shows the GPUs inside, which depends on the node.
const DRIVERS: &str = "DRIVERS";
/// Finds whose GPUs the node has: their devices and the libraries of their driver are shown inside (apptainer-exec(1)).
const FIND_DRIVERS: &str = "drivers=\n[ ! -e /dev/kfd ] || drivers=--rocm\n[ ! -e /dev/nvidiactl ] || drivers=--nv";
/// Begins the names of variables that Apptainer passes on under the rest of their name, unchanged.
const PASSED: &str = "APPTAINERENV_";

/// Run by the image's shell, with the variables on descriptor 9: first lines `NAME=value` up to an empty one, then lines for
/// a shell. Its first argument is the working folder, the others are the command.
const INSIDE: &str = r#"while IFS= read -r wharf_line <&9 && [ -n "$wharf_line" ]; do export "$wharf_line"; done
eval "$(while IFS= read -r wharf_line <&9; do printf "%s\n" "$wharf_line"; done)"
exec 9<&-
cd "$1" || exit 1
unset wharf_line OLDPWD
shift
exec "$@""#;
/// Joins the namespaces and the root folder of `$at`, and runs `"$@"` there. The variables go through a pipe, because a file
/// could be opened again by its descriptor, and then be changed. The working folder is named, because nsenter else returns
/// to the one that it had outside (nsenter(1), `--root`).
const JOIN: &str = r#"for program in nsenter setpriv getent; do
  command -v "$program" >/dev/null || not "this node has no program $program. Ask for it, or choose another runtime (inside)"
done
[ "$(field "$at/stat" 2)" = "$noted" ] || not "$again"
for kind in user mnt pid net ipc uts cgroup; do
  [ "$(readlink "$at/ns/$kind")" != "$(readlink "/proc/self/ns/$kind")" ] || continue
  case $kind in mnt) option=mount ;; *) option=$kind ;; esac
  set -- "--$option=$at/ns/$kind" "$@"
done
home=$(getent passwd "$(id -u)" | cut -d: -f6)
variables() {
  echo "HOME=${home:-$HOME}"
  echo PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  [ "$files" != terminal ] || echo TERM=xterm-256color
  if [ -r "$place/environment" ]; then
    while IFS= read -r line; do
      name=${line%%=*}
      case $name in '' | "$line" | [0-9]* | *[!A-Za-z0-9_]*) continue ;; esac
      printf '%s\n' "$line"
    done <"$place/environment"
  fi
  echo
  cat "${0%/*}/variables"
}
exec 4<&0
variables 3<&- 4<&- </dev/null |
  env -i PATH="$PATH" setpriv --no-new-privs nsenter --preserve-credentials --root="$at/root" --wd="$at/root" "$@" \
    9<&0 0<&4 3<&- 4<&-
"#;

/// The runtime with Apptainer's program.
#[derive(Debug, Clone)]
pub struct Apptainer {
    program: Arc<Program>,
    site: Option<PathBuf>,
}

impl Apptainer {
    /// The runtime with this program, which every node has under the same path.
    pub fn new(program: PathBuf) -> Self {
        Self { program: Arc::new(Program::new(program)), site: None }
    }

    /// The command line for an image.
    fn command(&self, process: &ImageProcess, image: &str) -> Result<Vec<String>> {
        let what = "run with apptainer";
        let mut words = vec![self.program.word()?];
        // Contained: of the node's file systems only /dev, /proc and /sys, and an empty home; processes and environment of
        // its own. Without evaluation: what a variable or an argument holds is passed as it is.
        let contained = ["--silent", "exec", "--containall", "--cleanenv", "--no-eval"];
        words.extend(contained.map(str::to_owned));
        if !process.network {
            words.extend(["--net", "--network", "none"].map(str::to_owned));
        }
        if process.gpus {
            words.push(DRIVERS.to_owned());
        }
        let folder = one_line(process.working_dir.raw(), what, "the working folder")?;
        words.extend(["--pwd".to_owned(), folder.to_owned()]);
        for mount in &process.mounts {
            let (host, inside) = (path_text(&mount.host, what)?, path_text(&mount.inside, what)?);
            words.extend(["--mount".to_owned(), apptainer::mount(host, inside, mount.writes)]);
        }
        words.push(image.to_owned());
        words.extend(process.argv.iter().map(|word| word.raw().to_owned()));
        Ok(words)
    }

    fn written(&self, process: &ImageProcess, image: &Path) -> Result<Written> {
        let what = "run with apptainer";
        let mut lines = vec![
            "# What Slurm says of this task; the image's own variables come after it, and win.".to_owned(),
            "if [ -n \"$place\" ] && [ -r \"$place/environment\" ]; then".to_owned(),
            "  while IFS= read -r line; do".to_owned(),
            "    name=${line%%=*}".to_owned(),
            "    case $name in '' | \"$line\" | [0-9]* | *[!A-Za-z0-9_]*) continue ;; esac".to_owned(),
            format!("    export \"{PASSED}$line\""),
            "  done <\"$place/environment\"".to_owned(),
            "fi".to_owned(),
        ];
        for (name, value) in process.variables(what)?.into_iter().filter(|(name, _)| *name != HOME) {
            lines.push(format!("export {PASSED}{}={}", plain(name, what)?, quoted(value, what)?));
        }
        if process.gpus {
            lines.push(FIND_DRIVERS.to_owned());
        }
        let words = self.command(&ImageProcess { gpus: false, ..process.clone() }, path_text(image, what)?)?;
        let mut words = words.iter().map(|word| quoted(word, what)).collect::<Result<Vec<_>>>()?;
        if process.gpus {
            // After the program and `--silent exec`.
            words.insert(3, "$drivers".to_owned());
        }
        lines.push(format!("exec {}", words.join(" ")));
        let variables = process.variables(what)?.into_iter().filter(|(name, _)| *name != HOME);
        // Not every shell lets every name be set; the command runs nevertheless.
        let variable = |(name, value)| {
            Ok(format!("command export {}={} 2>/dev/null || :\n", plain(name, what)?, quoted(value, what)?))
        };
        Ok(Written {
            script: lines.join("\n") + "\n",
            variables: variables.map(variable).collect::<Result<String>>()?,
            enter: entering::script(&["user", "mnt", "pid"], &join(process, what)?),
        })
    }
}

/// The lines that join a process and run a command there. What the image says is read by its own shell, after everything
/// was joined: variables such as `LD_PRELOAD` would otherwise make programs of the node load what the image has.
fn join(process: &ImageProcess, what: &str) -> Result<String> {
    let folder = quoted(one_line(process.working_dir.raw(), what, "the working folder")?, what)?;
    Ok(format!("set -- /bin/sh -c {} sh {folder} \"$@\"\n{JOIN}", quoted(INSIDE, what)?))
}

/// A name that a shell can export.
fn plain<'a>(name: &'a str, what: &str) -> Result<&'a str> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(name);
    }
    let why = format!("Apptainer cannot pass a variable named '{}'", clean::short(name, 40));
    Err(Error::usage(what, why).hint("use letters, digits and '_' in names, or choose another runtime or backend"))
}

#[async_trait]
impl Runtime for Apptainer {
    fn name(&self) -> &'static str {
        "apptainer"
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        image_process::accepts(image, self.name())
    }

    fn questions(&self, image: &Image) -> Vec<Section> {
        image_process::questions(image, &["none", "host"], questions::mounts())
    }

    async fn describe(&self, image: &Image, answers: &Answers) -> Result<Description> {
        let what = "plan with apptainer";
        let mut process = ImageProcess::read(image, answers, what).await?;
        for word in answers.split_words("env") {
            if word.starts_with("HOME=") {
                return Err(Error::usage("setting 'env'", "Apptainer sets HOME itself, to an empty folder")
                    .hint("leave HOME out, or mount what you want there"));
            }
        }
        process.environment.retain(|pair: &Foreign| !pair.raw().starts_with("HOME="));
        process.setuid = self.program.installation().await.ok().and_then(|installed| installed.setuid);
        process.command = self.command(&process, IMAGE)?;
        // Refuses what no script can pass on, before anything is made.
        self.written(&process, Path::new("/image"))?;
        let mut risks = image_process::risks(image, &process);
        risks.push(Risk::harmless("/tmp and the home folder inside are empty, and are gone afterwards"));
        if process.gpus {
            risks.push(Risk::harmless(
                "DRIVERS is --nv or --rocm, as the node has: the GPUs' devices and the libraries of their driver are inside",
            ));
        }
        risks.push(match process.setuid {
            Some(true) => {
                Risk::caution("Apptainer is installed setuid here: a part of it runs as root before the image does")
            }
            Some(false) => Risk::harmless("Apptainer is installed without setuid: no part of it runs as root"),
            None => Risk::caution("whether a part of Apptainer runs as root (setuid) could not be learnt"),
        });
        risks.push(Risk::caution("isolation is that of Apptainer's namespaces: the kernel is shared with the node"));
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
        launch_folder::prepare(cx, supply, process, &store, folder, |process, image| self.written(process, image)).await
    }

    fn argv(&self, folder: &Path) -> Result<Vec<String>> {
        launch_folder::argv(folder)
    }

    fn check(&self, process: &Process, folder: &Path) -> Result<Option<Vec<String>>> {
        launch_folder::check(process, folder)
    }

    fn may_enter(&self, process: &Process) -> Result<()> {
        let what = "enter what runs in apptainer";
        let process: ImageProcess = serde_json::from_value(process.0.clone()).during(what)?;
        if process.setuid == Some(true) {
            let why = "Apptainer is installed setuid: nobody but root may join what it starts";
            return Err(Error::unsupported(what, why).hint("choose another runtime (inside)"));
        }
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
            mounts: Vec::new(),
            working_dir: Foreign::new("/"),
            network: false,
            gpus: false,
            setuid: None,
            command: Vec::new(),
        }
    }

    #[test]
    fn gpus_that_are_reserved_are_shown_inside_as_the_node_has_them() {
        let runtime = Apptainer::new("/opt/apptainer".into());
        let without = process(&["prog"], &[]);
        let with = ImageProcess { gpus: true, ..without.clone() };
        let script = |process| runtime.written(process, Path::new("/image.sqfs")).unwrap().script;
        assert!(!script(&without).contains("drivers"));
        let text = script(&with);
        assert!(text.contains("[ ! -e /dev/nvidiactl ] || drivers=--nv\n"), "{text}");
        assert!(text.contains("exec /opt/apptainer --silent exec $drivers --containall "), "{text}");
        assert_eq!(runtime.command(&with, IMAGE).unwrap().iter().filter(|word| *word == DRIVERS).count(), 1);
    }

    #[test]
    fn the_command_line_contains_and_takes_no_orders_from_the_node() {
        let mut process = process(&["prog", "-x", "a b"], &[]);
        process.mounts = vec![Mount::parse("/data:/in").unwrap(), Mount::parse("/a,b:/o\"ut:rw").unwrap()];
        let words = Apptainer::new("/opt/apptainer".into()).command(&process, IMAGE).unwrap();
        let expected = [
            "/opt/apptainer",
            "--silent",
            "exec",
            "--containall",
            "--cleanenv",
            "--no-eval",
            "--net",
            "--network",
            "none",
            "--pwd",
            "/",
            "--mount",
            "type=bind,source=/data,destination=/in,ro",
            "--mount",
            "type=bind,\"source=/a,b\",\"destination=/o\"\"ut\"",
            "IMAGE",
            "prog",
            "-x",
            "a b",
        ];
        assert_eq!(words, expected);
        process.network = true;
        let words = Apptainer::new("/opt/apptainer".into()).command(&process, IMAGE).unwrap();
        assert!(!words.iter().any(|word| word == "--network"));
    }

    #[test]
    fn what_a_setuid_installation_starts_cannot_be_entered() {
        let may = |setuid| {
            let process = ImageProcess { setuid, ..process(&["x"], &[]) };
            Apptainer::new("/a".into()).may_enter(&Process(serde_json::to_value(process).unwrap()))
        };
        assert!(may(Some(false)).is_ok() && may(None).is_ok());
        let error = may(Some(true)).unwrap_err();
        assert!(error.why.contains("setuid") && error.hint.contains("inside"), "{error}");
    }

    /// What a command in a process gets: the words after the working folder, and the variables.
    fn inside(variables: &str, folder: &Path, words: &[&str]) -> (Vec<String>, Vec<String>) {
        let words = words.iter().map(|word| quoted(word, "test").unwrap()).collect::<Vec<_>>().join(" ");
        let (listener, own) = (listener(folder), folder.join("own"));
        std::fs::write(&own, format!("SLURM_JOB_ID=7\nVALUE=lost\n\n{variables}")).unwrap();
        let run = quoted(INSIDE, "test").unwrap();
        let line = format!("/bin/sh -c {run} sh /usr {} {words} 9<&0 </dev/null", listener.display());
        received(&format!("exec <{}\n{line}\n", own.display()), folder, folder)
    }

    #[test]
    fn names_that_it_cannot_pass_are_refused() {
        for name in ["a.b", "1a", "a-b", "a b", "é"] {
            let written =
                Apptainer::new("/a".into()).written(&process(&["x"], &[&format!("{name}=1")]), Path::new("/i"));
            assert!(written.is_err_and(|error| error.why.contains("cannot pass")), "{name}");
        }
        assert!(Apptainer::new("/a".into()).written(&process(&["x\0"], &[]), Path::new("/i")).is_err());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
        #[test]
        fn arguments_and_values_arrive_as_they_are(words in proptest::collection::vec(odd(), 1..5), value in odd()) {
            let folder = tempfile::tempdir().unwrap();
            let place = folder.path().join("place");
            std::fs::create_dir(&place).unwrap();
            std::fs::write(place.join("environment"), "SLURM_JOB_ID=7\nVALUE=lost\nodd-name=x\nno pair\n").unwrap();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let runtime = Apptainer::new(listener(folder.path()));
            let written = runtime.written(&process(&words, &[&format!("VALUE={value}")]), Path::new("/image")).unwrap();
            let (arguments, environment) = received(&written.script, folder.path(), &place);
            proptest::prop_assert_eq!(&arguments[arguments.len() - words.len()..], &words[..]);
            let given = format!("APPTAINERENV_VALUE={value}");
            proptest::prop_assert!(environment.contains(&given), "{:?}", environment);
            proptest::prop_assert!(environment.iter().any(|pair| pair == "APPTAINERENV_SLURM_JOB_ID=7"));
            let known = ["APPTAINERENV_", "PATH=", "HOME=", "USER=", "PWD=", "OLDPWD=", "SHLVL=", "_="];
            let foreign = environment.iter().find(|pair| !known.iter().any(|name| pair.starts_with(name)));
            proptest::prop_assert!(foreign.is_none(), "{:?}", foreign);
            let (arguments, environment) = inside(&written.variables, folder.path(), &words);
            proptest::prop_assert_eq!(&arguments[..], &words[..]);
            for pair in [format!("VALUE={value}").as_str(), "SLURM_JOB_ID=7", "PWD=/usr"] {
                proptest::prop_assert!(environment.iter().any(|one| one == pair), "{}: {:?}", pair, environment);
            }
            proptest::prop_assert!(!environment.iter().any(|one| one.starts_with("wharf_line")));
        }
    }

    fn odd() -> impl proptest::strategy::Strategy<Value = String> {
        let parts = ["\n", "'", "\"", "\\", "$HOME", "`id`", " ", "-", "--bind", "a", "é", "\r", "*", "~", "!", ""];
        let parts = proptest::sample::select(parts.to_vec());
        proptest::strategy::Strategy::prop_map(proptest::collection::vec(parts, 0..6), |parts| parts.concat())
    }
}
