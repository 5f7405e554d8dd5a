//! The shared store: a contract that every kind of store keeps, and what a database refuses to people who use it
//! directly.

use std::{process::Command, sync::Arc, time::Duration};

use wharf::{
    adapters::store::shared::{postgres::Postgres, sqlite::SqliteStore},
    core::{
        base::{badge::Verdict, digest::Digest, error::Kind, text},
        policy::Site,
        ports::store::{JobTurn, MIRROR_JOB, Store, Use, UseKind, Watch, Watched},
        request::{
            Admission, Caller, Decision, Dossier, Event, RemarkKind, RequestFilter, RequestedImage, RequestedUse,
            Stage, StoredReason, Terms,
            event::PolicyOutcome,
            notice::{APPROVERS, Notice, Topic, Warning},
        },
    },
};

use crate::lab::{self, need};

type Shared = Arc<dyn Store>;

const MINUTE: Duration = Duration::from_secs(60);

/// A store in memory, which lasts as long as the program.
pub(crate) fn in_memory(person: &str) -> Shared {
    let folder = std::env::temp_dir().join(lab::fresh("wharf-test-store"));
    Arc::new(SqliteStore::new(folder.join("requests.db"), who(person, true), lab::fresh("worker")))
}

fn who(person: &str, approver: bool) -> Caller {
    Caller { person: person.into(), approver, steward: true, own: false }
}

/// A database server of one test, which can be killed and started again. PostgreSQL refuses to run as root.
pub(crate) struct Server {
    port: u16,
    folder: tempfile::TempDir,
    programs: std::path::PathBuf,
    child: Option<std::process::Child>,
    /// Settings besides the usual ones.
    pub settings: Vec<String>,
}

