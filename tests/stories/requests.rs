//! Requests and approvals at a site: the safe way is the fast way.

use crate::{
    lab,
    pty::Screen,
    site::{Registry, Site, until, until_within},
    stores::{Database, Server},
};

/// A site with the parts of the lab, if all of them run.
pub(crate) async fn site(more: &str) -> Option<Site> {
    let parts =
        ["OPEN", "TOKEN", "POSTGRES", "TRIVY", "MAIL", "HSM"].map(|name| lab::part(&format!("WHARF_LAB_{name}")));
    let [Some(upstream), Some(admitted), Some(database), Some(_), Some(_), Some(_)] = parts else { return None };
    let site = Site::new(&upstream, &admitted, Some(Database::new(&database).await), more);
    // The tables are made by whoever comes first: on a busy machine that takes longer than people wait to note a use.
    site.steward().run(&["requests"]);
    Some(site)
}

#[tokio::test]
async fn one_is_admitted_in_seconds_one_by_a_hardware_key_one_is_denied_and_later_the_first_turns_bad() {
    let Some(mut site) = site("[[supplier]]\nrepository = \"nobody.example/\"\nperson = \"erin\"\n").await else {
        return;
    };
    let mut mail = site.mail.take().unwrap();
    let site = site;
    let (ada, bob, carol, steward) = (site.person("ada"), site.person("bob"), site.person("carol"), site.steward());
    let clean = site.image(&bob, "clean", &[("musl", "1.2.3-r4"), ("openssl", "3.0.9-r0")], true);
    let unsigned = site.image(&bob, "unsigned", &[("musl", "1.2.3-r4"), ("curl", "8.0-r0")], false);
    let bad = site.image(&bob, "bad", &[("zlib", "1.2.12-r0")], true);
    // A user requests images, in ten seconds each, and learns at once that they are being worked on.
    let first = ada.ask(&clean, "for the paper");
    let (second, third) = (ada.ask(&unsigned, "only they have it"), ada.ask(&bad, "works well"));
    let also = bob.json(0, &["request", &clean, "--reason", "course"]);
    assert_eq!((also["request"]["id"].as_i64(), also["new"].as_bool()), (Some(first), Some(false)));
    // Another person waits for it on the command line meanwhile.
    let mut command = bob.wharf(&["request", &clean, "--reason", "course", "--wait"]);
    let mut waiting = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let round = steward.run(&["steward", "--once"]);
    assert_eq!(
        round.status.code(),
        Some(1),
        "letters cannot be sent yet: {}{}",
        lab::said(&round),
        lab::complained(&round)
    );
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    // The first: admitted by the policy, signed by the steward, in the admitted project of the other registry.
    let one = ada.request(first);
    assert_eq!(one["stage"], "admitted", "{one:#}");
    assert!(one["decision"]["by"].as_str().unwrap().starts_with("policy "), "{one:#}");
    let admitted = one["admitted"]["reference"].as_str().unwrap().to_owned();
    assert!(admitted.contains(&format!("{}/admitted/", site.admitted)), "{admitted}");
    let verified = ada.run(&["verify", &admitted]);
    assert_eq!(verified.status.code(), Some(0), "{}", lab::said(&verified));
    assert!(lab::said(&verified).contains("stated by the signer"), "{}", lab::said(&verified));
    // The third: denied, with the version in which it is fixed.
    let three = ada.request(third);
    assert_eq!(three["stage"], "rejected", "{three:#}");
    let why = three["decision"]["reason"].as_str().unwrap();
    assert!(why.contains("CVE-2022-37434") && why.contains("1.2.12-r4"), "{why}");
    // The second waits with its dossier, and neither its requester nor anybody else may approve it.
    let two = ada.request(second);
    assert_eq!((&two["stage"], &two["dossier"]["verdict"]), (&"waiting".into(), &"needs-approval".into()), "{two:#}");
    let number = second.to_string();
    let watched = bob.run(&["request", &clean, "--reason", "course", "--wait"]);
    assert_eq!(watched.status.code(), Some(0), "{}{}", lab::said(&watched), lab::complained(&watched));
    assert_eq!(ada.run(&["approve", &number]).status.code(), Some(7));
    assert_eq!(ada.run(&["reject", &number, "--reason", "x"]).status.code(), Some(7));
    let queue = lab::said(&carol.run(&["requests", "--queue"]));
    assert!(queue.contains("signature on layer") && queue.contains("unsigned"), "{queue}");
    // A person who waits on the command line is told that somebody must decide.
    let waited = ada.run(&["request", &unsigned, "--reason", "only they have it", "--wait"]);
    assert_eq!(waited.status.code(), Some(3), "{}{}", lab::said(&waited), lab::complained(&waited));
    // An administrator approves it with a hardware key: its PIN is asked for, and the signature goes with the decision.
    let uri = "pkcs11:token=wharf%20lab;object=site?module-path=/usr/lib/softhsm/libsofthsm2.so";
    let conf = format!("{}/softhsm2.conf", lab::part("WHARF_LAB_HSM").unwrap());
    let mut variables = carol.variables();
    variables.extend(
        [("WHARF_DISCOVER", "no"), ("WHARF_SECRET_FILE", "yes"), ("SOFTHSM2_CONF", &conf)]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let argv =
        [env!("CARGO_BIN_EXE_wharf"), "approve", &number, "--reason", "reviewed", "--except", "CVE-1", "--key", uri];
    let mut screen = Screen::run(&argv, 140, 24, &variables);
    screen.until("PIN of wharf lab");
    screen.keys("1234\r");
    screen.until("is being admitted");
    assert_eq!(screen.ended(), 0);
    mail.start();
    steward.run(&["steward", "--once"]);
    let two = ada.request(second);
    assert_eq!((&two["stage"], &two["decision"]["by"]), (&"admitted".into(), &"carol".into()), "{two:#}");
    // Those who decide are told how requests went; nobody else is.
    let known = carol.json(0, &["requests", "overview"]);
    let sum = |of: &str| known["days"].as_array().unwrap().iter().filter_map(|day| day[of].as_i64()).sum::<i64>();
    assert_eq!((sum("asked"), sum("decided"), &known["ending_in_all"]), (3, 3, &0.into()), "{known:#}");
    let words = lab::said(&carol.run(&["requests", "overview"]));
    assert!(words.starts_with("in 30 days (UTC): 3 asked for, 3 decided\nDAY "), "{words}");
    assert!(words.contains("in the next 14 days: 0 approvals end"), "{words}");
    assert_eq!(ada.run(&["requests", "overview"]).status.code(), Some(7));
    let signers = two["admitted"]["signers"].to_string();
    assert!(signers.contains("carol with key") && signers.contains("the steward"), "{signers}");
    let verified = ada.run(&["verify", two["admitted"]["reference"].as_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", lab::said(&verified));
    assert!(lab::said(&verified).contains("approved by carol"), "{}", lab::said(&verified));
    // Everybody was notified, once, although the mail server was down at first.
    let told = ada.json(0, &["inbox"]);
    let words = told["notices"].to_string();
    assert_eq!(told["notices"].as_array().unwrap().len(), 3, "{words}");
    until("letters", || {
        steward.run(&["steward", "--once"]);
        let asked = mail.letters("admins@site.example").iter().any(|letter| letter.contains("waits for a decision"));
        asked && mail.letters("ada@site.example").len() >= 3 && !mail.letters("bob@site.example").is_empty()
    });
    assert_eq!(mail.letters("bob@site.example").len(), 1, "bob asked for the first one, too");
    // Ada launches the first one; a new advisory makes it bad; she and its supplier get mail.
    if wharf::adapters::local::SandboxProgram::find().is_none() {
        return eprintln!("left out: neither bwrap nor unshare");
    }
    let launched = ada.run(&["launch", &admitted, "--on", "local", "--follow"]);
    assert_eq!(launched.status.code(), Some(0), "{}", lab::complained(&launched));
    let advisory = r#"{"id": "CVE-2026-0001", "platform": "alpine 3.17", "pkg": "openssl", "fixed": "3.0.9-r1", "severity": "CRITICAL", "title": "openssl: everything", "cvss": 10}"#;
    site.advise(&[advisory]);
    until("the warning", || {
        steward.run(&["steward", "--once"]);
        mail.letters("ada@site.example").len() >= 4
    });
    for _ in 0..2 {
        steward.run(&["steward", "--once"]);
    }
    let (hers, his) = (mail.letters("ada@site.example"), mail.letters("bob@site.example"));
    assert_eq!((hers.len(), his.len()), (4, 2), "nobody is told twice: {hers:#?} {his:#?}");
    let warning = hers.last().unwrap();
    for said in ["CVE-2026-0001", "openssl", "3.0.9-r1", "no version without", "you launched it", "launched   local/"] {
        assert!(warning.contains(said), "{said}: {warning}");
    }
    assert!(his[1].contains("you supplied it"), "{}", his[1]);
    until("the approvers' letter", || {
        steward.run(&["steward", "--once"]);
        let theirs = mail.letters("admins@site.example");
        theirs.iter().any(|letter| letter.contains("CVE-2026-0001") && letter.contains("you decide what is admitted"))
    });
    // The scan that the steward's signature states has changed, too: the image is not launched any longer.
    assert_eq!(ada.run(&["verify", &admitted, "--again"]).status.code(), Some(4));
    // A fixed version is admitted: those who were warned are notified, with the way to launch it.
    let layout = crate::scans::alpine_with(site.folder.path(), &[("musl", "1.2.3-r4"), ("openssl", "3.0.9-r1")], None);
    let pushed = bob.run(&["push", &format!("{}:1", layout.display()), &clean]);
    assert_eq!(pushed.status.code(), Some(0), "{}", lab::complained(&pushed));
    let key = site.folder.path().join("vendor.key");
    assert_eq!(bob.run(&["sign", &clean, "--key", key.to_str().unwrap()]).status.code(), Some(0));
    let renewed = ada.json(0, &["requests", "renew", &first.to_string()]);
    assert_ne!(renewed["request"]["id"].as_i64(), Some(first));
    steward.run(&["steward", "--once"]);
    let dossier = ada.request(renewed["request"]["id"].as_i64().unwrap());
    assert_eq!(dossier["stage"], "admitted", "{dossier:#}");
    assert!(dossier["dossier"]["diff"].as_str().unwrap().contains("openssl"), "{dossier:#}");
    // No vulnerability data has changed: the admission alone is the news.
    until("the way out", || {
        steward.run(&["steward", "--once"]);
        mail.letters("ada@site.example").iter().any(|letter| letter.contains("wharf launch oci://"))
    });
    let inbox = lab::said(&ada.run(&["inbox", "--read"]));
    assert!(inbox.contains("a version without them: oci://"), "{inbox}");
    assert_eq!(ada.json(0, &["inbox", "--unread"])["notices"].as_array().unwrap().len(), 0);
}

/// How often an event is in the history of a request.
fn times(history: &serde_json::Value, what: &str) -> usize {
    history.as_array().unwrap().iter().filter(|change| change["what"] == what).count()
}

#[tokio::test]
async fn a_steward_that_is_killed_at_any_moment_admits_nothing_twice_or_half() {
    let Some(site) = site("").await else { return };
    let (ada, bob, steward) = (site.person("ada"), site.person("bob"), site.steward());
    let database = site.database.as_ref().unwrap();
    // Leases end at once: a steward that was killed has lost them.
    let release =
        || assert!(database.psql("postgres", &database.name, "UPDATE wharf.request SET lease = 0, retry = 0").0);
    let mut ids = Vec::new();
    for number in 0..6 {
        let version = format!("1.2.{number}-r4");
        let image = site.image(&bob, &format!("killed-{number}"), &[("musl", &version)], true);
        ids.push(ada.ask(&image, "for the paper"));
    }
    // Killed after longer and longer times, until one run does everything.
    let (mut kills, mut pause) = (0, std::time::Duration::from_millis(5));
    loop {
        let mut child = steward.wharf(&["steward", "--once"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        let end = std::time::Instant::now() + pause;
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if std::time::Instant::now() >= end {
                break None;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(2));
        };
        if ended.is_some() && ids.iter().all(|id| ada.request(*id)["stage"] == "admitted") {
            break;
        }
        if ended.is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        release();
        pause += std::time::Duration::from_millis(17);
        assert!(kills < 200, "it never came to an end");
    }
    assert!(kills > 5, "nothing was tested: {kills}");
    for id in ids {
        let shown = ada.json(0, &["requests", "show", &id.to_string()]);
        let history = &shown["history"];
        assert_eq!((times(history, "admitted"), times(history, "asked for")), (1, 1), "{history:#}");
        // The tag is there only with the signature, and everything is complete.
        let admitted = shown["request"]["admitted"]["reference"].as_str().unwrap();
        assert_eq!(ada.run(&["verify", admitted]).status.code(), Some(0));
        let told = ada.json(0, &["inbox"])["notices"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|notice| notice["request"] == id)
            .count();
        assert_eq!(told, 1, "told once");
    }
}

#[tokio::test]
async fn many_ask_and_several_stewards_work_while_the_database_and_the_registry_go_and_come_back() {
    let parts = ["OPEN", "POSTGRES", "TRIVY"].map(|name| lab::part(&format!("WHARF_LAB_{name}")));
    let [Some(upstream), Some(_), Some(_)] = parts else { return };
    // A database server of this test, which goes away and comes back.
    let Some(mut server) = Server::new() else { return };
    server.start();
    let lab_roles = "CREATE ROLE ada LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN; CREATE ROLE steward LOGIN";
    let database = Database::new(&server.host()).await;
    assert!(database.psql("postgres", "postgres", lab_roles).0);
    let groups =
        "GRANT wharf_user TO ada, bob, carol, steward; GRANT wharf_approver TO carol; GRANT wharf_steward TO steward";
    assert!(database.psql("postgres", "postgres", groups).0);
    // A registry of this test, which goes away and comes back.
    let place = tempfile::tempdir().unwrap();
    let mut registry = Registry::new(place.path());
    registry.start();
    let site = Site::new(&upstream, &registry.host(), Some(database), "");
    let (ada, bob, carol, steward) =
        (site.person("ada"), site.person("bob"), site.person("carol"), site.steward_of(false));
    let images: Vec<String> = (0..8)
        .map(|number| site.image(&bob, &format!("many-{number}"), &[("musl", &format!("1.3.{number}-r0"))], true))
        .collect();
    let mut working: Vec<std::process::Child> = (0..3)
        .map(|_| {
            let mut command = steward.wharf(&["steward"]);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    let database = site.database.as_ref().unwrap();
    let mut ids = Vec::new();
    for (number, image) in images.iter().enumerate() {
        ids.push(ada.ask(image, "for the paper"));
        carol.ask(image, "me too");
        if number % 3 == 1 {
            // Every connection is cut, in the middle of whatever it did.
            let cut = format!(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()",
                database.name
            );
            assert!(database.psql("postgres", "postgres", &cut).0);
        }
        if number == 5 {
            server.stop();
            assert_eq!(ada.run(&["requests"]).status.code(), Some(8), "it says that the store does not answer");
            server.start();
        }
        if number == 4 {
            let dead = &mut working[0];
            dead.kill().unwrap();
            dead.wait().unwrap();
            registry.stop();
        }
    }
    registry.start();
    until_within("all of them are admitted", std::time::Duration::from_secs(240), || {
        // A killed steward holds its request until the lease ends; a failed one waits before the next try.
        database.psql("postgres", &database.name, "UPDATE wharf.request SET retry = 0, lease = CASE WHEN stage = 'gathering' AND lease < wharf.now() + 55 THEN 0 ELSE lease END");
        ids.iter().all(|id| ada.request(*id)["stage"] == "admitted")
    });
    for child in &mut working[1..] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for id in ids {
        let shown = ada.json(0, &["requests", "show", &id.to_string()]);
        assert_eq!((times(&shown["history"], "admitted"), times(&shown["history"], "asked for")), (1, 2), "{shown:#}");
        assert_eq!(shown["request"]["wishes"].as_array().unwrap().len(), 2);
    }
}

/// A copy into the admitted registry without Wharf, keeping the digests.
pub(crate) fn skopeo_copy(from_to: [String; 2]) {
    let options = ["copy", "-q", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"];
    let mut command = std::process::Command::new("skopeo");
    let copied = command.args(options).args(["--dest-creds", "lab:labpass"]).args(from_to).output().unwrap();
    assert!(copied.status.success(), "{}", lab::complained(&copied));
}

#[tokio::test]
async fn a_forged_row_admits_nothing_where_decisions_must_be_signed() {
    let Some(site) = site("").await else { return };
    let (ada, bob, carol) = (site.person("ada"), site.person("bob"), site.person("carol"));
    let mut steward = site.steward();
    let file = steward.home.path("site.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("[requests]\n", "[requests]\nsigned_decisions = true\n");
    std::fs::write(&file, text).unwrap();
    let image = site.image(&bob, "forged", &[("musl", "1.4-r0")], false);
    let id = ada.ask(&image, "please");
    steward.run(&["steward", "--once"]);
    // The owner of the database writes an approval into it; and one that was signed for something else.
    let database = site.database.as_ref().unwrap();
    let digest = ada.request(id)["asked"]["digest"].as_str().unwrap().to_owned();
    let forge = |payload: &str, signature: &str| {
        let decision = serde_json::json!({"by": "carol", "at": 1, "approve": true, "reason": "x", "terms": {}, "digest": digest, "payload": payload, "signature": signature});
        let sql = format!(
            "UPDATE wharf.request SET stage = 'admitting', retry = 0, lease = 0, worker = NULL, decision = '{decision}' WHERE id = {id}"
        );
        let done = database.psql("postgres", &database.name, &sql);
        assert!(done.0, "{}", done.1);
        steward.run(&["steward", "--once"]);
        let request = ada.request(id);
        assert_eq!(request["stage"], "failed", "{request:#}");
        request["failure"].as_str().unwrap().to_owned()
    };
    assert!(forge("", "").contains("not signed"));
    assert!(forge("something", "AAAA").contains("about something else"));
    let policy = serde_json::json!({"by": "policy site", "at": 1, "approve": true, "reason": "x", "terms": {}, "digest": digest});
    let sql = format!("UPDATE wharf.request SET stage = 'admitting', retry = 0, decision = '{policy}' WHERE id = {id}");
    assert!(database.psql("postgres", &database.name, &sql).0);
    steward.run(&["steward", "--once"]);
    assert!(ada.request(id)["failure"].as_str().unwrap().contains("the policy does not allow it"));
    // Requested again, it waits as before; approved with a key of the policy, it is admitted, on its conditions.
    ada.run(&["request", &image, "--reason", "please, still"]);
    steward.run(&["steward", "--once"]);
    let key = site.folder.path().join("vendor.key");
    let words = ["approve", &id.to_string(), "--only", "--until", "2h", "--key", key.to_str().unwrap()];
    let approved = carol.run(&words);
    assert_eq!(approved.status.code(), Some(0), "{}", lab::complained(&approved));
    steward.run(&["steward", "--once"]);
    let request = ada.request(id);
    assert_eq!(request["stage"], "admitted", "{request:#}");
    // In another project that approval does not count: the signature says where it does.
    let admitted = request["admitted"]["reference"].as_str().unwrap().to_owned();
    assert_eq!(ada.run(&["verify", &admitted]).status.code(), Some(0));
    let elsewhere = format!("{}/{}:1", site.admitted, lab::fresh("elsewhere/copy"));
    skopeo_copy([
        format!("docker://{}", admitted.trim_start_matches("oci://").replacen(":1@", "@", 1)),
        format!("docker://{elsewhere}"),
    ]);
    let tag = digest.replace(':', "-");
    let signatures = |repository: &str| format!("docker://{repository}:{tag}.sig");
    let from = admitted.trim_start_matches("oci://").split(":1@").next().unwrap().to_owned();
    skopeo_copy([signatures(&from), signatures(elsewhere.trim_end_matches(":1"))]);
    let other = site.person("dora").run(&["verify", &elsewhere]);
    assert_eq!(other.status.code(), Some(3), "{}", lab::said(&other));
    assert!(lab::said(&other).contains("approved only as"), "{}", lab::said(&other));
    steward.name.clear();
}

#[tokio::test]
async fn alone_without_a_database_a_person_is_all_of_them() {
    let (Some(upstream), Some(_)) = (lab::part("WHARF_LAB_OPEN"), lab::part("WHARF_LAB_TRIVY")) else { return };
    let site = Site::new(&upstream, &upstream, None, "");
    let ada = site.person("ada");
    let folder = ada.home.path(".config/wharf");
    std::fs::create_dir_all(&folder).unwrap();
    let key = site.folder.path().join("steward.key");
    std::fs::write(folder.join("wharf.toml"), format!("[requests]\nkey = \"{}\"\n", key.display())).unwrap();
    let image = site.image(&ada, "alone", &[("musl", "1.5-r0")], false);
    let id = ada.ask(&image, "mine").to_string();
    assert_eq!(ada.run(&["steward", "--once"]).status.code(), Some(1), "no mail server");
    assert_eq!(ada.run(&["requests", "ask", &id, "what for?"]).status.code(), Some(0));
    let waited = ada.run(&["request", &image, "--reason", "mine", "--wait"]);
    assert_eq!(waited.status.code(), Some(3), "{}{}", lab::said(&waited), lab::complained(&waited));
    assert_eq!(ada.run(&["requests", "add", &id, "a thesis"]).status.code(), Some(0));
    assert_eq!(ada.run(&["approve", &id]).status.code(), Some(0), "alone, one may approve one's own");
    ada.run(&["steward", "--once"]);
    let shown = lab::said(&ada.run(&["requests", "show", &id]));
    for said in ["admitted as", "question", "a thesis", "approved by ada", "signed by the steward"] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let audit = lab::said(&ada.run(&["audit"]));
    for action in ["request", "approve", "admit"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
    assert_eq!(ada.run(&["requests", "withdraw", &id]).status.code(), Some(1), "it is over");
    assert_eq!(ada.run(&["requests", "show", "999"]).status.code(), Some(6));
    assert_eq!(ada.run(&["request", &image, "--reason", " "]).status.code(), Some(2));
    assert_eq!(ada.run(&["request", &image, "--reason", "x", "--to", "nowhere"]).status.code(), Some(2));
    // A class: what one rule blocks is admitted without a decision until a day, also for later requests.
    let base = ada.request(id.parse().unwrap())["dossier"]["base"].as_str().unwrap().to_owned();
    let class = ada.run(&["approve", "--rule", "signature", "--until", "1d", "--reason", "ours"]);
    assert_eq!(class.status.code(), Some(0), "{}{base}", lab::complained(&class));
    let second = ada.ask(&site.image(&ada, "class", &[("musl", "1.6-r0")], false), "too");
    ada.run(&["steward", "--once"]);
    let second = ada.request(second);
    assert_eq!(second["stage"], "admitted", "{second:#}");
    assert!(second["decision"]["by"].as_str().unwrap().contains("class 1"), "{second:#}");
    assert!(lab::said(&ada.run(&["requests", "classes"])).contains("signature"));
    let known = lab::said(&ada.run(&["requests", "overview"]));
    assert!(known.contains("1 approval ends") && known.contains("ADMITTED AS"), "{known}");
    let ended = ada.run(&["--json", "requests", "end-class", "1"]);
    let ended = serde_json::from_str::<serde_json::Value>(&lab::said(&ended)).unwrap();
    assert_eq!(ended, serde_json::json!({"ended": 1}));
    assert_eq!(ada.run(&["requests", "end-class", "1"]).status.code(), Some(6), "it has ended");
    // What others see is in the audit, and what was refused, too.
    let audit = serde_json::from_str::<Vec<serde_json::Value>>(&lab::said(&ada.run(&["--json", "audit"]))).unwrap();
    let outcomes = |action: &str| {
        let those = audit.iter().filter(|line| line["action"] == action);
        those.map(|line| line["outcome"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(outcomes("approve class"), ["done"], "{audit:#?}");
    assert_eq!(outcomes("ask back about"), ["done"], "{audit:#?}");
    assert_eq!(outcomes("answer for"), ["done"], "{audit:#?}");
    for (action, first) in [("end class", "done"), ("withdraw", "failed")] {
        let found = outcomes(action);
        assert!(found[0].starts_with(first), "{action}: {found:?}");
        assert!(found.iter().skip(1).all(|outcome| outcome.starts_with("not-found")), "{action}: {found:?}");
    }
    // Without a place for admitted images, the message says who names one.
    let bare = lab::Home::new().run(&["request", &image, "--reason", "x"]);
    assert_eq!(bare.status.code(), Some(1));
    assert!(lab::complained(&bare).contains("[requests] admitted"), "{}", lab::complained(&bare));
}

#[tokio::test]
async fn whoever_may_not_end_a_class_is_refused_and_that_is_written_down() {
    use std::sync::Arc;
    use wharf::{
        adapters::store::{audit::AuditFile, shared::sqlite::SqliteStore},
        core::{
            audit,
            base::{context::Context, error::Kind},
            portal::{Portal, PortalParts, sign_in::NoAsker},
            request::Caller,
        },
    };
    let folder = tempfile::tempdir().unwrap();
    let me = Caller { person: "ada".into(), approver: false, steward: false, own: false };
    let portal = Portal::new(PortalParts {
        store: Arc::new(SqliteStore::new(folder.path().join("requests.db"), me, "worker".into())),
        audit: Arc::new(AuditFile::new(folder.path().join("audit.jsonl"))),
        ..crate::fake::parts(&[])
    });
    let refused = portal.requests.end_class(&Context::default(), Arc::new(NoAsker), 1, None).await.unwrap_err();
    assert_eq!(refused.kind, Kind::NotAllowed, "{refused}");
    let written = audit::read(&portal.journal.written().await.unwrap());
    let entries: Vec<_> = written.lines.iter().map(|(_, line)| &line.entry).collect();
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((entry.action.as_str(), entry.subject.as_str()), ("end class", "class 1"));
    assert!(entry.outcome.starts_with("not-allowed: "), "{entry:?}");
}

/// What a webhook's receiver got: bodies with their signatures.
type Sent = std::sync::Arc<std::sync::Mutex<Vec<(String, String, String)>>>;

/// A receiver that fails the first time.
fn receiver() -> (String, Sent) {
    use std::io::{BufRead, BufReader, Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    let sent = Sent::default();
    let kept = sent.clone();
    std::thread::spawn(move || {
        let mut first = true;
        for connection in listener.incoming().flatten() {
            let mut reader = BufReader::new(connection);
            let (mut length, mut signature, mut number) = (0, String::new(), String::new());
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) < 3 {
                    break;
                }
                let (name, value) = line.trim().split_once(": ").unwrap_or_default();
                match name.to_lowercase().as_str() {
                    "content-length" => length = value.parse().unwrap(),
                    "x-wharf-signature-256" => signature = value.to_owned(),
                    "x-wharf-delivery" => number = value.to_owned(),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let status = if std::mem::take(&mut first) { "503 Later" } else { "204 Thanks" };
            if status.starts_with("204") {
                kept.lock().unwrap().push((String::from_utf8(body).unwrap(), signature, number));
            }
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = reader.into_inner().write_all(answer.as_bytes());
        }
    });
    (address, sent)
}

#[tokio::test]
async fn notices_go_to_a_webhook_with_a_signature_and_by_sendmail_where_that_is_all_there_is() {
    let (Some(upstream), Some(_)) = (lab::part("WHARF_LAB_OPEN"), lab::part("WHARF_LAB_TRIVY")) else { return };
    let site = Site::new(&upstream, &upstream, None, "");
    let ada = site.person("ada");
    let (address, sent) = receiver();
    let secret = "0123456789abcdef0123456789abcdef";
    std::fs::write(ada.home.path("hook.secret"), format!("{secret}\n")).unwrap();
    let file = ada.home.path("site.toml");
    let mail = format!("mail = \"smtp://127.0.0.1:{}\"", site.mail.as_ref().unwrap().port);
    let hook = format!("mail = \"sendmail\"\nwebhook = \"{address}\"\nwebhook_secret = \"hook.secret\"");
    let text = std::fs::read_to_string(&file).unwrap().replace(&mail, &hook);
    std::fs::write(&file, text).unwrap();
    // The machine's own sendmail: here one that records what it gets.
    let bin = ada.home.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let letters = ada.home.path("letters");
    let script = format!("#!/bin/sh\necho \"$@\" >>{0}; cat >>{0}\n", letters.display());
    std::fs::write(bin.join("sendmail"), script).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(bin.join("sendmail"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let round = || {
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        ada.wharf(&["steward", "--once"]).env("PATH", path).output().unwrap()
    };
    let image = site.image(&ada, "hook", &[("musl", "1.7-r0")], false);
    let id = ada.ask(&image, "a wish with \u{1b}[31mcolour");
    let first = round();
    assert!(lab::complained(&first).contains("503"), "{}", lab::complained(&first));
    // It is tried again when it is due, and only once.
    until("the webhook", || {
        round();
        !sent.lock().unwrap().is_empty()
    });
    round();
    let all = sent.lock().unwrap().clone();
    assert_eq!(all.len(), 1, "{all:?}");
    let (body, signature, number) = &all[0];
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let expected = wharf::core::base::text::hex(aws_lc_rs::hmac::sign(&key, body.as_bytes()).as_ref());
    assert_eq!(signature, &format!("sha256={expected}"));
    let said: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((said["request"].as_i64(), said["topic"].as_str()), (Some(id), Some("decision")), "{said}");
    assert_eq!(number, &said["id"].to_string());
    let written = std::fs::read_to_string(&letters).unwrap();
    assert!(written.contains("admins@site.example") && written.contains("waits for a decision"), "{written}");
    assert!(!written.contains('\u{1b}') && !ada.request(id).to_string().contains('\u{1b}'));
    // A secret that is too short or missing is refused before anything is sent.
    std::fs::write(ada.home.path("hook.secret"), "short\n").unwrap();
    assert_eq!(ada.run(&["inbox"]).status.code(), Some(2));
    // A file that only the steward may read hinders nobody else; the sender is told what is missing.
    std::fs::remove_file(ada.home.path("hook.secret")).unwrap();
    ada.ask(&site.image(&ada, "unsent", &[("musl", "1.7-r1")], false), "to be told of");
    let unsent = round();
    assert!(lab::complained(&unsent).contains("webhook_secret"), "{}", lab::complained(&unsent));
}

/// The screens of a person at a site.
fn on_screen(person: &crate::site::Person<'_>, more: &[(&str, &str)]) -> Screen {
    let mut variables = person.variables();
    let own = [("WHARF_DISCOVER", "no"), ("WHARF_SECRET_FILE", "yes")];
    variables.extend(own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Screen::run(&[env!("CARGO_BIN_EXE_wharf")], 120, 40, &variables)
}

/// The same on the screens: one person requests, another decides with a hardware key, the first is notified and
/// launches it.
#[tokio::test]
async fn on_the_screen_one_asks_another_decides_and_the_first_is_told() {
    let Some(site) = site("").await else { return };
    let (ada, bob, carol, steward) = (site.person("ada"), site.person("bob"), site.person("carol"), site.steward());
    let image = site.image(&bob, "screen", &[("musl", "1.8-r0")], false);
    let name = image.split_once('/').unwrap().1.trim_end_matches(":1").to_owned();
    let mut hers = on_screen(&ada, &[]);
    hers.until("library/alpine");
    hers.keys(&format!("/{name}\r"));
    hers.until("1 of");
    // Its tag is known once its row was described.
    hers.until("1.90 MiB");
    hers.keys("R");
    hers.until("do you need");
    hers.keys("for the thesis\r");
    hers.until("waits for a steward");
    hers.keys("6");
    hers.until("it");
    hers.until("submitted");
    steward.run(&["steward", "--once"]);
    // The database reports the change: nobody has pressed a key.
    hers.until("! signature: unsigned");
    let own = carol.home.path(".config/wharf");
    std::fs::create_dir_all(&own).unwrap();
    let uri = "pkcs11:token=wharf%20lab;object=site?module-path=/usr/lib/softhsm/libsofthsm2.so";
    std::fs::write(own.join("wharf.toml"), format!("[requests]\napprover_key = \"{uri}\"\n")).unwrap();
    let conf = format!("{}/softhsm2.conf", lab::part("WHARF_LAB_HSM").unwrap());
    let mut theirs = on_screen(&carol, &[("SOFTHSM2_CONF", &conf)]);
    theirs.until("Inbox •1");
    theirs.keys("6");
    theirs.until("for the thesis");
    theirs.keys("\r");
    theirs.until("needs approval by the policy site");
    theirs.answers("q");
    theirs.until("approving takes “signature”");
    theirs.keys("a");
    theirs.until("PIN of wharf lab");
    theirs.answers("1234\r");
    theirs.until("approved request");
    theirs.until("Nothing waits for a decision");
    steward.run(&["steward", "--once"]);
    hers.until("Inbox •1");
    hers.until("admitted as");
    hers.keys("7");
    hers.until("was admitted");
    hers.keys("\r");
    hers.until("approved by carol, taking signature, signed");
    hers.answers("q");
    hers.keys("l");
    hers.until("check the plan, then L");
    for screen in [&mut hers, &mut theirs] {
        screen.keys("\u{3}");
        assert_eq!(screen.ended(), 0);
    }
}

/// Two people decide at once: the request that one sees is taken by the other, and the key then means no other request.
#[tokio::test]
async fn a_key_never_decides_on_another_request_than_the_one_that_was_looked_at() {
    let Some(site) = site("").await else { return };
    let (ada, bob, carol, dora, steward) =
        (site.person("ada"), site.person("bob"), site.person("carol"), site.person("dora"), site.steward());
    let first = ada.ask(&site.image(&bob, "looked-at", &[("musl", "1.8-r1")], false), "first");
    let second = ada.ask(&site.image(&bob, "the-next", &[("musl", "1.8-r2")], false), "second");
    steward.run(&["steward", "--once"]);
    let mut hers = on_screen(&carol, &[]);
    hers.until("Inbox •");
    hers.keys("6");
    hers.until("the-next");
    hers.until("looked");
    hers.keys("g");
    // The queue decides which of them is first: carol looks at that one.
    let selected = |text: &str| {
        let line = text.lines().find_map(|line| line.split_once('▌'))?.1;
        line.split_whitespace().next()?.parse::<i64>().ok()
    };
    let shown = hers.read("the selected request", selected);
    let other = if shown == first { second } else { first };
    let taken = dora.run(&["reject", &shown.to_string(), "--reason", "taken by dora"]);
    assert_eq!(taken.status.code(), Some(0), "{}", lab::complained(&taken));
    hers.until("here any more, and nothing is selected");
    hers.keys("a");
    hers.until("nothing is selected");
    assert_eq!(ada.request(other)["stage"], "waiting", "it was not looked at");
    hers.keys("j");
    hers.answers("x");
    hers.until("Reject request");
    hers.keys("not needed\r");
    hers.until(&format!("rejected request {other}: "));
    assert_eq!(ada.request(other)["stage"], "rejected");
    hers.keys("\u{3}");
    assert_eq!(hers.ended(), 0);
}

/// A request's own statements are not trusted: with psql anybody can write anything into one.
#[tokio::test]
async fn a_request_cannot_choose_its_place_its_tag_or_which_platforms_are_judged() {
    let Some(site) = site("").await else { return };
    let (ada, bob, steward) = (site.person("ada"), site.person("bob"), site.steward());
    let database = site.database.as_ref().unwrap();
    let image = site.image(&bob, "forged-request", &[("musl", "1.9-r0")], true);
    let mut asked = ada.request(ada.ask(&image, "honest"))["asked"].clone();
    steward.run(&["steward", "--once"]);
    let submit = |asked: &serde_json::Value, destination: &str| {
        let sql = format!("SELECT id FROM wharf.submit('{asked}', '{destination}', 'dishonest', NULL, false)");
        let (went, said) = database.psql("ada", &database.name, &sql);
        assert!(went, "{said}");
        steward.run(&["steward", "--once"]);
        ada.request(said.trim().parse().unwrap())
    };
    // Another project of the admitted registry, which the steward could write.
    let elsewhere = submit(&asked, &format!("oci://{}/secret/place", site.admitted));
    assert_eq!(elsewhere["stage"], "failed", "{elsewhere:#}");
    assert!(elsewhere["failure"].as_str().unwrap().contains("no place where images"), "{elsewhere:#}");
    // A tag that means something else at the source is not used; nor are platforms that it claims to have.
    let from = asked["from"].as_str().unwrap().split('@').next().unwrap().trim_end_matches(":1").to_owned();
    let place = from.trim_start_matches("oci://").replace(':', "-");
    asked["tag"] = "latest".into();
    asked["platforms"] = serde_json::json!([["linux/s390x", asked["digest"]], ["linux/riscv64", asked["digest"]]]);
    let tagged = submit(&asked, &format!("oci://{}/physics/{place}", site.admitted));
    assert_eq!(tagged["stage"], "admitted", "{tagged:#}");
    let reference = tagged["admitted"]["reference"].as_str().unwrap();
    assert!(!reference.contains(":latest@"), "{reference}");
    assert_eq!(tagged["dossier"]["tag"], serde_json::Value::Null);
}

#[tokio::test]
async fn an_approval_takes_named_findings_and_all_platforms_of_an_index_are_judged() {
    let (Some(upstream), Some(_)) = (lab::part("WHARF_LAB_OPEN"), lab::part("WHARF_LAB_TRIVY")) else { return };
    let site = Site::new(&upstream, &upstream, None, "");
    let ada = site.person("ada");
    let file = ada.home.path("site.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("\"deny\"", "\"needs-approval\"");
    std::fs::write(&file, text).unwrap();
    let folder = ada.home.path(".config/wharf");
    std::fs::create_dir_all(&folder).unwrap();
    let key = site.folder.path().join("steward.key");
    std::fs::write(folder.join("wharf.toml"), format!("[requests]\nkey = \"{}\"\n", key.display())).unwrap();
    let admitted = |image: &str, conditions: &[&str]| {
        let id = ada.ask(image, "works well").to_string();
        ada.run(&["steward", "--once"]);
        let request = ada.request(id.parse().unwrap());
        assert_eq!(request["stage"], "waiting", "{request:#}");
        let approved = ada.run(&[&["approve", &id], conditions].concat());
        assert_eq!(approved.status.code(), Some(0), "{}", lab::complained(&approved));
        ada.run(&["steward", "--once"]);
        let request = ada.request(id.parse().unwrap());
        assert_eq!(request["stage"], "admitted", "{request:#}");
        request["admitted"]["reference"].as_str().unwrap().to_owned()
    };
    // An approver who names findings must name all that hold it back: an approval that changes nothing is refused.
    let named = site.image(&ada, "named", &[("zlib", "1.2.12-r0")], true);
    let id = ada.ask(&named, "works well").to_string();
    ada.run(&["steward", "--once"]);
    let refused = ada.run(&["approve", &id, "--except", "CVE-2000-1"]);
    assert_eq!(refused.status.code(), Some(2), "{}", lab::said(&refused));
    assert!(lab::complained(&refused).contains("CVE-2022-37434"), "{}", lab::complained(&refused));
    // An approval without named findings accepts what was shown, by name, and says so.
    let approved = ada.run(&["approve", &id]);
    assert!(lab::said(&approved).contains("taking CVE-2022-37434"), "{}", lab::said(&approved));
    let taken = admitted(&site.image(&ada, "taken", &[("zlib", "1.2.12-r1")], true), &["--except", "CVE-2022-37434"]);
    // It counts for everybody who trusts the key: what was accepted is part of what is signed.
    for person in [&ada, &site.person("bob")] {
        let verified = person.run(&["verify", &taken]);
        assert_eq!(verified.status.code(), Some(0), "{}", lab::said(&verified));
        assert!(lab::said(&verified).contains("allow"), "{}", lab::said(&verified));
    }
    // An index: every platform that it has, whatever the request states.
    let index = format!("{upstream}/{}:1", lab::fresh("vendor/index"));
    assert_eq!(ada.run(&["push", &lab::starter(), &index]).status.code(), Some(0));
    let id = ada.ask(&index, "everywhere");
    ada.run(&["steward", "--once"]);
    let evidence = ada.request(id)["dossier"]["evidence"].to_string();
    assert!(evidence.contains("(linux/amd64)") && evidence.contains("(linux/arm64)"), "{evidence}");
}
