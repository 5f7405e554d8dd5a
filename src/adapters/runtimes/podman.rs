//! Podman without root: `podman run --rootfs` on a prepared image, as any person (podman-run(1)).
//!
//! Podman's own files are in a folder of the node that is removed at the end, because they cannot be on a network file
//! system, and because two jobs of one person must not share them. Its settings there are empty: only what the plan shows
//! is mounted and passed on.

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
        clean,
        context::Context,
        error::{During, Error, Result},
    },
    image::model::{Foreign, Image},
    launch::{
        command,
        form::{Answers, Section},
        plan::Risk,
        questions,
    },
    ports::{Description, Process, Runtime, Supply},
};

/// The most bytes of a line in a file of variables: Podman reads no longer ones.
const LONGEST: usize = 60_000;
/// Podman with its own files in `$state`, and with no settings of the node or the person.
const FILES: &str = r#"--root "$state/storage" --runroot "$state/run" --tmpdir "$state/tmp" --storage-driver vfs --cgroup-manager cgroupfs --events-backend none --log-level error"#;
/// What Podman reads before its options.
const SETTINGS: &str = r#"limit=''
# In one look: a neighbour who changes what is there between two could lead anywhere by a link.
is_own() { [ "$(stat -c '%u %F' "$state" 2>/dev/null)" = "$(id -u) directory" ]; }
settings() {
  export HOME="$state" XDG_RUNTIME_DIR="$state/run"
  export CONTAINERS_CONF="$state/containers.conf" CONTAINERS_STORAGE_CONF="$state/storage.conf"
}
"#;
/// Makes the folder of Podman's files, ends and removes those of scripts that were killed, and ends what was started.
const BEGIN: &str = r#"read_number() { number='' of=''; [ ! -r "$state/$1" ] || read -r number of <"$state/$1" || :; }
# Whether a process has a handler for SIGTERM (proc_pid_status(5), SigCgt).
catches() {
  mask=$(sed -n 's/^SigCgt:[[:blank:]]*//p' "/proc/$1/status") && [ -n "$mask" ] &&
    [ $((0x${mask#"${mask%????}"} & 0x4000)) -ne 0 ]
}
# A number may have been given to another process since.
is_ours() { [ -n "$1" ] && grep -qaF "$state/run" "/proc/$1/environ"; }
end() {
  # What has a handler was asked to end, and gets time for it: less than Slurm gives (KillWait). Others heard nothing, as
  # the kernel tells the first process of a namespace only of signals that it handles.
  number=$(own inspect --format '{{.State.Pid}}' wharf) || number=''
  tries=0
  while catches "$number" && [ $tries -lt $most ]; do sleep 0.2; tries=$((tries + 1)); done
  own rm --force --ignore --time 0 wharf
  # Some of it belongs to numbers that only Podman's namespace has.
  own unshare rm -rf "$state/run" "$state/storage" "$state/scratch"
  for one in mount tmp/pause.pid; do
    read_number "$one"
    is_ours "$number" && kill -KILL "$number"
  done
  rm -rf "$state"
}
most=0 limit='timeout 60'
for state in /tmp/wharf-podman.*; do
  is_own || continue
  read_number script
  # Where jobs see their own processes only, nothing is known of those of others.
  [ "$of" = "$(readlink /proc/self/ns/pid)" ] && ! kill -0 "$number" 2>/dev/null || continue
  settings
  end >/dev/null 2>&1 || :
done
limit=''
state=$(mktemp -d /tmp/wharf-podman.XXXXXX)
settings
echo "$$ $(readlink /proc/self/ns/pid)" >"$state/script"
mkdir "$state/image" "$state/run" "$state/scratch"
: >"$state/containers.conf"
printf '[storage]\ndriver = "vfs"\n' >"$state/storage.conf"
: >"$state/environment"
if [ -n "$place" ]; then
  # What Slurm says of this task; the image's own variables come after it, and win.
  [ ! -r "$place/environment" ] ||
    grep -E '^[A-Za-z_][A-Za-z0-9_]*=' "$place/environment" >"$state/environment" || :
  echo "$state" >"$place/podman"
fi
trap : INT TERM HUP
most=125 code=0
"#;
/// Mounts the image `$2` in the folder `$1`, or unpacks it there where that cannot be, and becomes the rest. It runs in
/// Podman's namespaces, so that the mount is gone with them.
const INSIDE: &str = r#"set -eu
state=$1 image=$2
shift 2
is_mounted() { [ "$(stat -c %d "$state/image")" != "$(stat -c %d "$state")" ]; }
if [ -f "$image" ]; then
  # Whoever is asked to end by a signal to all processes still needs its files.
  (trap '' INT TERM HUP; exec squashfuse -f "$image" "$state/image") 2>"$state/why" &
  echo $! >"$state/mount"
  tries=0
  while ! is_mounted && kill -0 $! 2>/dev/null && [ $tries -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
  is_mounted || unsquashfs -force -quiet -no-progress -no-xattrs -dest "$state/image" "$image" >>"$state/why" 2>&1 || {
    cat "$state/why" >&2
    echo 'wharf: this node can neither mount the image (squashfuse) nor unpack it (unsquashfs): choose another runtime (inside)' >&2
    exit 1
  }
fi
exec "$@"
"#;
/// Runs `"$@"` in the container whose files are noted.
const ENTER: &str = r#"again='it is still starting, or ending. Try again in a moment'
state=''
[ ! -r "$place/podman" ] || read -r state <"$place/podman" || :
case $state in /tmp/wharf-podman.*) ;; *) not "$again" ;; esac
is_own || not "$again"
settings
[ -n "$(own ps --quiet --filter name=wharf 2>/dev/null)" ] || not "$again"
case $files in terminal) set -- --tty --env TERM=xterm-256color wharf "$@" ;; *) set -- wharf "$@" ;; esac
own exec --interactive "$@"
"#;

/// The runtime with Podman's program.
#[derive(Debug, Clone)]
pub struct Podman {
    program: PathBuf,
    site: Option<PathBuf>,
}

/// How the words of a command line are written.
struct Words<'a> {
    /// The image's folder.
    root: &'a str,
    /// The folder of Podman's files.
    state: &'a str,
    /// The image's variables.
    variables: &'a str,
    /// Writes a word that may have anything in it.
    word: &'a dyn Fn(&str) -> Result<String>,
}

