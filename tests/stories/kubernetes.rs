//! Launching on a real Kubernetes: API server, scheduler, kubelet.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use wharf::core::{
    base::{
        context::Context,
        error::{Error, Kind},
    },
    config::{Config, ConfigEntry},
    image::model::Image,
    launch::{
        isolation::Isolation,
        listing::ListScope,
        logs::{LogRange, split},
        plan::{Plan, State, Workload},
    },
    portal::Portal,
    ports::Launcher,
};

use crate::{
    disks,
    lab::{self, Home, need},
    launchers::{answers, contract, logs, supply, until},
};

/// The cluster of the lab, and a person's view of it.
struct Stage {
    home: Home,
    portal: Arc<Portal>,
    folder: PathBuf,
    kubectl: String,
    /// An image with a shell, by its name in the lab's registry.
    tools: String,
}

impl Stage {
    fn new(folder: &str) -> Self {
        let home = Home::new();
        let open = std::env::var("WHARF_LAB_OPEN").unwrap();
        let portal = lab::portal(&home, vec![lab::registry("open", &open)]);
        let kubectl = std::env::var("WHARF_LAB_KUBECTL").unwrap();
        Self { home, portal, folder: folder.into(), kubectl, tools: format!("oci://{open}/physics/gromacs:2024.1") }
    }

    /// The kubeconfig of a person of the lab.
    fn kubeconfig(&self, who: &str) -> PathBuf {
        self.folder.join(format!("{who}.kubeconfig"))
    }

    fn launcher(&self, who: &str) -> Arc<dyn Launcher> {
        launcher(&self.home, &self.kubeconfig(who))
    }

    async fn image(&self, reference: &str) -> Image {
        self.portal.sources.image(&Context::default(), &reference.parse().unwrap(), None).await.unwrap()
    }

    async fn plan(&self, launcher: &Arc<dyn Launcher>, given: &[(&str, &str)]) -> Result<Plan, Error> {
        let image = self.image(&self.tools).await;
        launcher.plan(&Context::default(), &image, &answers(given)).await
    }

    async fn launch(&self, launcher: &Arc<dyn Launcher>, given: &[(&str, &str)]) -> Workload {
        let plan = self.plan(launcher, given).await.unwrap();
        self.carry_out(launcher, &plan).await.unwrap()
    }

    async fn carry_out(&self, launcher: &Arc<dyn Launcher>, plan: &Plan) -> Result<Workload, Error> {
        let image = self.image(&self.tools).await;
        launcher.launch(&Context::default(), plan, &supply(&self.portal, &image).await).await
    }

    /// The backend of alice in a namespace that was made for one test, with its name.
    fn alone(&self) -> (Arc<dyn Launcher>, String) {
        let name = lab::fresh("alone");
        self.kubectl(&["create", "namespace", &name], "");
        self.kubectl(&["-n", &name, "create", "rolebinding", "alice", "--clusterrole", "edit", "--user", "alice"], "");
        let config = self.home.path("kubeconfig");
        let text = std::fs::read_to_string(self.kubeconfig("alice")).unwrap();
        std::fs::write(&config, text.replace("\"physics\"", &format!("\"{name}\""))).unwrap();
        (launcher(&self.home, &config), name)
    }

    fn forget(&self, namespace: &str) {
        self.kubectl(&["delete", "namespace", namespace, "--wait=false"], "");
    }

    /// What kubectl says, as the administrator.
    fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(self.kubeconfig("admin")).args(arguments);
        let output = lab::with_input(command, input);
        assert!(output.status.success(), "{arguments:?}: {}", lab::complained(&output));
        lab::said(&output)
    }
}

/// The backend of a kubeconfig, as the program makes it.
fn launcher(home: &Home, kubeconfig: &Path) -> Arc<dyn Launcher> {
    let settings = toml::Table::from_iter([("kubeconfig".to_owned(), kubeconfig.display().to_string().into())]);
    let backends = vec![ConfigEntry::new("cluster", "kubernetes", "test", settings)];
    let parts = wharf::adapters::parts_of(Config { backends, ..home.config() }).unwrap();
    parts.launchers.into_iter().find(|one| one.name() == "cluster").unwrap()
}

