//! The commands of a launch, made from the answers.

use super::{
    form::{self, Gpu},
    spec::{Commands, IMAGE},
};
use crate::shared::{apptainer, private};
use wharf_core::{
    base::error::{During, Result},
    launch::{form::Answers, plan::Mount, questions},
};

/// Nothing of this machine inside: own namespaces, own `/tmp`, `/dev` with the usual devices only, no home, no folders
/// that the site's settings add; and no variable is read as a shell script.
const CLOSED: [&str; 5] = ["--containall", "--no-home", "--no-eval", "--no-mount", "bind-paths"];
/// An empty file in place of the script that an image may have for instances: the launch runs one program only.
const NO_SCRIPT: &str = "/dev/null:/.singularity.d/startscript:ro";

/// The name of the instance of a launch.
pub(super) fn instance(key: &str) -> String {
    format!("wharf-{key}")
}

/// The commands of a launch. Resolves links in the mounts' host paths.
///
/// # Errors
/// For mounts that are not there.
pub(super) fn commands(program: &str, prefix: &str, key: &str, answers: &Answers) -> Result<Commands> {
    let words = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<String>>();
    let name = instance(key);
    let mut closed = words(&CLOSED);
    if private::is_root() {
        closed.push("--no-privs".to_owned());
    }
    if answers.get("network") != "host" {
        closed.extend(words(&["--net", "--network", "none"]));
    }
    if answers.is("writable") {
        closed.push("--writable-tmpfs".to_owned());
    }
    closed.extend(Gpu::here().filter(|_| answers.is(form::GPU)).map(|gpu| gpu.flag().to_owned()));
    for mount in real_mounts(answers)? {
        let (host, inside) = (mount.host.display().to_string(), mount.inside.display().to_string());
        closed.extend(["--mount".to_owned(), apptainer::mount(&host, &inside, mount.writes)]);
    }
    let verb = if questions::runs_command(answers) { "exec" } else { "run" };
    let arguments = answers.split_words("command");
    let quiet = words(&[program, "--silent"]);
    let start = [quiet.clone(), words(&["instance", "start"]), closed.clone(), words(&["--bind", NO_SCRIPT, IMAGE])];
    let inside = words(&[verb, "--cleanenv", "--no-eval", "--pwd", "/"]);
    let here = format!("instance://{name}");
    Ok(Commands {
        environment: answers.split_words("env").iter().map(|pair| format!("{prefix}{pair}")).collect(),
        start: [start.concat(), vec![name.clone()]].concat(),
        look: [quiet.clone(), words(&["instance", "list", "--json", &name])].concat(),
        run: [quiet.clone(), inside, vec![here], arguments.clone()].concat(),
        stop: [quiet.clone(), words(&["instance", "stop", "--force", &name])].concat(),
        without_instance: [quiet, words(&[verb, "--pwd", "/"]), closed, words(&[IMAGE]), arguments].concat(),
    })
}

/// The command that enters a running instance; the words of a command follow.
pub(super) fn enter(program: &str, key: &str) -> Vec<String> {
    let here = format!("instance://{}", instance(key));
    [program, "--silent", "exec", "--cleanenv", "--no-eval", "--pwd", "/", &here].map(str::to_owned).to_vec()
}

/// The mounts, with the host's paths free of links: a plan must show what is really mounted.
fn real_mounts(answers: &Answers) -> Result<Vec<Mount>> {
    let mut mounts = questions::mounts_from(answers)?;
    for mount in &mut mounts {
        mount.host = mount.host.canonicalize().during(format!("mount {}", mount.host.display()))?;
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Commands {
        let answers = Answers(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
        commands("/usr/bin/apptainer", "APPTAINERENV_", "k1", &answers).unwrap()
    }

    #[test]
    fn nothing_of_this_machine_is_inside_unless_it_was_asked_for() {
        let careful = of(&[("network", "none")]);
        for words in [&careful.start, &careful.without_instance] {
            let line = words.join(" ");
            assert!(line.contains("--containall --no-home --no-eval --no-mount bind-paths"), "{line}");
            assert!(line.contains("--net --network none"), "{line}");
            assert!(!line.contains("--mount type") && !line.contains("--writable-tmpfs"), "{line}");
        }
        let open = of(&[("network", "host"), ("writable", "yes"), ("mounts", "/:/host")]);
        let line = open.start.join(" ");
        assert!(!line.contains("--network") && line.contains("--writable-tmpfs"), "{line}");
        assert!(line.contains("--mount type=bind,source=/,destination=/host,ro"), "{line}");
    }

    #[test]
    fn the_program_is_the_images_own_or_the_command_alone() {
        let own = of(&[("command", "--fast 'two words'"), ("env", "A=1 'B=x y'")]);
        assert_eq!(own.run[2], "run");
        assert_eq!(own.run[own.run.len() - 3..], ["instance://wharf-k1", "--fast", "two words"]);
        assert_eq!(own.environment, ["APPTAINERENV_A=1", "APPTAINERENV_B=x y"]);
        let alone = of(&[("command", "sh -c 'exit 3'"), ("runs", "command")]);
        assert_eq!((alone.run[2].as_str(), alone.without_instance[2].as_str()), ("exec", "exec"));
        assert_eq!(alone.without_instance[alone.without_instance.len() - 4..], ["IMAGE", "sh", "-c", "exit 3"]);
        assert_eq!(own.start[own.start.len() - 2..], ["IMAGE", "wharf-k1"]);
    }
}
