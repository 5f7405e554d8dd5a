//! A day of a person without rights on a cluster, by commands and by keys: an image is found and judged, its script is read,
//! it is launched as an array under Apptainer, by commands also on this machine; one task is followed, another stopped; then
//! it is launched again, and a stranger's image gets only as far as the policy lets it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    lab::{self, complained, need, said},
    pty::Screen,
    slurm::{APPTAINER, Stage, as_person},
};

/// Where the person is told what gVisor is.
const RUNSC: &str = "WHARF_LAB_RUNSC";
/// What each task of the array does: the first ends after a while, the second only when it is stopped.
const SCRIPT: &str = "echo task $SLURM_ARRAY_TASK_ID; case $SLURM_ARRAY_TASK_ID in 1) sleep 2;; 2) sleep 600;; esac; \
                      echo end of $SLURM_ARRAY_TASK_ID";

#[test]
fn a_day_on_a_cluster_by_commands() {
    let (conf, bin) = (need!("WHARF_LAB_SLURM_2205_CONF"), need!("WHARF_LAB_SLURM_2205_BIN"));
    let (runsc, _) = (need!("WHARF_LAB_RUNSC"), need!("WHARF_LAB_APPTAINER"));
    as_person("cluster_day::by_commands", &conf, &bin, &[(RUNSC, &runsc)]);
}

#[test]
fn a_day_on_a_cluster_by_keys() {
    let (conf, bin) = (need!("WHARF_LAB_SLURM_2205_CONF"), need!("WHARF_LAB_SLURM_2205_BIN"));
    let (runsc, _) = (need!("WHARF_LAB_RUNSC"), need!("WHARF_LAB_APPTAINER"));
    as_person("cluster_day::by_keys", &conf, &bin, &[(RUNSC, &runsc)]);
}

/// The person's home, the site's file, and two images: the site has signed one, a stranger has pushed the other.
struct Day {
    stage: Stage,
    open: String,
    ours: String,
    strange: String,
}

impl Day {
    fn new() -> Self {
        let stage = Stage::new().unwrap();
        let open = std::env::var("WHARF_LAB_OPEN").unwrap();
        let programs = stage.home.path("programs");
        fs::create_dir(&programs).unwrap();
        symlink(Path::new(&std::env::var(APPTAINER).unwrap()).join("apptainer"), programs.join("apptainer")).unwrap();
        symlink(std::env::var(RUNSC).unwrap(), programs.join("runsc")).unwrap();
        let (ours, strange) = (lab::fresh("zz/gromacs"), lab::fresh("zz/stranger"));
        let day = Self { stage, open, ours, strange };
        let from = format!("{}/library/alpine:latest", day.open);
        for arguments in [["copy", &from, &day.image()], ["push", &lab::starter(), &day.strangers()]] {
            let done = day.on(lab::NO_SITE.into(), &arguments);
            assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", complained(&done));
        }
        day.site("enforce = true\n", "allow");
        let signed = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/cosign-sign"))
            .arg(day.stage.home.path("site"))
            .args([&format!("http://{}", day.open), &day.ours, "1"])
            .env("KIND", "prime256v1")
            .output()
            .unwrap();
        assert!(signed.status.success(), "{}", complained(&signed));
        day
    }

    fn image(&self) -> String {
        format!("{}/{}:1", self.open, self.ours)
    }

    fn strangers(&self) -> String {
        format!("{}/{}:1", self.open, self.strange)
    }

    fn file(&self) -> PathBuf {
        self.stage.home.path("site.toml")
    }