impl Podman {
    /// The runtime with this program, which every node has under the same path.
    pub fn new(program: PathBuf) -> Self {
        Self { program, site: None }
    }

    fn written(&self, process: &ImageProcess, image: &Path, folder: &Path) -> Result<Written> {
        let what = "run with podman";
        let word = |word: &str| quoted(word, what);
        let program = word(path_text(&self.program, what)?)?;
        let begin = format!("podman={program}\nown() {{ $limit \"$podman\" {FILES} \"$@\"; }}\n{SETTINGS}");
        let image_word = word(path_text(image, what)?)?;
        let is_file = image.extension().is_some_and(|ending| ending == "sqfs");
        let words = Words {
            root: if is_file { "\"$state/image\"" } else { &image_word },
            state: "\"$state\"",
            variables: &word(path_text(&folder.join(VARIABLES), what)?)?,
            word: &word,
        };
        let script = format!(
            "{begin}{BEGIN}own unshare /bin/sh -c {} sh \"$state\" {image_word} \"$podman\" {FILES} \\\n  {} || code=$?\n\
             limit='timeout 60'\nend >/dev/null 2>&1 || :\nexit $code\n",
            word(INSIDE)?,
            run(process, &words)?.join(" "),
        );
        let enter = entering::script_of_runtime(&format!("{begin}{ENTER}"));
        Ok(Written { script, variables: variables_of(process, what)?, enter })
    }
}

/// Whether `/tmp` inside is a folder of its own, as nothing else is mounted there.
fn has_own_tmp(process: &ImageProcess) -> bool {
    !process.mounts.iter().any(|mount| mount.inside == Path::new("/tmp"))
}