impl Server {
    pub(crate) fn new() -> Option<Self> {
        use std::os::unix::fs::PermissionsExt;
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let programs = versions.flatten().map(|version| version.path().join("bin")).max()?;
        let folder = tempfile::tempdir().ok()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).ok()?;
        let port = crate::site::free_port();
        let server = Self { port, folder, programs, child: None, settings: Vec::new() };
        let data = server.data();
        let made = server
            .as_postgres("initdb", &["-D", &data, "-U", "postgres", "--auth=trust", "--no-sync"])
            .output()
            .ok()?;
        if !made.status.success() {
            eprintln!("left out: a database server of its own ({})", lab::complained(&made));
            return None;
        }
        Some(server)
    }

    pub(crate) fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its socket.
    pub(crate) fn socket(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn as_postgres(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups"]);
        command.arg(self.programs.join(program)).args(arguments).env("LC_ALL", "C.UTF-8").current_dir("/");
        command
    }

    pub(crate) fn start(&mut self) {
        let (data, port) = (self.data(), self.port.to_string());
        let socket = self.folder.path().display().to_string();
        let words = ["-D", &data, "-p", &port, "-k", &socket, "-c", "listen_addresses=127.0.0.1"];
        let words = words.into_iter().chain(self.settings.iter().flat_map(|setting| ["-c", setting.as_str()]));
        let words: Vec<&str> = words.collect();
        let log = || std::fs::File::options().append(true).create(true).open(self.folder.path().join("log")).unwrap();
        let spawned = || self.as_postgres("postgres", &words).stdout(log()).stderr(log()).spawn().unwrap();
        let mut child = spawned();
        crate::site::until("the database server", || {
            // While helpers of one that was killed are still there, another one ends at once.
            if child.try_wait().unwrap().is_some() {
                eprintln!("{}", std::fs::read_to_string(self.folder.path().join("log")).unwrap());
                child = spawned();
            }
            let ready =
                Command::new(self.programs.join("pg_isready")).args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
            ready.is_ok_and(|status| status.success())
        });
        self.child = Some(child);
    }

    /// As in a power failure: what was not committed is gone.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
            // Its helpers end on their own; until then no other server may start.
            let _ = self.as_postgres("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]).output();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A database of one test, in the lab's server.
pub(crate) struct Database {
    pub host: String,
    pub name: String,
}

impl Database {
    pub(crate) async fn new(host: &str) -> Self {
        let database = Self { host: host.to_owned(), name: lab::fresh("wharf").replace('-', "_") };
        let made = database.psql("postgres", "postgres", &format!("CREATE DATABASE {}", database.name));
        assert!(made.0, "{}", made.1);
        let owner = database.store("postgres", "owner");
        owner.set_up().await.unwrap();
        assert!(owner.set_up().await.unwrap().contains("was up to date"));
        database
    }

    pub(crate) fn address(&self, person: &str) -> String {
        format!("postgres://{person}@{}/{}?sslmode=disable", self.host, self.name)
    }

    pub(crate) fn store(&self, person: &str, worker: &str) -> Shared {
        Arc::new(Postgres::new(&self.address(person), worker.into()).unwrap())
    }

    /// Runs statements as a person with psql, one after the other, whatever happens to each.
    pub(crate) fn psql_all(&self, person: &str, all: &[&str]) {
        let (host, port) = self.host.split_once(':').unwrap();
        let mut command = Command::new("psql");
        command.args(["-h", host, "-p", port, "-U", person, "-d", &self.name, "-At"]);
        for sql in all {
            // Without NUL, which no argument can contain.
            command.args(["-c", &sql.replace('\0', "")]);
        }
        command.output().unwrap();
    }

    /// Runs a statement as a person with psql; gives whether it succeeded, and its output.
    pub(crate) fn psql(&self, person: &str, database: &str, sql: &str) -> (bool, String) {
        let (host, port) = self.host.split_once(':').unwrap();
        let output = Command::new("psql")
            .args(["-h", host, "-p", port, "-U", person, "-d", database, "-v", "ON_ERROR_STOP=1", "-Atc", sql])
            .output()
            .unwrap();
        (output.status.success(), format!("{}{}", lab::said(&output), lab::complained(&output)))
    }
}

/// A digest for a name that a test uses.
pub(crate) fn digest_of(name: &str) -> String {
    Digest::of(name.as_bytes()).to_string()
}

pub(crate) fn asked(name: &str) -> RequestedImage {
    let digest = digest_of(name);
    RequestedImage {
        from: format!("oci://lab.example/physics/{name}@{digest}"),
        title: format!("physics/{name}:1"),
        tag: Some("1".into()),
        digest,
        platforms: Vec::new(),
        size: Some(5),
    }
}

pub(crate) fn wish(reason: &str, private: bool) -> RequestedUse {
    RequestedUse { person: String::new(), reason: reason.into(), until: None, since: 0, private, withdrawn: false }
}

pub(crate) fn decision(name: &str, approve: bool, reason: &str) -> Decision {
    Decision {
        by: String::new(),
        at: text::now(),
        approve,
        reason: reason.into(),
        terms: Terms::default(),
        digest: digest_of(name),
        payload: String::new(),
        signature: String::new(),
    }
}

pub(crate) fn dossier(verdict: Verdict, rule: &str, base: &str) -> Box<Dossier> {
    let ground = StoredReason {
        verdict,
        rule: rule.into(),
        words: format!("{rule}: not as it should be"),
        step: "x".into(),
        findings: Vec::new(),
    };
    Box::new(Dossier {
        verdict,
        policy: "test".into(),
        grounds: vec![ground],
        evidence: vec!["signature: unsigned".into()],
        base: base.into(),
        diff: String::new(),
        fixes: Vec::new(),
        quarantine: "file:/q".into(),
        scan: None,
        tag: None,
        at: text::now(),
    })
}

fn admission(name: &str) -> Admission {
    let digest = digest_of(name);
    let reference = format!("oci://lab.example/admitted/{name}@{digest}");
    Admission { reference, digest, signers: vec!["key 1".into()], at: text::now(), untagged: String::new() }
}

/// The contract: people request, a steward works, somebody decides, and everybody is notified once.
struct People {
    ada: Shared,
    bob: Shared,
    carol: Shared,
    dora: Shared,
    one: Shared,
    two: Shared,
}

async fn story(people: &People) {
    let People { ada, bob, carol, dora, one, two } = people;
    // A private request does not exist for others; if they request the same, they do not learn of it: theirs is a
    // separate one.
    let hidden = "oci://lab.example/admitted/p";
    let (hers, new) = ada.submit(&asked("p"), hidden, &wish("a secret", true)).await.unwrap();
    assert!(new);
    assert_eq!(ada.submit(&asked("p"), hidden, &wish("a secret", true)).await.unwrap(), (hers, false));
    assert_eq!(ada.request(hers).await.unwrap().version, 2);
    assert_eq!(bob.request(hers).await.unwrap_err().kind, Kind::NotFound);
    assert!(bob.requests(RequestFilter::All, 0, 10).await.unwrap().is_empty());
    assert_eq!(bob.apply_event(hers, &Event::Withdraw).await.unwrap_err().kind, Kind::NotFound);
    let (his, new) = bob.submit(&asked("p"), hidden, &wish("course", false)).await.unwrap();
    assert!(new && his != hers);
    ada.apply_event(hers, &Event::Withdraw).await.unwrap();
    bob.apply_event(his, &Event::Withdraw).await.unwrap();
    // The same image requested by two people is one request with two reasons; the same words again change nothing. A
    // person who privately requests what others request openly keeps their own reason to themselves.
    let destination = "oci://lab.example/admitted/a";
    let (id, new) = bob.submit(&asked("a"), destination, &wish("course", false)).await.unwrap();
    assert!(new);
    assert_eq!(bob.submit(&asked("a"), destination, &wish("course", false)).await.unwrap(), (id, false));
    assert_eq!(ada.submit(&asked("a"), destination, &wish("for the paper", true)).await.unwrap(), (id, false));
    let seen = bob.request(id).await.unwrap();
    let words =
        |all: Vec<wharf::core::request::Change>| -> Vec<String> { all.into_iter().map(|one| one.detail).collect() };
    assert_eq!(words(bob.history(id).await.unwrap()), ["course"]);
    assert_eq!(words(ada.history(id).await.unwrap()), ["course", "for the paper"]);
    assert_eq!(words(carol.history(id).await.unwrap()), ["course", "for the paper"]);
    assert_eq!(seen.wishes.iter().map(|wish| wish.person.as_str()).collect::<Vec<_>>(), ["bob"]);
    assert_eq!(carol.request(id).await.unwrap().wishes.len(), 2);
    assert_eq!(ada.requests(RequestFilter::Mine, 0, 10).await.unwrap().len(), 2);
    assert_eq!(ada.ahead(id).await.unwrap(), 0);
    // One steward claims it, the other finds nothing; only the holder can go on.
    let taken = one.claim(MINUTE, 9).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.stage), (id, Stage::Gathering));
    assert!(two.claim(MINUTE, 9).await.unwrap().is_none());
    let judged = Event::Judged(dossier(Verdict::NeedsApproval, "signature", "alpine"), PolicyOutcome::Wait);
    assert!(two.apply_event(id, &judged).await.unwrap_err().why.contains("another steward"));
    one.apply_event(id, &Event::Renew { lease: MINUTE }).await.unwrap();
    let waiting = one.apply_event(id, &judged).await.unwrap();
    assert_eq!((waiting.stage, waiting.rule(), waiting.base()), (Stage::Waiting, "signature", "alpine"));
    assert!(one.claim(MINUTE, 9).await.unwrap().is_none(), "nothing is to be done until somebody decides");
    let queue = carol.requests(RequestFilter::Queue, 0, 10).await.unwrap();
    assert_eq!(queue.iter().map(|request| request.id).collect::<Vec<_>>(), [id]);
    let groups = carol.groups().await.unwrap();
    assert_eq!((groups[0].rule.as_str(), groups[0].base.as_str(), groups[0].count), ("signature", "alpine", 1));
    // Approvers are notified; a question goes back and its answer returns.
    let told = carol.notices(0, 10).await.unwrap();
    assert_eq!((told[0].topic, told[0].to.as_str(), told[0].seen), (Topic::Decision, APPROVERS, false));
    assert_eq!(told[0].words, "waits for a decision: signature: not as it should be");
    assert_eq!((carol.unread().await.unwrap(), dora.unread().await.unwrap(), ada.unread().await.unwrap()), (1, 1, 0));
    carol.mark_notices_read(&[told[0].id]).await.unwrap();
    assert_eq!((carol.unread().await.unwrap(), dora.unread().await.unwrap()), (0, 1));
    carol.apply_event(id, &Event::Remark(RemarkKind::Question, "what for?".into())).await.unwrap();
    assert_eq!(ada.notices(0, 10).await.unwrap()[0].words, "a question: what for?");
    let refused = ada.apply_event(id, &Event::Remark(RemarkKind::Question, "why?".into())).await.unwrap_err();
    assert_eq!(refused.kind, Kind::NotAllowed);
    let answered = ada.apply_event(id, &Event::Remark(RemarkKind::Answer, "a thesis".into())).await.unwrap();
    assert_eq!((answered.stage, answered.remarks.len()), (Stage::Waiting, 2));
    // Her answer belongs to her private wish.
    assert_eq!(bob.request(id).await.unwrap().remarks.len(), 1);
    assert!(!words(bob.history(id).await.unwrap()).contains(&"a thesis".to_owned()));
    assert_eq!(carol.request(id).await.unwrap().remarks.len(), 2);
    assert_eq!(dora.notices(0, 10).await.unwrap()[0].words, "was answered");
    // Two decide at once: one wins, the other is told so.
    let refused = ada.apply_event(id, &Event::Decide(decision("a", true, "mine"))).await.unwrap_err();
    assert_eq!(refused.kind, Kind::NotAllowed, "{refused}");
    let wrong = carol.apply_event(id, &Event::Decide(decision("b", true, "x"))).await.unwrap_err();
    assert!(wrong.why.contains("another digest"), "{wrong}");
    let (yes, no) = (Event::Decide(decision("a", true, "fine")), Event::Decide(decision("a", false, "no")));
    let (first, second) = tokio::join!(carol.apply_event(id, &yes), dora.apply_event(id, &no));
    let loser = match (&first, &second) {
        (Ok(_), Err(loser)) | (Err(loser), Ok(_)) => loser.clone(),
        other => panic!("{other:?}"),
    };
    assert!(loser.why.contains("it already"), "{loser}");
    if second.is_ok() {
        // The other order: this part of the test is over, the next begins with what carol approves.
        assert_eq!(ada.request(id).await.unwrap().stage, Stage::Rejected);
        return Box::pin(approved(people, "a2")).await;
    }
    Box::pin(admitted(people, id)).await
}