    /// Writes the site's file: the cluster, a preset for it, and the policy.
    fn site(&self, enforce: &str, unscanned: &str) {
        let (conf, bin) = (self.stage.conf.display(), self.stage.bin.display());
        let shared = self.stage.home.path("shared");
        let text = format!(
            "[[backend]]\nname = \"lab\"\ntype = \"slurm\"\nconf = \"{conf}\"\nbin = \"{bin}\"\nfolder = \"{}\"\npace = 1\n\
             [[preset]]\nname = \"ten\"\nimage = \"{}/{}*\"\nbackend = \"lab\"\n\
             answers = {{ array = \"1-10\", time = \"10m\", inside = \"apptainer\", command = \"sh -c '{SCRIPT}'\" }}\n\
             [policy]\nname = \"site\"\n{enforce}[policy.signature]\nkeys = [\"site.pub\"]\n\
             missing = {{ isolation = \"gvisor\" }}\n[policy.scan]\nmissing = \"{unscanned}\"\n",
            shared.display(),
            self.open,
            self.ours
        );
        fs::write(self.file(), text).unwrap();
    }

    fn variables(&self, site: &Path) -> Vec<(String, String)> {
        let path = format!("{}:{}", self.stage.home.path("programs").display(), std::env::var("PATH").unwrap());
        let registries = format!("http://{}", self.open);
        let at = |name: &str| self.stage.home.path(name).display().to_string();
        [
            ("PATH", path),
            ("HOME", at("")),
            ("WHARF_SITE", site.display().to_string()),
            ("WHARF_REGISTRIES", registries),
            ("WHARF_DISCOVER", "no".to_owned()),
            ("WHARF_CACHE_DIR", at("cache")),
            ("WHARF_STATE_DIR", at("state")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    fn on(&self, site: PathBuf, arguments: &[&str]) -> Output {
        self.stage.home.wharf(arguments).envs(self.variables(&site)).current_dir("/").output().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.on(self.file(), arguments)
    }

    /// Runs something that must go well; gives what it prints.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}{}", said(&output), complained(&output));
        said(&output)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {}", complained(&output)))
    }

    /// Waits until the list of workloads has all of these words in one of its lines.
    fn until_listed(&self, words: &[&str]) {
        self.until_said(&["workloads"], words);
    }

    /// Waits until a command, run again and again, prints a line with all of these words.
    fn until_said(&self, arguments: &[&str], words: &[&str]) {
        let began = Instant::now();
        loop {
            let output = self.run(arguments);
            let printed = said(&output);
            if printed.lines().any(|line| words.iter().all(|word| line.contains(word))) {
                return;
            }
            let waited = began.elapsed() < Duration::from_secs(120);
            assert!(waited, "{arguments:?} never says {words:?}: {printed}{}", complained(&output));
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    fn open_screen(&self) -> Screen {
        let editor = self.stage.home.path("programs/editor");
        let script =
            "#!/bin/sh\nprintf 'a line: '; read -r line\nexec sed -i \"s/^: your lines.*/&\\n$line/\" \"$1\"\n";
        fs::write(&editor, script).unwrap();
        fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
        let mut variables = self.variables(&self.file());
        variables.push(("EDITOR".into(), editor.display().to_string()));
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Screen::open(140, 40, &variables)
    }
}

#[test]
#[ignore = "another test runs it as a person without rights"]
fn by_commands() {
    let day = Day::new();
    let image = day.image();
    // Found, judged, and shown before anything is sent.
    assert!(day.done(&["images", &day.ours]).contains(&day.ours));
    assert!(day.done(&["verify", &image]).contains("allow"));
    let asked = ["launch", &image, "--on", "lab", "--preset", "ten", "--set", "name=ten"];
    let planned = day.done(&[&asked[..], &["--plan"]].concat());
    for line in ["#SBATCH --array=1-10", "apptainer", "policy: allow", "sha256:"] {
        assert!(planned.contains(line), "{line}: {planned}");
    }
    let made = day.json(&[&asked[..], &["--json"]].concat());
    let id = format!("lab:{}", made["id"].as_str().unwrap());
    // One task is followed to its end, another is stopped, and the others end by themselves.
    let first = day.done(&["logs", &format!("{id}_1"), "--follow"]);
    assert_eq!(first, "task 1\nend of 1\n");
    let second = format!("{id}_2");
    day.until_said(&["logs", &second], &["task 2"]);
    assert!(day.done(&["stop", &second]).contains("stopped"));
    day.until_listed(&[&id, "1 stopped", "9 done"]);
    let again = day.done(&["stop", &second]);
    assert!(again.contains("stopped already"), "a task is told by itself: {again}");
    // The same image on this machine.
    let here = day.done(&["launch", &image, "--on", "local", "--follow", "--", "echo", "here"]);
    assert_eq!(here, "here\n");
    a_strangers_image_runs_only_behind_gvisor(&day);
    the_next_day(&day, &id);
    day.done(&["remove", &id]);
    // Another job's id may begin with the same digits.
    assert!(!day.done(&["workloads"]).split_whitespace().any(|word| word == id));
}

fn a_strangers_image_runs_only_behind_gvisor(day: &Day) {
    let strange = day.strangers();
    let judged = day.run(&["verify", &strange]);
    assert_eq!(judged.status.code(), Some(9), "{}", said(&judged));
    for refused in [
        ["launch", &strange, "--on", "local", "--set", "isolation=shared"].as_slice(),
        &["launch", &strange, "--on", "lab"],
    ] {
        let refused = day.run(refused);
        assert_eq!(refused.status.code(), Some(9), "{}{}", said(&refused), complained(&refused));
        assert!(complained(&refused).contains("gVisor"), "{}", complained(&refused));
    }
    let ran = day.done(&["launch", &strange, "--on", "local", "--follow"]);
    assert!(ran.contains("what a program here can see"), "{ran}");
    day.until_listed(&["isolation gvisor", "done"]);
}

/// The site has become stricter over night: the verdict is another one, which is told before anything is sent.
fn the_next_day(day: &Day, id: &str) {
    let launches = day.stage.home.path("state/launches");
    for file in fs::read_dir(&launches).unwrap().flatten().map(|entry| entry.path()) {
        let mut record: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        record["began"] = (record["began"].as_i64().unwrap() - 24 * 3600).into();
        fs::write(&file, record.to_string()).unwrap();
    }
    day.site("enforce = false\n", "needs-approval");
    let listed = day.done(&["launch", "--again"]);
    assert!(listed.lines().any(|line| line.contains(id) && line.contains("1 d")), "{listed}");
    let planned = day.run(&["launch", "--again", id, "--plan"]);
    let told = complained(&planned);
    let verdict = |sign: &str, word: &str| {
        let begins = format!("wharf: {sign} ");
        told.lines().any(|line| line.starts_with(&begins) && line.contains(&format!("policy: {word}")))
    };
    assert!(verdict("-", "allow") && verdict("+", "needs approval"), "{told}");
    assert!(said(&planned).contains("#SBATCH --array=1-10"), "{}", said(&planned));
    let again = day.json(&["launch", "--again", id, "--because", "the thesis is due", "--set", "array=3-4", "--json"]);
    let second = format!("lab:{}", again["id"].as_str().unwrap());
    assert_ne!(second, id);
    assert_eq!(day.done(&["logs", &format!("{second}_3"), "--follow"]), "task 3\nend of 3\n");
    day.until_listed(&[&second, "2 done"]);
    day.done(&["remove", &second]);
}

/// Turns the form's first line, where one of two backends stands, to this one.
fn choose_backend(screen: &mut Screen, name: &str) {
    let shown = screen.read("the backend", |text| {
        let (shown, _) = text.split_once("‹ ")?.1.split_once(" ›")?;
        Some(shown.to_owned())
    });
    if shown != name {
        screen.keys("\u{1b}[C");
    }
    screen.until(&format!("‹ {name} ›"));
}

/// Reads the whole script of the plan, once there is one.
fn script_has(screen: &mut Screen, line: &str) {
    screen.until("L launches now");
    // The plan is there before its script is asked for.
    screen.until("--parsable");
    screen.answers("J");
    screen.until(line);
    screen.keys("\u{1b}");
    screen.read("the page below it", |text| (!text.contains(line)).then_some(()));
}

#[test]
#[ignore = "another test runs it as a person without rights"]
fn by_keys() {
    let day = Day::new();
    let mut screen = day.open_screen();
    // Where there are few images the first page is shown: this key leads to the list, too.
    screen.until("[1 Images ");
    screen.keys(&format!("/{}\r", day.ours));
    screen.until("\n▌ zz/gromacs-");
    screen.keys("\r");
    // Its page checks what can be checked in a moment.
    screen.until("allow");
    screen.keys("l");
    screen.until("Backend");
    choose_backend(&mut screen, "lab");
    // The verdict and the script, and then the script with the answers of the preset.
    script_has(&mut screen, "#SBATCH --partition=short");
    screen.keys("p");
    screen.until("10 tasks");
    script_has(&mut screen, "#SBATCH --array=1-10");
    // A line of one's own, from an editor.
    screen.keys("e");
    screen.until("a line:");
    screen.keys("echo before the image\r");
    screen.until("lines of your own (1)");
    script_has(&mut screen, "set +eu");
    screen.keys("L");
    an_array_runs_and_one_task_is_stopped(&mut screen);
    it_is_launched_again(&day, &mut screen);
    a_strangers_image_is_isolated(&day, &mut screen);
}

/// Its page: the array has tasks, each with a page of its own.
fn an_array_runs_and_one_task_is_stopped(screen: &mut Screen) {
    screen.until("tasks 10: 1 running, 9 done");
    screen.keys("c");
    screen.until("copied lab:");
    screen.keys("\r");
    screen.until("Task");
    screen.answers("_1\r");
    screen.until("end of 1");
    screen.until("before the image");
    screen.keys("\u{1b}");
    screen.until("tasks 10:");
    screen.keys("\r");
    screen.until("Task");
    screen.answers("_2\r");
    screen.until("task 2");
    screen.keys("s");
    screen.until("■ stopped");
    screen.keys("s");
    screen.until("it has ended");
    screen.keys("\u{1b}");
    screen.until("1 stopped, 9 done");
}

/// The same array, from its page and after it was removed: with what differs, which is nothing.
fn it_is_launched_again(day: &Day, screen: &mut Screen) {
    screen.keys("l");
    screen.until("── Again ─");
    screen.until("the plan is that of then");
    screen.until("10 tasks, each");
    screen.keys("\u{1b}");
    screen.until("1 stopped, 9 done");
    screen.keys("x");
    screen.until("with its logs?");
    screen.answers("y");
    screen.until("removed");
    // The list may have jobs of others, too: it is found among the launches that were kept.
    screen.keys("2");
    screen.until("[2 Workloads");
    screen.keys("L");
    screen.until("Launch again");
    screen.answers("\r");
    screen.until("the plan is that of then");
    screen.until("L launches now");
    screen.keys("L");
    screen.until("tasks 10:");
    screen.keys("s");
    screen.until("stopped");
    day.until_listed(&["lab:", "stopped"]);
}

/// The policy's demand is chosen already, and less is refused before it is sent.
fn a_strangers_image_is_isolated(day: &Day, screen: &mut Screen) {
    screen.keys(&format!("1/\u{15}{}\r", day.strange));
    screen.until("\n▌ zz/stranger-");
    screen.keys("\r");
    screen.until("unsigned");
    screen.keys("l");
    screen.until("Backend");
    choose_backend(screen, "local");
    screen.until("Isolation     gvisor");
    screen.until("a kernel in user space (runsc)");
    screen.until("L launches now");
    screen.keys("L");
    screen.until("what a program here can see");
    assert!(day.done(&["workloads"]).contains("isolation gvisor"));
}