/// The words of `podman run`: nothing of the node but what was asked for, no rights, and files that cannot be changed.
fn run(process: &ImageProcess, words: &Words<'_>) -> Result<Vec<String>> {
    let what = "run with podman";
    let closed = "run --rm --name wharf --http-proxy=false --read-only --read-only-tmpfs=false --cap-drop all \
                  --security-opt no-new-privileges --userns keep-id --log-driver none --network";
    let mut all: Vec<String> = closed.split_whitespace().map(str::to_owned).collect();
    all.push(if process.network { "host" } else { "none" }.to_owned());
    let folder = one_line(process.working_dir.raw(), what, "the working folder")?;
    all.extend(["--workdir".to_owned(), (words.word)(folder)?]);
    if has_own_tmp(process) {
        all.extend(["--volume".to_owned(), format!("{}/scratch:/tmp", words.state)]);
    }
    for mount in &process.mounts {
        let (host, inside) = (path_text(&mount.host, what)?, path_text(&mount.inside, what)?);
        if let Some(path) = [host, inside].into_iter().find(|path| path.contains(':')) {
            return Err(Error::usage(what, format!("{path} has a ':' in it, which ends a path for Podman"))
                .hint("mount a folder above it"));
        }
        let access = if mount.writes { "rw" } else { "ro" };
        all.extend(["--volume".to_owned(), (words.word)(&format!("{host}:{inside}:{access}"))?]);
    }
    all.extend(["--env-file".to_owned(), format!("{}/environment", words.state)]);
    all.extend(["--env-file".to_owned(), words.variables.to_owned()]);
    // Podman adds mount points and a few files of its own, which go into a layer above the image.
    all.extend(["--rootfs".to_owned(), format!("{}:O", words.root)]);
    for word in &process.argv {
        all.push((words.word)(word.raw())?);
    }
    Ok(all)
}

/// The file of variables: `NAME=value` a line, as it is (podman-run(1), `--env-file`).
fn variables_of(process: &ImageProcess, what: &str) -> Result<String> {
    let lines = process.variables(what)?.into_iter().map(|(name, value)| {
        let shown = clean::short(name, 40);
        one_line(name, what, "the name of a variable")?;
        let why = if value.contains(['\n', '\r', '\0']) {
            format!("the variable {shown} has a line break in it, which Podman cannot pass")
        } else if name.starts_with('#') || name.contains(char::is_whitespace) {
            format!("Podman cannot pass a variable named '{shown}'")
        } else if name.len() + value.len() > LONGEST {
            format!("the variable {shown} has more than {LONGEST} bytes, which Podman cannot pass")
        } else {
            return Ok(format!("{name}={value}\n"));
        };
        Err(Error::usage(what, why).hint("leave it out, or choose another runtime or backend"))
    });
    lines.collect()
}

