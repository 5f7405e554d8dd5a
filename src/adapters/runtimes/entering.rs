//! The script that runs a command inside of a process: how the process is found, and that it is the one that was started.
//!
//! The script of a launch notes its own process in the folder of one process, as `NUMBER START`, and then becomes the
//! runtime's program. The program of the image is that process, or a child of it. It is entered only when its runtime has
//! finished with it: before, what joins its namespaces would still see the files of the node.

use std::path::Path;

use super::image_process::path_text;
use wharf_core::base::error::{Error, Result};

/// The script that runs a command inside, in the folder of a launch.
pub(super) const ENTER: &str = "enter";
/// A field of a line of `/proc/PID/stat`, counted after the name (proc_pid_stat(5)).
const FIELD: &str = r#"field() {
  read -r line 2>/dev/null <"$1" || return 1
  # The name of the process is in brackets and may have anything in it.
  set -f; set -- "$2" ${line##*) }; set +f
  shift "$1"; echo "$1"
}
"#;
/// Notes the process that is about to become the runtime's program. A job runs without the note, too.
const NOTE: &str = r#"if [ -n "$place" ]; then
  { echo "$$ $(field "/proc/$$/stat" 20)" >"$place/running.new" && mv -f "$place/running.new" "$place/running"; } || :
fi
"#;
/// Begins every script that enters, with nothing of the environment of whoever calls it.
const BEGIN: &str = r#"#!/bin/sh
# usage: enter PLACE pipe|terminal COMMAND..., where the process of PLACE runs.
set -eu
umask 077
if [ "$1" != clean ]; then
  exec env -i PATH="$PATH" HOME="${HOME:-/}" USER="${USER:-$(id -un 2>/dev/null || id -u)}" /bin/sh "$0" clean "$@"
fi
place=$2 files=$3
shift 3
[ "$files" = terminal ] || exec 2>&1
not() { echo "wharf: it cannot be entered: $1" >&2; exit 1; }
"#;
/// Finds the process in the image, and holds its folder in `/proc` as `$at`: that means this process, even if its number is
/// given to another one.
const FIND: &str = r#"again='it is still starting, or ending. Try again in a moment'
noted='' since=''
[ ! -r "$place/running" ] || read -r noted since <"$place/running" || :
case $noted/$since in /* | */ | */*/* | *[!0-9/]*) not "$again" ;; esac
is_same() { [ "$(field "/proc/$noted/stat" 20)" = "$since" ]; }
is_same || not 'its process is not on this node any more'
# Whether what is at $at has namespaces and a root folder of its own, and no rights any more.
is_inside() {
  for kind in $kinds; do
    its=$(readlink "$at/ns/$kind") || return 1
    [ "$its" != "$(readlink "/proc/self/ns/$kind")" ] || return 1
  done
  its=$(stat -L -c %d:%i "$at/root") || return 1
  [ "$its" != "$(stat -L -c %d:%i /)" ] || return 1
  [ "$(id -u)" = 0 ] || grep -q '^CapEff:[[:blank:]]*0*$' "$at/status"
}
at=/proc/$$/fd/3 inside=''
for one in "$noted" $(cat "/proc/$noted/task/"*/children 2>/dev/null || :); do
  [ -d "/proc/$one" ] || continue
  exec 3<"/proc/$one"
  if is_inside 2>/dev/null && is_same; then inside=$one; break; fi
done
[ -n "$inside" ] || not "$again"
"#;

/// The lines that note the process, for the script that starts it.
pub(super) fn note() -> String {
    format!("{FIELD}{NOTE}")
}

/// A script that enters. `kinds` are the namespaces that the runtime always makes; `rest` runs the command, which is `"$@"`,
/// in the process `$inside`, whose folder in `/proc` is `$at`.
pub(super) fn script(kinds: &[&str], rest: &str) -> String {
    format!("{BEGIN}{FIELD}kinds='{}'\n{FIND}{rest}", kinds.join(" "))
}

/// A script that enters by the runtime's own program: `rest` does it, with the command in `"$@"`.
pub(super) fn script_of_runtime(rest: &str) -> String {
    format!("{BEGIN}{rest}")
}

/// The words that, followed by a command, run that command inside. Looks whether the script is there.
///
/// # Errors
/// `Unsupported` for what was prepared without one.
pub(super) fn words(folder: &Path, place: &Path, terminal: bool) -> Result<Vec<String>> {
    let what = "enter a prepared image";
    let script = folder.join(ENTER);
    if !script.is_file() {
        return Err(Error::unsupported(
            what,
            format!("{} is not there: an older Wharf has prepared it", script.display()),
        )
        .hint("launch it again"));
    }
    let files = if terminal { "terminal" } else { "pipe" };
    let words = ["/bin/sh", path_text(&script, what)?, path_text(place, what)?, files];
    Ok(words.map(str::to_owned).to_vec())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What a script that would tell that it is inside says, where this is noted.
    fn said(noted: Option<&str>) -> String {
        let folder = tempfile::tempdir().unwrap();
        if let Some(noted) = noted {
            std::fs::write(folder.path().join("running"), noted).unwrap();
        }
        let file = folder.path().join(ENTER);
        std::fs::write(&file, script(&["user", "mnt"], "echo \"inside $*\"\n")).unwrap();
        let mut command = Command::new("/bin/sh");
        let output = command.arg(&file).arg(folder.path()).args(["pipe", "a b"]).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(1), &b""[..]));
        String::from_utf8(output.stdout).unwrap()
    }

    fn own_start() -> String {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned()
    }

    #[test]
    fn only_the_noted_process_is_entered_and_only_in_its_own_namespaces() {
        let own = std::process::id();
        for early in [None, Some(""), Some("1\n"), Some("; id\n"), Some("1 2 3\n"), Some("$(id) 1\n"), Some("1/2 3\n")]
        {
            assert!(said(early).contains("still starting"), "{early:?}: {}", said(early));
        }
        let other = said(Some(&format!("{own} 1\n")));
        assert!(other.contains("not on this node any more"), "its number has another process: {other}");
        let outside = said(Some(&format!("{own} {}\n", own_start())));
        assert!(outside.contains("still starting"), "it has the node's file system: {outside}");
    }

    #[test]
    fn what_an_older_version_prepared_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let refused = words(folder.path(), Path::new("/place"), false).unwrap_err();
        assert!(refused.why.contains("older Wharf") && !refused.hint.is_empty(), "{refused}");
        std::fs::write(folder.path().join(ENTER), "").unwrap();
        let words = words(folder.path(), Path::new("/place"), true).unwrap();
        assert_eq!(words[2..], ["/place", "terminal"]);
    }
}