async fn approved(people: &People, name: &str) {
    let (id, _) = people.ada.submit(&asked(name), "oci://lab.example/admitted/a", &wish("again", false)).await.unwrap();
    people.one.claim(MINUTE, 9).await.unwrap().unwrap();
    let judged = Event::Judged(dossier(Verdict::NeedsApproval, "signature", "alpine"), PolicyOutcome::Wait);
    people.one.apply_event(id, &judged).await.unwrap();
    people.carol.apply_event(id, &Event::Decide(decision(name, true, "fine"))).await.unwrap();
    Box::pin(admitted(people, id)).await
}

async fn admitted(people: &People, id: i64) {
    let People { ada, bob, carol, dora, one, two } = people;
    // The decision names the person whom the store has authenticated.
    assert_eq!(ada.request(id).await.unwrap().decision.unwrap().by, "carol");
    // A refused transaction may hold the row for a moment longer.
    let mut taken = None;
    for _ in 0..50 {
        taken = two.claim(MINUTE, 9).await.unwrap();
        if taken.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let taken = taken.unwrap();
    assert_eq!((taken.id, taken.stage), (id, Stage::Admitting));
    // It fails once, and is tried again later.
    let later = Event::Failed { why: "the registry is away".into(), again: Some(60 * MINUTE) };
    assert_eq!(two.apply_event(id, &later).await.unwrap().tries, 1);
    assert!(one.claim(MINUTE, 9).await.unwrap().is_none());
    let again = Event::Failed { why: "still".into(), again: Some(Duration::ZERO) };
    assert!(two.apply_event(id, &again).await.unwrap_err().why.contains("another steward"), "the claim was given back");
    // A second one, whose wait is zero.
    let (other, _) = ada.submit(&asked("now"), "oci://lab.example/admitted/now", &wish("quick", false)).await.unwrap();
    assert_eq!(ada.ahead(other).await.unwrap(), 1, "the one that is tried again later");
    one.claim(MINUTE, 9).await.unwrap().unwrap();
    let allowed = PolicyOutcome::Decided(Decision { by: "policy test".into(), ..decision("now", true, "clean") });
    one.apply_event(other, &Event::Judged(dossier(Verdict::Allow, "scan", ""), allowed)).await.unwrap();
    let done = one.apply_event(other, &Event::Admitted(admission("now"))).await.unwrap();
    assert_eq!((done.stage, done.claimed), (Stage::Admitted, None));
    assert!(one.apply_event(other, &Event::Admitted(admission("now"))).await.is_err(), "never twice");
    assert_eq!(one.admitted_at("oci://lab.example/admitted/now").await.unwrap().unwrap(), done.admitted.unwrap());
    let told = ada.notices(0, 10).await.unwrap();
    assert_eq!(told[0].words, format!("was admitted: oci://lab.example/admitted/now@{}", digest_of("now")));
    assert_eq!((told[0].topic, told[0].request), (Topic::Request, Some(other)));
    assert_eq!(ada.pace().await.unwrap().automatic, None, "one that was admitted says nothing of the next");
    assert!(!ada.submit(&asked("now"), "oci://lab.example/admitted/now", &wish("quick", false)).await.unwrap().1);
    // The history has everything, in order.
    let what: Vec<String> = ada.history(other).await.unwrap().into_iter().map(|change| change.what).collect();
    assert_eq!(what, ["asked for", "taken", "judged", "admitted"]);
    // A class: an approver approves all that one rule blocks on one base image.
    let (third, _) = bob.submit(&asked("c"), "oci://lab.example/admitted/c", &wish("course", false)).await.unwrap();
    one.claim(MINUTE, 9).await.unwrap().unwrap();
    one.apply_event(third, &Event::Judged(dossier(Verdict::NeedsApproval, "signature", "alpine"), PolicyOutcome::Wait))
        .await
        .unwrap();
    let mut class = decision("", true, "our base");
    assert_eq!(bob.approve_class("alpine", "signature", &class).await.unwrap_err().kind, Kind::NotAllowed);
    assert_eq!(carol.approve_class("alpine", "signature", &class).await.unwrap_err().kind, Kind::Usage);
    class.terms.until = Some(text::now() + 1000);
    class.terms.rules = vec!["signature".into()];
    let kept = carol.approve_class("alpine", "signature", &class).await.unwrap();
    let classes = one.classes().await.unwrap();
    assert_eq!((classes[0].id, classes[0].decision.by.as_str()), (kept, "carol"));
    assert!(classes[0].covers(&dossier(Verdict::NeedsApproval, "signature", "alpine"), text::now()));
    assert!(!classes[0].covers(&dossier(Verdict::NeedsApproval, "scan", "alpine"), text::now()));
    assert_eq!(one.claim(MINUTE, 9).await.unwrap().unwrap().id, third, "what waits is judged anew");
    carol.end_class(kept).await.unwrap();
    assert!(carol.end_class(kept).await.is_err() && one.classes().await.unwrap().is_empty());
    one.apply_event(
        third,
        &Event::Judged(
            dossier(Verdict::Deny, "scan", "alpine"),
            PolicyOutcome::Decided(Decision { by: "policy test".into(), ..decision("c", false, "bad") }),
        ),
    )
    .await
    .unwrap();
    assert_eq!(bob.notices(0, 1).await.unwrap()[0].words, "was rejected by policy test: bad");
    // A rejected image can be requested again; withdrawn by the last requester, a request is over.
    let (fourth, new) = bob.submit(&asked("c"), "oci://lab.example/admitted/c", &wish("please", false)).await.unwrap();
    assert!(new && fourth != third);
    assert_eq!(dora.apply_event(fourth, &Event::Withdraw).await.unwrap_err().kind, Kind::NotAllowed);
    assert_eq!(bob.apply_event(fourth, &Event::Withdraw).await.unwrap().stage, Stage::Withdrawn);
    Box::pin(watched(people)).await
}

async fn watched(people: &People) {
    let People { ada, bob, one, .. } = people;
    let used = |how, place: &str| Use {
        person: String::new(),
        how,
        reference: format!("oci://lab.example/admitted/now@{}", digest_of("now")),
        digest: digest_of("now"),
        place: place.into(),
        at: text::now(),
    };
    for _ in 0..2 {
        bob.record_use(&used(UseKind::Launched, "local/look-1")).await.unwrap();
    }
    let users: Vec<(String, UseKind)> =
        one.users(&digest_of("now")).await.unwrap().into_iter().map(|used| (used.person, used.how)).collect();
    assert_eq!(users, [("ada".to_owned(), UseKind::Requested), ("bob".to_owned(), UseKind::Launched)]);
    let due = one.due_for_judging(&Watch::default(), 10).await.unwrap();
    assert_eq!((due.len(), due[0].digest.as_str(), due[0].judged), (1, digest_of("now").as_str(), false));
    assert_eq!(due[0].age, None);
    assert!(due[0].reference.starts_with("oci://lab.example/admitted/now@"));
    let now = Watched { known: vec!["CVE-1".into()], judged: true, verdict: "allow".into(), ..due[0].clone() };
    let warning = Warning {
        digest: digest_of("now"),
        findings: vec![("CVE-1".into(), "openssl".into(), "3.1".into())],
        ..Warning::default()
    };
    let notice = Notice {
        id: 0,
        at: text::now(),
        to: "bob".into(),
        topic: Topic::Vulnerability,
        key: "vulnerability now CVE-1".into(),
        title: "now".into(),
        words: warning.describe(),
        request: None,
        warning: Some(warning),
        seen: false,
    };
    // The same notice is given once.
    for _ in 0..2 {
        one.watch(&now, std::slice::from_ref(&notice)).await.unwrap();
    }
    assert!(one.due_for_judging(&Watch { after: MINUTE, ..Watch::default() }, 10).await.unwrap().is_empty());
    let kept = one.due_for_judging(&Watch::default(), 10).await.unwrap();
    assert!(kept[0].age.is_some_and(|age| age < MINUTE) && kept[0].checked > 0, "by the store's clock");
    let Watched { checked, age, superseded, .. } = kept[0];
    assert_eq!(kept, [Watched { checked, age, superseded, ..now.clone() }]);
    let told = bob.notices(0, 10).await.unwrap();
    assert_eq!(told.iter().filter(|one| one.topic == Topic::Vulnerability).count(), 1);
    assert_eq!(told[0].warning, notice.warning);
    // Deliveries: each notice once by each way, again after a failure, and claimed by nobody else meanwhile.
    bob.introduce("bob@lab.example").await.unwrap();
    let mut taken = Vec::new();
    while let Some(due) = one.due("mail", MINUTE).await.unwrap() {
        taken.push(due);
    }
    let mine = taken.iter().find(|due| due.notice.topic == Topic::Vulnerability).unwrap();
    assert_eq!((mine.mail.as_deref(), mine.tries), (Some("bob@lab.example"), 0));
    assert!(taken.iter().any(|due| due.notice.to == APPROVERS && due.mail.is_none()));
    for due in &taken {
        let again = (due.notice.id == mine.notice.id).then_some(Duration::ZERO);
        one.delivered("mail", due.notice.id, again).await.unwrap();
    }
    let again = one.due("mail", MINUTE).await.unwrap().unwrap();
    assert_eq!((again.notice.id, again.tries), (mine.notice.id, 1));
    one.delivered("mail", again.notice.id, None).await.unwrap();
    assert!(one.due("mail", MINUTE).await.unwrap().is_none());
    assert!(one.due("webhook", MINUTE).await.unwrap().is_some(), "another way is another delivery");
    // A listener hears of what others do.
    let (news, to_hear) = (asked("news"), wish("to be heard", false));
    let (heard, _) = tokio::join!(
        async {
            loop {
                // News from before listening began is not lost: a listener reads again first.
                let _ = tokio::time::timeout(std::time::Duration::from_secs(2), ada.news()).await;
                if ada.requests(RequestFilter::All, 0, 1).await.unwrap()[0].asked.title == "physics/news:1" {
                    return true;
                }
            }
        },
        bob.submit(&news, "oci://lab.example/admitted/news", &to_hear),
    );
    assert!(heard);
    Box::pin(taken_back(people, &now)).await
}

/// What the site knows is told to everybody, and an approver can revoke an admission.
async fn taken_back(people: &People, now: &Watched) {
    let People { ada, bob, carol, one, .. } = people;
    let digests = [now.digest.clone()];
    let place = "oci://lab.example/admitted/now";
    let knows = bob.known_at_site(&digests, place).await.unwrap();
    assert!(matches!(knows, Site::Judged { verdict: Verdict::Allow, .. }), "{knows:?}");
    let bad = Watched {
        verdict: "deny".into(),
        told: vec![("CVE-1".into(), "openssl".into(), "3.1".into())],
        checked: now.checked + 1,
        ..now.clone()
    };
    one.watch(&bad, &[]).await.unwrap();
    match bob.known_at_site(&digests, place).await.unwrap() {
        Site::Judged { verdict, findings, .. } => {
            assert_eq!((verdict, findings), (Verdict::Deny, vec!["CVE-1".into()]))
        }
        other => panic!("{other:?}"),
    }
    let admitted = one.admissions(&now.digest).await.unwrap();
    let id = admitted[0].id;
    let why = Decision { digest: admitted[0].asked.digest.clone(), ..decision("x", false, "it leaks") };
    let refused = bob.apply_event(id, &Event::Revoke(why.clone())).await.unwrap_err();
    assert_eq!(refused.kind, Kind::NotAllowed, "{refused}");
    let taken = carol.apply_event(id, &Event::Revoke(why.clone())).await.unwrap();
    assert_eq!((taken.stage, taken.decision.unwrap().by.as_str()), (Stage::Revoking, "carol"));
    assert!(carol.apply_event(id, &Event::Revoke(why)).await.is_err(), "once");
    let knows = ada.known_at_site(&digests, place).await.unwrap();
    assert!(matches!(&knows, Site::TakenBack { by, reason, .. } if by == "carol" && reason == "it leaks"), "{knows:?}");
    for (who, name) in [(ada, "who asked for it"), (bob, "who launched it")] {
        assert_eq!(who.notices(0, 1).await.unwrap()[0].words, "was taken back by carol: it leaks", "{name}");
    }
    // A steward without a free hand still signs that.
    let claimed = one.claim(MINUTE, 0).await.unwrap().unwrap();
    assert_eq!((claimed.id, claimed.stage), (id, Stage::Revoking));
    assert!(one.claim(MINUTE, 0).await.unwrap().is_none());
    assert_eq!(one.apply_event(id, &Event::Revoked).await.unwrap().stage, Stage::Revoked);
    assert!(one.admissions(&now.digest).await.unwrap().is_empty());
    assert!(matches!(bob.known_at_site(&digests, place).await.unwrap(), Site::TakenBack { .. }));
    // Revoked in one place, it stays admitted in another.
    let elsewhere = "oci://lab.example/admitted/else/now";
    let (second, _) = ada.submit(&claimed.asked, elsewhere, &wish("there, too", false)).await.unwrap();
    while one.claim(MINUTE, 99).await.unwrap().unwrap().id != second {}
    let judged = Event::Judged(dossier(Verdict::NeedsApproval, "signature", "alpine"), PolicyOutcome::Wait);
    one.apply_event(second, &judged).await.unwrap();
    let yes = Decision { digest: claimed.asked.digest.clone(), ..decision("x", true, "there it may") };
    carol.apply_event(second, &Event::Decide(yes)).await.unwrap();
    one.claim(MINUTE, 9).await.unwrap();
    let reference = format!("{elsewhere}@{}", claimed.asked.digest);
    let admission = Admission { reference, ..claimed.admitted.clone().unwrap() };
    one.apply_event(second, &Event::Admitted(admission)).await.unwrap();
    assert!(!matches!(bob.known_at_site(&digests, elsewhere).await.unwrap(), Site::TakenBack { .. }));
    assert!(matches!(bob.known_at_site(&digests, place).await.unwrap(), Site::TakenBack { .. }));
    // It can be requested again; that is another request.
    let (again, new) = ada.submit(&claimed.asked, &claimed.destination, &wish("fixed", false)).await.unwrap();
    assert!(new && again != id);
    Box::pin(superseded(people, &bad)).await;
}

/// People who wait for a fixed version are notified when one is admitted, although no vulnerability data has changed.
async fn superseded(people: &People, bad: &Watched) {
    let People { ada, one, .. } = people;
    let due = Watch { after: MINUTE, data: bad.data.clone() };
    let (newer, _) =
        ada.submit(&asked("newer"), "oci://lab.example/admitted/now", &wish("fixed", false)).await.unwrap();
    while one.claim(MINUTE, 99).await.unwrap().unwrap().id != newer {}
    let allowed = PolicyOutcome::Decided(Decision { by: "policy test".into(), ..decision("newer", true, "clean") });
    one.apply_event(newer, &Event::Judged(dossier(Verdict::Allow, "scan", ""), allowed)).await.unwrap();
    let reference = format!("oci://lab.example/admitted/now@{}", digest_of("newer"));
    one.apply_event(newer, &Event::Admitted(Admission { reference, ..admission("newer") })).await.unwrap();
    let waits = |all: Vec<Watched>| all.into_iter().find(|one| one.reference == bad.reference);
    let found = waits(one.due_for_judging(&due, 10).await.unwrap()).unwrap();
    assert!(found.superseded && found.awaits_fix(), "{found:?}");
    one.watch(&Watched { fixed: Some("oci://lab.example/admitted/now@new".into()), ..found }, &[]).await.unwrap();
    assert_eq!(waits(one.due_for_judging(&due, 10).await.unwrap()), None, "they were told");
}

/// Images of places that only an adapter knows are asked for and used like those of registries, by their digest.
async fn elsewhere(people: &People) {
    let People { ada, bob, one, .. } = people;
    let reference = format!("board://wall:1/notes/pin@{}", digest_of("pin"));
    let pin = RequestedImage { from: reference.clone(), tag: None, title: "something else".into(), ..asked("pin") };
    let destination = "oci://lab.example/admitted/board__wall-1/notes/pin";
    let (id, new) = ada.submit(&pin, destination, &wish("for the kitchen", false)).await.unwrap();
    assert!(new);
    assert_eq!(bob.submit(&pin, destination, &wish("me too", false)).await.unwrap(), (id, false));
    assert_eq!(ada.request(id).await.unwrap().asked.title, "notes/pin");
    ada.apply_event(id, &Event::Withdraw).await.unwrap();
    bob.apply_event(id, &Event::Withdraw).await.unwrap();
    let used = Use {
        person: String::new(),
        how: UseKind::Launched,
        reference: reference.clone(),
        digest: digest_of("pin"),
        place: "local/pin".into(),
        at: text::now(),
    };
    ada.record_use(&used).await.unwrap();
    let watched = one.due_for_judging(&Watch::default(), 100).await.unwrap();
    assert!(watched.iter().any(|one| one.reference == reference), "{watched:?}");
}

/// Those who decide see what was asked for and decided, and which approvals end soon with what was found since.
async fn overview(people: &People) {
    let People { ada, carol, one, .. } = people;
    assert_eq!(ada.overview().await.unwrap_err().kind, Kind::NotAllowed);
    let before = carol.overview().await.unwrap();
    assert_eq!(before.days.len(), 30);
    let ends = text::now() + 3 * 86_400;
    for (name, until) in
        [("soon", Some(ends)), ("soon-2", Some(ends + 1)), ("late", Some(ends + 20 * 86_400)), ("never", None)]
    {
        let (id, _) =
            ada.submit(&asked(name), &format!("oci://lab.example/admitted/{name}"), &wish("a", false)).await.unwrap();
        while one.claim(MINUTE, 99).await.unwrap().unwrap().id != id {}
        let judged = Event::Judged(dossier(Verdict::NeedsApproval, "signature", "alpine"), PolicyOutcome::Wait);
        one.apply_event(id, &judged).await.unwrap();
        let mut yes = decision(name, true, "for a while");
        yes.terms.until = until;
        carol.apply_event(id, &Event::Decide(yes)).await.unwrap();
        while one.claim(MINUTE, 99).await.unwrap().unwrap().id != id {}
        one.apply_event(id, &Event::Admitted(admission(name))).await.unwrap();
    }
    ada.submit(&asked("open"), "oci://lab.example/admitted/open", &wish("a", false)).await.unwrap();
    let told = vec![("CVE-7".to_owned(), "openssl".to_owned(), "3.1".to_owned())];
    let Admission { reference, digest, .. } = admission("soon");
    let found = Watched {
        digest,
        reference: reference.clone(),
        judged: true,
        verdict: "deny".into(),
        told,
        ..Watched::default()
    };
    one.watch(&found, &[]).await.unwrap();
    // Carol's connection knows of it at once; the day may have changed meanwhile, the sums have not.
    let after = carol.overview().await.unwrap();
    assert_eq!((after.asked() - before.asked(), after.decided() - before.decided()), (5, 4));
    let found: Vec<_> =
        after.ending.iter().map(|one| (one.title.as_str(), one.until, one.new_findings.clone())).collect();
    let new = Some(vec!["CVE-7".to_owned()]);
    assert_eq!(found, [("physics/soon:1", ends, new), ("physics/soon-2:1", ends + 1, None)]);
    assert_eq!((after.ending[0].reference.as_str(), after.ending_in_all), (reference.as_str(), 2));
}

/// A job is done by one steward at a time, and what is kept of it reaches the next one.
async fn jobs(people: &People) {
    let People { ada, one, two, .. } = people;
    assert_eq!(ada.job(MIRROR_JOB).await.unwrap(), None);
    assert_eq!(one.claim_job(MIRROR_JOB, MINUTE).await.unwrap().as_deref(), Some(""));
    for steward in [one, two] {
        assert_eq!(steward.claim_job(MIRROR_JOB, MINUTE).await.unwrap(), None, "one has it");
    }
    one.keep_job(MIRROR_JOB, "half", JobTurn::Renewed(MINUTE)).await.unwrap();
    assert!(two.keep_job(MIRROR_JOB, "stolen", JobTurn::Done(MINUTE)).await.is_err());
    let stands = ada.job(MIRROR_JOB).await.unwrap().unwrap();
    assert_eq!((stands.notes.as_str(), stands.busy), ("half", true));
    one.keep_job(MIRROR_JOB, "whole", JobTurn::Done(Duration::ZERO)).await.unwrap();
    assert!(one.keep_job(MIRROR_JOB, "late", JobTurn::Renewed(MINUTE)).await.is_err(), "it is over");
    assert_eq!(two.claim_job(MIRROR_JOB, MINUTE).await.unwrap().as_deref(), Some("whole"));
    two.keep_job(MIRROR_JOB, "again", JobTurn::Done(MINUTE)).await.unwrap();
    assert_eq!(one.claim_job(MIRROR_JOB, MINUTE).await.unwrap(), None, "it is not due");
    let stands = ada.job(MIRROR_JOB).await.unwrap().unwrap();
    assert_eq!((stands.notes.as_str(), stands.busy), ("again", false));
}

#[tokio::test]
async fn a_file_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared/requests.db");
    let store = |person: &str, approver: bool, worker: &str| -> Shared {
        Arc::new(SqliteStore::new(path.clone(), who(person, approver), worker.into()))
    };
    let people = People {
        ada: store("ada", false, "w-ada"),
        bob: store("bob", false, "w-bob"),
        carol: store("carol", true, "w-carol"),
        dora: store("dora", true, "w-dora"),
        one: store("one", true, "steward-1"),
        two: store("two", true, "steward-2"),
    };
    story(&people).await;
    elsewhere(&people).await;
    overview(&people).await;
    jobs(&people).await;
}