#[async_trait]
impl Runtime for Podman {
    fn name(&self) -> &'static str {
        "podman"
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        image_process::accepts(image, self.name())
    }

    fn questions(&self, image: &Image) -> Vec<Section> {
        image_process::questions(image, &["none", "host"], questions::mounts())
    }

    async fn describe(&self, image: &Image, answers: &Answers) -> Result<Description> {
        let what = "plan with podman";
        let mut process = ImageProcess::read(image, answers, what).await?;
        if !command::has(&process.environment, "HOME") {
            // The only folder that it can write to.
            process.environment.push(Foreign::new("HOME=/tmp"));
        }
        let shown = Words { root: IMAGE, state: PLACE, variables: VARIABLES, word: &|word| Ok(word.to_owned()) };
        let mut words = run(&process, &shown)?;
        words.insert(0, path_text(&self.program, what)?.to_owned());
        process.command = words;
        // Refuses what cannot be passed on, before anything is made.
        self.written(&process, Path::new("/image"), Path::new("/folder"))?;
        let mut risks = image_process::risks(image, &process);
        risks.push(Risk::harmless(if has_own_tmp(&process) {
            "the image's files cannot be changed; /tmp can: it is a folder of the node, and is removed afterwards"
        } else {
            "the image's files cannot be changed"
        }));
        risks.extend(process.gpus.then(questions::no_drivers));
        risks.push(Risk::caution("isolation is that of Podman's namespaces: the kernel is shared with the node"));
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
    use crate::{prepared::Form, runtimes::launch_folder::tests::received};
    use std::os::unix::fs::PermissionsExt;
    use wharf_core::launch::mount::Mount;

    fn process(argv: &[&str], environment: &[&str]) -> ImageProcess {
        let words = |words: &[&str]| words.iter().map(|word| Foreign::new(*word)).collect();
        ImageProcess {
            form: Form::Folder,
            argv: words(argv),
            environment: words(environment),
            mounts: vec![Mount::parse("/data:/in").unwrap(), Mount::parse("/o ut:/out:rw").unwrap()],
            working_dir: Foreign::new("/work"),
            network: false,
            gpus: false,
            setuid: None,
            command: Vec::new(),
        }
    }

    /// A program in Podman's place: it runs what is to run in its namespaces, and keeps what it is to start.
    fn podman(folder: &Path) -> PathBuf {
        let program = folder.join("podman");
        let at = folder.display();
        let text = format!(
            "#!/bin/sh\nwhile [ \"${{1#--}}\" != \"$1\" ]; do shift 2; done\ncase $1 in\nunshare) shift; exec \"$@\" ;;\n\
             run) printf '%s\\0' \"$@\" >{at}/arguments; env -0 >{at}/environment; exit \"$(cat {at}/code)\" ;;\n\
             rm) echo \"$@\" >>{at}/removed ;;\nesac\n"
        );
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(folder.join("code"), "0").unwrap();
        program
    }

    #[test]
    fn the_script_starts_it_closed_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("environment"), "SLURM_JOB_ID=7\n").unwrap();
        let runtime = Podman::new(podman(folder.path()));
        let argv = ["prog", "-x", "a\nb 'c' \"$d\"", "ROOT", "--rm"];
        let written =
            runtime.written(&process(&argv, &["A=x 'y' $z", "B=1", "B='q'"]), Path::new("/image"), folder.path());
        let written = written.unwrap();
        assert_eq!(written.variables, "A=x 'y' $z\nB='q'\n");
        let (arguments, environment) = received(&written.script, folder.path(), &place);
        let line = arguments.join(" ");
        let state = std::fs::read_to_string(place.join("podman")).unwrap().trim().to_owned();
        assert!(line.contains("--cap-drop all --security-opt no-new-privileges --userns keep-id"), "{line}");
        assert!(line.contains("--network none --workdir /work"), "{line}");
        assert!(line.contains(&format!("--volume {state}/scratch:/tmp --volume /data:/in:ro --volume /o ut:/out:rw")));
        assert!(line.contains(&format!("--env-file {state}/environment --env-file")), "{line}");
        assert_eq!(arguments[arguments.len() - argv.len()..], argv);
        assert_eq!(arguments[arguments.len() - argv.len() - 1], "/image:O");
        assert!(
            !environment.iter().any(|pair| pair.starts_with("SECRET") || pair.starts_with("A=")),
            "{environment:?}"
        );
        assert!(environment.contains(&format!("HOME={state}")), "no settings of the person: {environment:?}");
        assert!(!Path::new(&state).exists(), "its files are gone");
        assert!(std::fs::read_to_string(folder.path().join("removed")).unwrap().contains("--force"));
    }

    #[test]
    fn what_it_cannot_pass_is_refused_in_words() {
        let refused = |environment: &[&str]| {
            let written =
                Podman::new("/p".into()).written(&process(&["x"], environment), Path::new("/i"), Path::new("/f"));
            written.err().map(|error| error.why).unwrap_or_default()
        };
        let long = format!("A={}", "x".repeat(LONGEST));
        for odd in ["A=1\n2", "A=1\r", "#A=1", "A B=1", " A=1", "A\nB=1", &long] {
            assert!(!refused(&[odd]).is_empty(), "{odd}");
        }
        assert_eq!(refused(&["odd.name=1", "TAB=a\tb", "Q=\"a\" # b"]), "");
        let mut colon = process(&["x"], &[]);
        colon.mounts[0].host = "/a:b".into();
        let error = Podman::new("/p".into()).written(&colon, Path::new("/i"), Path::new("/f")).err().unwrap();
        assert!(error.why.contains("':'") && !error.hint.is_empty(), "{error}");
    }
}