/// Fails if an object is none of KubeVirt's own type; says so where its types are not here.
pub(crate) fn conforms(body: &Value, kind: &str) {
    let types = need!("WHARF_LAB_KUBEVIRT");
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/kubevirt/conforms"));
    command.args([&types, kind]);
    let output = lab::with_input(command, &body.to_string());
    assert!(output.status.success(), "{}{body:#}", lab::said(&output));
}

/// What a command says that goes on until it is told to stop.
fn sleeping(words: &str) -> Vec<(&str, &str)> {
    vec![("command", words), ("memory", "64M"), ("cpus", "100m")]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_the_contract_of_launchers() {
    let stage = Stage::new(&need!("WHARF_LAB_KUBERNETES"));
    let (launcher, namespace) = stage.alone();
    let image = stage.image(&stage.tools).await;
    contract(&launcher, &image, &supply(&stage.portal, &image).await, &sleeping("sleep 300")).await;
    stage.forget(&namespace);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_with_few_rights_tells_its_end_and_what_it_printed() {
    let stage = Stage::new(&need!("WHARF_LAB_KUBERNETES"));
    let launcher = stage.launcher("alice");
    let cx = Context::default();
    let command = "sh -c 'cat /proc/self/status; id -u; echo \"$A $(echo sub) $$PPID\" | head -c 200; ls /var/run/secrets; exit 3'";
    let given =
        [("command", command), ("env", "A='two $(words)'"), ("user", "1234:1234"), ("cpus", "100m"), ("memory", "64M")];
    let made = stage.launch(&launcher, &given).await;
    let text = logs(&launcher, &made.id).await;
    for wanted in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", "\n1234\n", "two $(words) sub "] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!text.contains("serviceaccount"), "no token is inside: {text}");
    let ended = until(&launcher, &made.id, State::has_ended).await;
    assert_eq!(ended.state, State::Exited(3));
    assert_eq!(ended.note, "", "it ran the image that was pinned");
    let timed: Vec<_> = launcher
        .logs(&cx, &made.id, LogRange { times: true, last: Some(1), ..LogRange::default() })
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let timed = String::from_utf8_lossy(&timed.concat()).into_owned();
    assert!(split(timed.lines().next().unwrap_or_default()).is_some(), "{timed:?}");
    launcher.remove(&cx, &made.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_what_the_server_stores_and_shows_what_quotas_leave() {
    let stage = Stage::new(&need!("WHARF_LAB_KUBERNETES"));
    let launcher = stage.launcher("alice");
    let cx = Context::default();
    let plan = stage
        .plan(&launcher, &[("command", "true"), ("name", "as-shown"), ("time", "1h"), ("cpus", "100m")])
        .await
        .unwrap();
    let (call, body) = plan.call("test").unwrap();
    assert_eq!((call.method.as_str(), call.token.as_str()), ("POST", "Authorization"));
    assert!(!plan.shown().contains("alicetoken"), "a plan holds no secret");
    let made = stage.carry_out(&launcher, &plan).await.unwrap();
    let name = made.id.rsplit('/').next().unwrap();
    let stored: Value =
        serde_json::from_str(&stage.kubectl(&["-n", "physics", "get", "job", name, "-o", "json"], "")).unwrap();
    // This version leaves one setting out, and the plan says so.
    let mut taken = body.clone();
    taken["spec"].as_object_mut().unwrap().remove("ttlSecondsAfterFinished");
    assert!(is_part(&taken, &stored), "{body:#}\n{stored:#}");
    let told = plan.risks.iter().any(|risk| risk.text.ends_with("leaves out: spec.ttlSecondsAfterFinished"));
    assert_eq!(told, stored["spec"].get("ttlSecondsAfterFinished").is_none(), "{:?}", plan.risks);
    launcher.remove(&cx, &made.id).await.unwrap();
}

/// Whether all of `shown` is in `stored`, which has defaults besides.
fn is_part(shown: &Value, stored: &Value) -> bool {
    match (shown, stored) {
        (Value::Object(shown), Value::Object(stored)) => {
            shown.iter().all(|(key, value)| stored.get(key).is_some_and(|stored| is_part(value, stored)))
        }
        (Value::Array(shown), Value::Array(stored)) => {
            shown.len() == stored.len() && shown.iter().zip(stored).all(|(one, other)| is_part(one, other))
        }
        // The server writes quantities in its own units.
        (Value::String(shown), Value::String(stored)) if shown != stored => shown.parse::<u64>().is_ok(),
        (shown, stored) => shown == stored,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_terminals_and_attaching_reach_the_program() {
    let stage = Stage::new(&need!("WHARF_LAB_KUBERNETES"));
    let launcher = stage.launcher("alice");
    let cx = Context::default();
    let made = stage.launch(&launcher, &sleeping("sleep 300")).await;
    until(&launcher, &made.id, |state| *state == State::Running).await;
    let run =
        async |words: &[&str]| launcher.exec(&cx, &made.id, words.iter().map(ToString::to_string).collect()).await;
    assert_eq!(run(&["sh", "-c", "echo out; echo err >&2; exit 7"]).await.unwrap().1, 7);
    let (said, code) = run(&["cat", "/proc/self/comm"]).await.unwrap();
    assert_eq!((String::from_utf8_lossy(&said).trim(), code), ("cat", 0));
    // Some runtimes tell it as the output of the command, with exit code 126.
    let missing = match run(&["/no/such/program"]).await {
        Ok((said, code)) if code != 0 => String::from_utf8_lossy(&said).into_owned(),
        Ok(_) => String::new(),
        Err(error) => error.why,
    };
    assert!(missing.contains("no such file") || missing.contains("not found"), "{missing}");
    let mut terminal = launcher.terminal(&cx, &made.id, Some(vec!["/bin/sh".into()]), (80, 24)).await.unwrap();
    terminal.resize.send((101, 33)).await.unwrap();
    terminal.input.send("sleep 1; stty size; echo $((40+2)); exit\r".into()).await.unwrap();
    let typed = all_of(&mut terminal.output).await;
    assert!(typed.contains("42") && typed.contains("33 101"), "{typed}");
    let refused = launcher.terminal(&cx, &made.id, None, (80, 24)).await.err().unwrap();
    assert_eq!(refused.kind, Kind::Unsupported, "{refused}");
    let shellless = launcher.terminal(&cx, &made.id, Some(vec!["/no/shell".into()]), (80, 24)).await;
    let why = match shellless {
        Err(error) => error.why,
        Ok(mut terminal) => {
            let mut why = String::new();
            while let Some(part) = terminal.output.next().await {
                match part {
                    Ok(bytes) => why.push_str(&String::from_utf8_lossy(&bytes)),
                    Err(error) => why.push_str(&error.why),
                }
            }
            why
        }
    };
    assert!(why.contains("no such file") || why.contains("not found"), "an image without a shell is told: {why}");
    launcher.remove(&cx, &made.id).await.unwrap();
    let mut pod = sleeping("sh");
    pod.push(("as", "pod"));
    let made = stage.launch(&launcher, &pod).await;
    until(&launcher, &made.id, |state| *state == State::Running).await;
    let mut terminal = launcher.terminal(&cx, &made.id, None, (80, 24)).await.unwrap();
    terminal.input.send("echo $((40+2)); exit 5\r".into()).await.unwrap();
    assert!(all_of(&mut terminal.output).await.contains("42"));
    assert_eq!(until(&launcher, &made.id, State::has_ended).await.state, State::Exited(5));
    launcher.remove(&cx, &made.id).await.unwrap();
}

async fn all_of(output: &mut wharf::core::ports::ByteStream) -> String {
    let mut typed = String::new();
    while let Ok(Ok(Some(bytes))) = tokio::time::timeout(Duration::from_secs(20), output.try_next()).await {
        typed.push_str(&String::from_utf8_lossy(&bytes));
    }
    typed
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stopped_keeps_its_output_and_what_never_began_stays_stopped() {
    let stage = Stage::new(&need!("WHARF_LAB_KUBERNETES"));
    let launcher = stage.launcher("alice");
    let cx = Context::default();
    let made = stage
        .launch(&launcher, &sleeping("sh -c 'trap \"echo bye; exit 0\" TERM; echo begun; while :; do sleep 1; done'"))
        .await;
    until(&launcher, &made.id, |state| *state == State::Running).await;
    launcher.stop(&cx, &made.id).await.unwrap();
    let stopped = until(&launcher, &made.id, State::has_ended).await;
    assert_eq!(stopped.state.label().1, "stopped");
    assert!(logs(&launcher, &made.id).await.contains("begun"), "its output is there");
    launcher.remove(&cx, &made.id).await.unwrap();
    // No node has so much memory: it waits, says why, and can be stopped.
    let made = stage.launch(&launcher, &[("command", "true"), ("memory", "900G")]).await;
    let waits =
        until(&launcher, &made.id, |state| matches!(state, State::Queued { reason, .. } if !reason.is_empty())).await;
    assert!(waits.state.label().1.contains("Insufficient memory"), "{:?}", waits.state);
    for _ in 0..2 {
        launcher.stop(&cx, &made.id).await.unwrap();
    }
    assert_eq!(until(&launcher, &made.id, State::has_ended).await.state.label().1, "stopped");
    launcher.remove(&cx, &made.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_launch_are_told_in_words() {
    let stage = Stage::new(&need!("WHARF_LAB_KUBERNETES"));
    let launcher = stage.launcher("alice");
    let cx = Context::default();
    let tell = async |given: &[(&str, &str)], wanted: &str| {
        let made = stage.launch(&launcher, given).await;
        let began = Instant::now();
        loop {
            let all = launcher.workloads(&cx).await.unwrap().0;
            let state = all.into_iter().find(|one| one.id == made.id).unwrap().state;
            if state.label().1.contains(wanted) {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "'{wanted}' is not told: {state:?}");
        }
        launcher.remove(&cx, &made.id).await.unwrap();
    };
    tell(&[("command", "/no/such/program"), ("cpus", "100m")], "no such file").await;
    tell(&[("command", "sh -c 'sleep 60'"), ("time", "1s"), ("cpus", "100m")], "its time was over").await;
    tell(&[("command", "true"), ("isolation", "gvisor"), ("cpus", "100m")], "runsc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_and_quotas_are_told_before_a_launch() {
    let stage = Stage::new(&need!("WHARF_LAB_KUBERNETES"));
    let cx = Context::default();
    let bob = stage.launcher("bob");
    let refused = stage.plan(&bob, &[("command", "true")]).await.unwrap_err();
    assert_eq!(refused.kind, Kind::NotAllowed);
    assert!(refused.why.contains("cannot create resource"), "{refused}");
    assert!(bob.health(&cx).await.unwrap().note.contains("you may launch nothing"));
    assert!(bob.workloads(&cx).await.is_ok(), "who may look sees the list");
    let nobody = stage.plan(&stage.launcher("carol"), &[]).await.unwrap_err();
    assert!(nobody.why.contains("does not know you") && !nobody.hint.is_empty(), "{nobody}");
    let alice = stage.launcher("alice").health(&cx).await.unwrap();
    assert!(alice.note.contains("v1.20") && alice.note.contains("you may launch jobs and pods"), "{}", alice.note);
    let (launcher, name) = stage.alone();
    stage.kubectl(&["-n", &name, "create", "quota", "small", "--hard=pods=1,requests.cpu=2,count/jobs.batch=5"], "");
    let began = Instant::now();
    while !stage.kubectl(&["-n", &name, "get", "quota", "small", "-o", "json"], "").contains("\"used\"") {
        assert!(began.elapsed() < Duration::from_secs(30), "the quota is not counted");
    }
    let image = stage.image(&stage.tools).await;
    let form = launcher.form(&cx, &image).await.unwrap();
    let room: Vec<(String, String)> = form.room.iter().map(|one| (one.label.clone(), one.describe())).collect();
    assert!(room.contains(&("pods".into(), "1 of 1 free".into())), "{room:?}");
    let first = stage.plan(&launcher, &sleeping("sleep 300")).await.unwrap();
    let later = stage.plan(&launcher, &sleeping("sleep 300")).await.unwrap();
    let tells = |plan: &Plan, words: &str| plan.risks.iter().any(|risk| risk.text.contains(words));
    assert!(tells(&first, "quota of pods: 1 of 1 with it"), "{:?}", first.risks);
    let running = stage.carry_out(&launcher, &first).await.unwrap();
    until(&launcher, &running.id, |state| *state == State::Running).await;
    // The room is gone between plan and launch: the job waits, and says for what.
    let waiting = stage.carry_out(&launcher, &later).await.unwrap();
    let waits =
        until(&launcher, &waiting.id, |state| matches!(state, State::Queued { reason, .. } if !reason.is_empty()))
            .await;
    assert!(waits.state.label().1.contains("exceeded quota"), "{:?}", waits.state);
    let third = stage.plan(&launcher, &[("command", "true")]).await.unwrap();
    assert!(tells(&third, "it waits until there is room"), "{:?}", third.risks);
    let pod = stage.plan(&launcher, &[("command", "true"), ("as", "pod")]).await.unwrap_err();
    assert!(pod.why.contains("exceeded quota"), "{pod}");
    stage.forget(&name);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_tells_of_changes_by_itself() {
    let stage = Stage::new(&need!("WHARF_LAB_KUBERNETES"));
    let launcher = stage.launcher("alice");
    let cx = Context::default();
    let mut changes = launcher.watch(&cx).await.unwrap().unwrap();
    let made = stage.launch(&launcher, &[("command", "true"), ("cpus", "100m")]).await;
    let told = tokio::time::timeout(Duration::from_secs(20), changes.next()).await.expect("a change is told");
    told.unwrap().unwrap();
    launcher.remove(&cx, &made.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_everybody_all_pods_of_the_namespace_are_listed_and_page_by_page() {
    let stage = Stage::new(&need!("WHARF_LAB_KUBERNETES"));
    let cx = Context::default();
    let name = lab::fresh("many");
    stage.kubectl(&["create", "namespace", &name], "");
    // Pods that no scheduler takes: only their number matters.
    let pod = |number: usize| {
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": format!("p{number}") },
            "spec": { "schedulerName": "nobody", "containers": [{ "name": "c", "image": "example.org/a:1" }] } })
    };
    let all: Vec<Value> = (0..1100).map(pod).collect();
    stage.kubectl(
        &["-n", &name, "create", "-f", "-"],
        &json!({ "apiVersion": "v1", "kind": "List", "items": all }).to_string(),
    );
    let (home, config) = (Home::new(), stage.home.path("many"));
    let text = std::fs::read_to_string(stage.kubeconfig("admin")).unwrap();
    let there = text.replace("\"user\":\"me\"", &format!("\"user\":\"me\",\"namespace\":\"{name}\""));
    std::fs::write(&config, there).unwrap();
    let launcher = launcher(&home, &config);
    let listed = launcher.list(&cx, ListScope { everybody: true, since: None }).await.unwrap();
    assert_eq!((listed.workloads.len(), listed.extent), (1100, wharf::core::ports::Extent::Whole));
    assert!(launcher.workloads(&cx).await.unwrap().0.is_empty(), "none of them was launched by this person");
    stage.forget(&name);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_kubevirt_is_a_disk_in_an_image_becomes_a_machine() {
    let stage = Stage::new(&need!("WHARF_LAB_KUBERNETES"));
    let launcher = stage.launcher("alice");
    let cx = Context::default();
    let image = stage.image(&disks::container_disk().await).await;
    assert_eq!(image.kind, wharf::core::image::model::ImageKind::Vm);
    let form = launcher.form(&cx, &image).await.unwrap();
    assert_eq!(form.isolation_of(&form.defaults()), Isolation::OwnKernel);
    let plan = launcher.plan(&cx, &image, &answers(&[("key", "ssh-ed25519 AAAA ada")])).await.unwrap();
    assert_eq!(plan.isolation, Isolation::OwnKernel);
    let (_, body) = plan.call("test").unwrap();
    conforms(body, "V1VirtualMachineInstance");
    let made = launcher.launch(&cx, &plan, &supply(&stage.portal, &image).await).await.unwrap();
    assert!(made.id.starts_with("vmi/"), "{}", made.id);
    // Nobody runs it here: its state is written as KubeVirt writes it.
    let name = made.id.rsplit('/').next().unwrap();
    let status = |phase: &str| json!({ "status": { "phase": phase, "nodeName": "n1", "interfaces": [{ "ipAddress": "10.1.2.3" }] } });
    for (phase, state) in [("Scheduling", State::Starting), ("Running", State::Running)] {
        let object = format!("/apis/kubevirt.io/v1/namespaces/physics/virtualmachineinstances/{name}/status");
        let mut whole: Value =
            serde_json::from_str(&stage.kubectl(&["get", "--raw", object.trim_end_matches("/status")], "")).unwrap();
        whole["status"] = status(phase)["status"].clone();
        stage.kubectl(&["replace", "--raw", &object, "-f", "-"], &whole.to_string());
        let found = until(&launcher, &made.id, |now| *now == state).await;
        assert_eq!(found.addresses, ["10.1.2.3"]);
    }
    let console = launcher.terminal(&cx, &made.id, None, (80, 24)).await.err().unwrap();
    assert!(console.hint.contains(&format!("console {name}")), "{console}");
    launcher.remove(&cx, &made.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_of_a_kubeconfig_are_backends_whatever_they_are_called() {
    let folder = need!("WHARF_LAB_KUBERNETES");
    let home = Home::new();
    let text = std::fs::read_to_string(Path::new(&folder).join("alice.kubeconfig")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    let context = config["contexts"][0]["context"].clone();
    config["contexts"] = json!([
        { "name": "my own cluster", "context": context },
        { "name": "arn:aws:eks:eu-west-1:1234:cluster/prod", "context": { "cluster": "gone", "user": "me" } },
        { "name": "local", "context": { "cluster": "lab", "user": "program" } },
    ]);
    config["current-context"] = json!("my own cluster");
    config["clusters"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "gone", "cluster": { "server": format!("https://127.0.0.1:{}", lab::free_port()) } }));
    let asked = home.path("asked");
    let program = json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
        "args": ["-c", format!("cat >{0}; echo $KUBERNETES_EXEC_INFO >>{0}; echo sign in first >&2; exit 1", asked.display())] });
    config["users"].as_array_mut().unwrap().push(json!({ "name": "program", "user": { "exec": program } }));
    let at = home.path("kubeconfig");
    std::fs::write(&at, config.to_string()).unwrap();
    let wharf = |arguments: &[&str]| {
        home.wharf(arguments).env("KUBECONFIG", &at).env("WHARF_DISCOVER", "yes").stdin(Stdio::null()).output().unwrap()
    };
    let doctor = lab::said(&wharf(&["doctor"]));
    assert!(doctor.contains("my-own-cluster"), "{doctor}");
    assert!(doctor.contains("prod") && doctor.contains("nothing listens at that address"), "{doctor}");
    assert!(doctor.contains("the sign-in of the kubeconfig failed"), "{doctor}");
    assert!(asked.is_file(), "the sign-in program of a context is run");
    let odd = home.path("odd");
    std::fs::write(&odd, "contexts: [\n").unwrap();
    let output = home.wharf(&["doctor"]).env("KUBECONFIG", &odd).env("WHARF_DISCOVER", "yes").output().unwrap();
    let doctor = lab::said(&output);
    assert!(doctor.contains("kubeconfig") && doctor.contains(&odd.display().to_string()), "{doctor}");
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_pods_are_rows_that_say_what_runs_with_them() {
    let stage = Stage::new(&need!("WHARF_LAB_KUBERNETES"));
    let (launcher, namespace) = stage.alone();
    let cx = Context::default();
    let made = stage.launch(&launcher, &sleeping("sleep 300")).await;
    until(&launcher, &made.id, |state| *state == State::Running).await;
    // One that somebody else started, by hand.
    let image = stage.tools.trim_start_matches("oci://");
    let words = ["-n", &namespace, "run", "neighbour", "--image", image, "--restart=Never", "--", "sleep", "300"];
    stage.kubectl(&words, "");
    let wait = ["-n", &namespace, "wait", "--for=condition=Ready", "pod/neighbour", "--timeout=60s"];
    stage.kubectl(&wait, "");
    let backend =
        toml::Table::from_iter([("kubeconfig".to_owned(), stage.home.path("kubeconfig").display().to_string().into())]);
    let open = lab::registry("open", &std::env::var("WHARF_LAB_OPEN").unwrap());
    let backends = vec![ConfigEntry::new("cluster", "kubernetes", "test", backend)];
    let config = Config { backends, sources: vec![open], ..stage.home.config() };
    let portal = Portal::new(wharf::adapters::parts_of(config).unwrap());
    let (out, _parts) = tokio::sync::mpsc::channel(64);
    let listed = portal.catalog.list(&cx, "cluster", None, out).await.unwrap();
    assert_eq!(listed.rows.len(), 1, "both pods run the same image");
    let row = listed.rows.get(0).unwrap();
    let pinned = stage.image(&stage.tools).await.pinned.unwrap();
    assert_eq!((row.name, row.note), (image.rsplit_once(':').unwrap().0, "runs in 2 pods"));
    assert_eq!(listed.rows.digest(0), pinned.digest.to_string(), "so that its findings are known by its digest");
    // It is opened as the image that it is.
    let reference = format!("oci://{}:2024.1", row.name).parse().unwrap();
    let shown = portal.sources.image(&cx, &reference, None).await.unwrap();
    assert_eq!(shown.pinned.unwrap().digest, pinned.digest);
    launcher.remove(&cx, &made.id).await.unwrap();
    stage.forget(&namespace);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pods_use_is_told_where_the_cluster_measures() {
    let stage = Stage::new(&need!("WHARF_LAB_KUBERNETES"));
    let (launcher, namespace) = stage.alone();
    let cx = Context::default();
    let made = stage.launch(&launcher, &[("command", "sleep 300"), ("memory", "64M"), ("cpus", "250m")]).await;
    until(&launcher, &made.id, |state| *state == State::Running).await;
    assert_eq!(launcher.usage(&cx, &made.id).await.unwrap(), None, "nothing measures here");
    // Objects as a metrics server gives them (k8s.io/metrics, `v1beta1.PodMetrics`).
    let pods = ["-n", &namespace, "get", "pods", "-o", "jsonpath={.items[0].metadata.name}"];
    let pod = stage.kubectl(&pods, "");
    stage.kubectl(&["apply", "-f", "-"], METRICS);
    stage.kubectl(&["apply", "-f", "-"], READERS);
    stage.kubectl(&["wait", "--for=condition=Established", "crd/pods.metrics.k8s.io", "--timeout=60s"], "");
    let measured = json!({ "apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics",
        "metadata": { "name": pod, "namespace": namespace }, "timestamp": "2026-11-30T00:00:00Z", "window": "15s",
        "containers": [{ "name": "sidecar", "usage": { "cpu": "9", "memory": "9Gi" } },
            { "name": "main", "usage": { "cpu": "123456789n", "memory": "31572Ki" } }] });
    stage.kubectl(&["apply", "-f", "-"], &measured.to_string());
    // The cluster gives the right to whoever may edit, after a moment.
    let began = Instant::now();
    let usage = loop {
        match launcher.usage(&cx, &made.id).await.unwrap() {
            Some(usage) => break usage,
            None => assert!(began.elapsed() < Duration::from_secs(60), "it is not told"),
        }
        std::thread::park_timeout(Duration::from_millis(50));
    };
    assert_eq!((usage.cpu_percent, usage.memory), (Some(12.4), Some(31572 << 10)));
    assert_eq!((usage.memory_limit, usage.processors), (Some(64 << 20), Some(1)));
    stage.kubectl(&["delete", "crd", "pods.metrics.k8s.io"], "");
    launcher.remove(&cx, &made.id).await.unwrap();
    stage.forget(&namespace);
}

/// The metrics API, as objects that the API server keeps: there is no metrics server in the lab.
const METRICS: &str = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
"metadata":{"name":"pods.metrics.k8s.io","annotations":{"api-approved.kubernetes.io":"unapproved, a test"}},
"spec":{"group":"metrics.k8s.io","scope":"Namespaced","names":{"plural":"pods","singular":"pod","kind":"PodMetrics","listKind":"PodMetricsList"},
"versions":[{"name":"v1beta1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}"#;
/// Who may read it: whoever may edit a namespace, as metrics servers are installed.
const READERS: &str = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole",
"metadata":{"name":"metrics-reader","labels":{"rbac.authorization.k8s.io/aggregate-to-edit":"true"}},
"rules":[{"apiGroups":["metrics.k8s.io"],"resources":["pods"],"verbs":["get","list"]}]}"#;