#[tokio::test]
async fn a_database_keeps_the_contract() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let people = People {
        ada: database.store("ada", "w-ada"),
        bob: database.store("bob", "w-bob"),
        carol: database.store("carol", "w-carol"),
        dora: database.store("dora", "w-dora"),
        one: database.store("steward", "steward-1"),
        two: database.store("steward", "steward-2"),
    };
    story(&people).await;
    elsewhere(&people).await;
    overview(&people).await;
    jobs(&people).await;
}

#[tokio::test]
async fn with_psql_and_their_own_login_people_can_do_no_more_than_with_wharf() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let (ada, one) = (database.store("ada", "w"), database.store("steward", "steward-1"));
    let (id, _) = ada.submit(&asked("a"), "oci://lab.example/admitted/a", &wish("secret plans", true)).await.unwrap();
    one.claim(MINUTE, 9).await.unwrap().unwrap();
    one.apply_event(id, &Event::Judged(dossier(Verdict::NeedsApproval, "signature", ""), PolicyOutcome::Wait))
        .await
        .unwrap();
    let yes = serde_json::to_string(&decision("a", true, "x")).unwrap();
    let refused = [
        // Deciding, in every possible way.
        ("bob", format!("SELECT wharf.decide({id}, '{yes}')")),
        ("ada", format!("SELECT wharf.decide({id}, '{yes}')")),
        ("ada", format!("UPDATE wharf.request SET stage = 'admitting', decision = '{yes}' WHERE id = {id}")),
        ("ada", "SELECT wharf.claim('me', 60, 9)".to_owned()),
        ("ada", format!("SELECT wharf.judged({id}, 'steward-1', '{{}}', '{yes}')")),
        ("ada", format!("SELECT wharf.admitted({id}, 'steward-1', '{{}}')")),
        ("carol", format!("SELECT wharf.judged({id}, 'steward-1', '{{}}', '{yes}')")),
        ("ada", format!("SELECT wharf.approve_class('', 'signature', '{yes}')")),
        ("ada", "INSERT INTO wharf.class (base, rule, until, decision) VALUES ('', 'signature', 9999999999, '{}')".to_owned()),
        // Rights in the database.
        ("ada", "GRANT wharf_approver TO ada".to_owned()),
        ("ada", "SET ROLE wharf_approver".to_owned()),
        ("ada", "SET SESSION AUTHORIZATION carol".to_owned()),
        ("ada", "INSERT INTO wharf.setting VALUES ('self_approval', 'yes')".to_owned()),
        ("ada", "CREATE FUNCTION wharf.is(role text) RETURNS boolean LANGUAGE sql AS 'SELECT true'".to_owned()),
        ("ada", "ALTER TABLE wharf.request DISABLE ROW LEVEL SECURITY".to_owned()),
        ("ada", "DROP POLICY see ON wharf.request".to_owned()),
        // The history, and the notices of others.
        ("ada", "DELETE FROM wharf.history".to_owned()),
        ("carol", "DELETE FROM wharf.history".to_owned()),
        ("carol", "UPDATE wharf.history SET who = 'dora'".to_owned()),
        ("steward", "UPDATE wharf.history SET who = 'dora'".to_owned()),
        ("ada", "SELECT wharf.note(1, 'carol', 'approved', '')".to_owned()),
        ("ada", "INSERT INTO wharf.notice (at, receiver, topic, key, title, words) VALUES (1, 'bob', 'request', 'k', 't', 'w')".to_owned()),
        ("ada", "SELECT wharf.watch('d', 'r', '{}', '[]')".to_owned()),
        ("ada", "SELECT * FROM wharf.contact".to_owned()),
        ("nobody", "SELECT * FROM wharf.request".to_owned()),
        ("nobody", "SELECT wharf.submit('{\"digest\": \"x\"}', 'd', 'r', NULL, false)".to_owned()),
        // Others' private requests, by their numbers.
        ("bob", format!("SELECT wharf.withdraw({id})")),
        ("bob", format!("SELECT wharf.remark({id}, 'note', 'hello')")),
    ];
    for (person, sql) in &refused {
        let (went, said) = database.psql(person, &database.name, sql);
        assert!(!went, "{person} could: {sql}: {said}");
        let clear = ["permission denied", "must be", "must have", "may not", "no member", "there is no request"];
        assert!(clear.iter().any(|words| said.contains(words)), "{person}: {sql}: {said}");
    }
    // What is hidden does not exist: not as a row, in counts, in the history or in remarks.
    for sql in [
        "SELECT count(*) FROM wharf.request",
        "SELECT count(*) FROM wharf.wish",
        "SELECT count(*) FROM wharf.history",
        "SELECT count(*) FROM wharf.notice",
    ] {
        assert_eq!(database.psql("bob", &database.name, sql), (true, "0\n".to_owned()), "{sql}");
    }
    assert_eq!(database.psql("ada", &database.name, "SELECT count(*) FROM wharf.wish").1, "1\n");
    // An approver cannot approve their own request, in the database either.
    let carol = database.store("carol", "w");
    let (own, _) = carol.submit(&asked("c"), "oci://lab.example/admitted/c", &wish("mine", false)).await.unwrap();
    one.claim(MINUTE, 9).await.unwrap().unwrap();
    one.apply_event(own, &Event::Judged(dossier(Verdict::NeedsApproval, "signature", ""), PolicyOutcome::Wait))
        .await
        .unwrap();
    let (went, said) = database.psql(
        "carol",
        &database.name,
        &format!("SELECT wharf.decide({own}, '{}')", yes.replace(&digest_of("a"), &digest_of("c"))),
    );
    assert!(!went && said.contains("your own"), "{said}");
    // Nobody can act as another person: a forged name in a decision is replaced.
    let forged = Decision { by: "dora".into(), ..decision("a", false, "x") };
    let forged = serde_json::to_string(&forged).unwrap();
    assert!(database.psql("carol", &database.name, &format!("SELECT wharf.decide({id}, '{forged}')")).0);
    assert_eq!(ada.request(id).await.unwrap().decision.unwrap().by, "carol");
}

#[tokio::test]
async fn an_address_with_a_password_a_missing_layout_and_an_unknown_person_are_told_apart() {
    let refused = Postgres::new("postgres://ada:secret@db.example/wharf", String::new()).err().unwrap();
    assert!(refused.why.contains("password") && !refused.to_string().contains("secret"), "{refused}");
    let host = need!("WHARF_LAB_POSTGRES");
    let empty = Postgres::new(&format!("postgres://postgres@{host}/postgres?sslmode=disable"), "w".into()).unwrap();
    assert!(empty.caller().await.unwrap_err().hint.contains("--set-up"));
    let database = Database::new(&host).await;
    let stranger = database.store("stranger", "w").caller().await.unwrap_err();
    assert_eq!(stranger.kind, Kind::NotAllowed, "{stranger}");
    let gone = Postgres::new("postgres://ada@127.0.0.1:1/wharf", "w".into()).unwrap();
    assert_eq!(gone.caller().await.unwrap_err().kind, Kind::Unavailable);
}
