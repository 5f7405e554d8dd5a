//! An image's configuration means the same to podman and to the daemonless backend.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    lab::{self, Home},
    layers::{self, Entry, Kind, Packed},
    podman::Podman,
};

/// What a program sees of its environment. Left out is what podman adds and Docker does not: `container`, `TERM`
/// without a terminal, and a line of `/etc/passwd` for a number that the image does not list.
const PROBE: &str = "id -u; id -g; id -un 2>/dev/null | grep [a-z]; id -gn 2>/dev/null | grep [a-z]; pwd; umask; hostname; env | grep -v -e ^container= -e ^TERM= -e ^SHLVL= -e ^PWD= -e ^OLDPWD= | sort";

/// In which of its results engines must agree.
enum Same {
    /// All output, and the exit code.
    All,
    /// The exit code; each gives the reason in its own words.
    Code,
    /// Neither starts, and both say this.
    Refused(&'static str),
    /// Nothing: the outputs of podman and of Wharf.
    Nothing([&'static str; 2]),
}
use Same::{All, Code, Nothing, Refused};

fn base() -> Vec<u8> {
    let folders = ["bin", "dev", "etc", "home", "home/app", "opt", "proc", "root", "run", "srv", "srv/real", "tmp"];
    let mut entries: Vec<Entry> = folders.map(|path| Entry::new(path, Kind::Folder, 0o755)).into();
    let busybox = std::fs::read("/bin/busybox").unwrap();
    entries.push(Entry::new("bin/busybox", Kind::File(busybox), 0o755));
    for applet in ["sh", "cat", "echo", "env", "grep", "head", "hostname", "id", "sort"] {
        entries.push(Entry::new(&format!("bin/{applet}"), Kind::Link(b"busybox".into()), 0o777));
    }
    entries.push(Entry::new("srv/link", Kind::Link(b"real".into()), 0o777));
    for (path, text, mode) in [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1234:99:app:/home/app:/bin/sh\n", 0o644),
        ("etc/group", "root:x:0:\napp:x:99:\nstaff:x:50:app\n", 0o644),
        ("opt/script", "#!/bin/sh\necho script \"$@\"\n", 0o755),
        ("opt/bare", "echo bare \"$@\"\n", 0o755),
        ("opt/text", "echo text\n", 0o644),
        ("opt/lost", "#!/bin/nothing\n", 0o755),
        ("opt/probe", &format!("#!/bin/sh\n{PROBE}\n"), 0o755),
    ] {
        entries.push(Entry::new(path, Kind::File(text.into()), mode));
    }
    layers::archive(&entries)
}

fn cases() -> Vec<(&'static str, Value, Same)> {
    let path = "PATH=/usr/bin:/bin";
    let probe = |more: Value| {
        let mut config = json!({"Cmd": ["/opt/probe"], "Env": [path]});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    let shell = |script: &str| json!({"Cmd": ["sh", "-c", script], "Env": [path]});
    // Why they differ: a person has only one user and one group without the machine's help (user_namespaces(7)).
    // Podman's program is process 1, which its own signals do not end; in Wharf's sandbox another process is process 1.
    vec![
        ("nothing said", probe(json!({})), All),
        ("no path", json!({"Cmd": ["/opt/probe"]}), All),
        ("a user by name", probe(json!({"User": "app"})), All),
        ("a user by number", probe(json!({"User": "1234"})), All),
        ("a number that is not listed", probe(json!({"User": "4321"})), All),
        ("two numbers that are not listed", probe(json!({"User": "77:88"})), All),
        ("a user and a group by name", probe(json!({"User": "app:staff"})), All),
        ("a user by name, a group by number", probe(json!({"User": "app:7"})), All),
        ("a user by number, a group by name", probe(json!({"User": "1234:staff"})), All),
        ("a home that is said", probe(json!({"User": "app", "Env": [path, "HOME=/srv"]})), All),
        ("a home that is empty", probe(json!({"User": "app", "Env": [path, "HOME="]})), All),
        ("odd variables", probe(json!({"Env": [path, "A=b=c", "EMPTY=", "B=1", "B=2", "SPACE= x "]})), All),
        ("a working folder that is missing", probe(json!({"WorkingDir": "/made/for it"})), All),
        ("a working folder of another user", probe(json!({"User": "app", "WorkingDir": "/made/deep"})), All),
        ("a working folder that is a link", probe(json!({"WorkingDir": "/srv/link"})), All),
        ("a program and its words", json!({"Entrypoint": ["/bin/echo", "a"], "Cmd": ["b", "c d"]}), All),
        ("a line for a shell", json!({"Entrypoint": ["/bin/sh", "-c", "echo line $0 $1"], "Cmd": ["x", "y"]}), All),
        ("an empty program", json!({"Entrypoint": [], "Cmd": ["echo", "cmd"], "Env": [path]}), All),
        ("a program without a name", json!({"Entrypoint": [""], "Cmd": ["echo", "cmd"], "Env": [path]}), All),
        ("a script", json!({"Cmd": ["/opt/script", "x y"], "Env": [path]}), All),
        (
            "a script without its first line",
            json!({"Cmd": ["/opt/bare", "x"], "Env": [path]}),
            Refused("exec format error"),
        ),
        ("a script whose shell is missing", json!({"Cmd": ["/opt/lost"], "Env": [path]}), Refused("/opt/lost")),
        ("a name on the image's own path", json!({"Cmd": ["script", "x"], "Env": ["PATH=/opt:/bin"]}), All),
        (
            "a path from the working folder",
            json!({"Cmd": ["opt/../opt/script"], "WorkingDir": "/", "Env": [path]}),
            All,
        ),
        ("a name that no path has", json!({"Cmd": ["nothing"], "Env": [path]}), Code),
        ("a path that is not there", json!({"Cmd": ["/opt/nothing"], "Env": [path]}), Code),
        ("a file that is no program", json!({"Cmd": ["/opt/text"], "Env": [path]}), Code),
        ("a folder as program", json!({"Cmd": ["/opt"], "Env": [path]}), Code),
        ("an exit code", shell("echo end; exit 42"), All),
        ("a signal", shell("kill -KILL $$; echo on"), Nothing(["0 on\n", "137 "])),
        ("the output by its names", shell("echo 1; echo 2 >/dev/stdout; echo 3 >/dev/fd/1; echo 4 >>/dev/stdout"), All),
        ("errors by their names", shell("echo 1 >&2; echo 2 >/dev/stderr; echo 3 >/dev/fd/2"), All),
        (
            "the output of a user, and no input",
            json!({"User": "app", "Cmd": ["sh", "-c", "echo 1 >/dev/stdout; cat; echo 2"], "Env": [path]}),
            All,
        ),
        (
            "names",
            shell(
                "for name in localhost same; do grep -wq $name /etc/hosts && echo $name; done; echo $(cat /etc/hostname)",
            ),
            All,
        ),
        ("groups", probe(json!({"User": "app", "Cmd": ["id", "-G"]})), Nothing(["0 99 50\n", "0 99\n"])),
        ("a user that is not there", probe(json!({"User": "nosuch"})), Refused("nosuch")),
        ("a group that is not there", probe(json!({"User": "app:nosuch"})), Refused("nosuch")),
        ("no program", json!({"Env": [path]}), Refused("")),
    ]
}

#[test]
fn an_image_runs_without_an_engine_as_it_does_on_podman() {
    if wharf::adapters::local::SandboxProgram::find().is_none() {
        return eprintln!("left out: neither bwrap nor unshare");
    }
    let Some(podman) = Podman::start() else { return };
    let home = Home::new();
    let layouts = tempfile::Builder::new().prefix(&lab::fresh("layouts")).rand_bytes(0).tempdir().unwrap();
    let base = base();
    let mut wrong = Vec::new();
    for (number, (name, config, same)) in cases().into_iter().enumerate() {
        let layout = layouts.path().join(number.to_string());
        layers::layout(&layout, &[(base.clone(), Packed::Plain)], &config);
        let [theirs, ours] = both(&podman, &home, &layout, "none");
        let alike = match same {
            All => theirs == ours,
            Code => theirs.0 == ours.0 && !theirs.1.is_empty() && !ours.1.is_empty(),
            Refused(word) => [&theirs, &ours].iter().all(|(code, said)| *code != 0 && said.contains(word)),
            Nothing(expected) => [&theirs, &ours]
                .iter()
                .zip(expected)
                .all(|((code, said), expected)| format!("{code} {said}") == expected),
        };
        if !alike {
            wrong.push(format!("{name}: {config}\npodman: {theirs:?}\nwharf:  {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn names_are_asked_with_the_machines_network_as_podman_asks_them() {
    if wharf::adapters::local::SandboxProgram::find().is_none() {
        return eprintln!("left out: neither bwrap nor unshare");
    }
    let Some(podman) = Podman::start() else { return };
    let layouts = tempfile::Builder::new().prefix(&lab::fresh("layouts")).rand_bytes(0).tempdir().unwrap();
    let script = "grep ^nameserver /etc/resolv.conf; grep -wq localhost /etc/hosts && echo localhost";
    let config = json!({"Cmd": ["sh", "-c", script], "Env": ["PATH=/bin"]});
    layers::layout(layouts.path(), &[(base(), Packed::Plain)], &config);
    let [theirs, ours] = both(&podman, &Home::new(), layouts.path(), "host");
    assert_eq!(theirs, ours);
    assert!(ours.1.ends_with("localhost\n"), "{ours:?}");
}

/// The exit codes, and all output, of both.
fn both(podman: &Podman, home: &Home, layout: &Path, network: &str) -> [(i32, String); 2] {
    let image = podman.run(&["pull", "-q", &format!("oci:{}:1", layout.display())]);
    let theirs = podman.command(&["run", "--rm", "--network", network, "--hostname", "same", &image]);
    let (image, network) = (format!("file:{}:1", layout.display()), format!("network={network}"));
    let ours = home.wharf(&["launch", &image, "--on", "local", "--set", "name=same", "--set", &network, "--follow"]);
    [theirs, ours].map(|mut command| {
        let (mut reader, writer) = std::io::pipe().unwrap();
        command.stdin(std::process::Stdio::null()).stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut child = command.spawn().unwrap();
        drop(command);
        let mut said = String::new();
        std::io::Read::read_to_string(&mut reader, &mut said).unwrap();
        (child.wait().unwrap().code().unwrap(), said)
    })
}
