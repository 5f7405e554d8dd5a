//! Requests and approvals at a site: the safe way is the fast way.

use crate::{
    lab,
    pty::Screen,
    site::{Site, until},
    stores::Database,
};

/// Where the parts of a site are, if all of them are up.
async fn site(more: &str) -> Option<Site> {
    let parts =
        ["OPEN", "TOKEN", "POSTGRES", "TRIVY", "MAIL", "HSM"].map(|name| lab::part(&format!("WHARF_LAB_{name}")));
    let [Some(upstream), Some(admitted), Some(database), Some(_), Some(_), Some(_)] = parts else { return None };
    Some(Site::new(&upstream, &admitted, Some(Database::new(&database).await), more))
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
    // A user asks, in ten seconds each, and knows at once that it is on its way.
    let first = ada.ask(&clean, "for the paper");
    let (second, third) = (ada.ask(&unsigned, "only they have it"), ada.ask(&bad, "works well"));
    let also = bob.json(0, &["request", &clean, "--reason", "course"]);
    assert_eq!((also["request"]["id"].as_i64(), also["new"].as_bool()), (Some(first), Some(false)));
    let round = steward.run(&["steward", "--once"]);
    assert_eq!(
        round.status.code(),
        Some(1),
        "letters cannot be sent yet: {}{}",
        lab::said(&round),
        lab::complained(&round)
    );
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
    assert_eq!(ada.run(&["approve", &number]).status.code(), Some(7));
    assert_eq!(ada.run(&["reject", &number, "--reason", "x"]).status.code(), Some(7));
    let queue = lab::said(&carol.run(&["requests", "--queue"]));
    assert!(queue.contains("signature on layer") && queue.contains("unsigned"), "{queue}");
    // An administrator approves it with a key in hardware: its PIN is asked for, the signature goes with the decision.
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
    let signers = two["admitted"]["signers"].to_string();
    assert!(signers.contains("carol with key") && signers.contains("the steward"), "{signers}");
    let verified = ada.run(&["verify", two["admitted"]["reference"].as_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", lab::said(&verified));
    assert!(lab::said(&verified).contains("approved by carol"), "{}", lab::said(&verified));
    // Everybody was told, once, although the mail server was down at first.
    let told = ada.json(0, &["inbox"]);
    let words = told["notices"].to_string();
    assert_eq!(told["notices"].as_array().unwrap().len(), 3, "{words}");
    until("letters", || {
        steward.run(&["steward", "--once"]);
        mail.letters("ada@site.example").len() >= 3
    });
    assert!(mail.letters("admins@site.example").iter().any(|letter| letter.contains("waits for a decision")));
    assert_eq!(mail.letters("bob@site.example").len(), 1, "bob asked for the first one, too");
    // Ada launches the first one; a new advisory turns it bad; she and its supplier get mail.
    if wharf::adapters::local::Runtime::find().is_none() {
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
    for said in ["CVE-2026-0001", "openssl", "3.0.9-r1", "no version without", "you launched it", "runs as    local/"] {
        assert!(warning.contains(said), "{said}: {warning}");
    }
    assert!(his[1].contains("you supplied it"), "{}", his[1]);
    // What the steward's signature states has changed with it: it is no longer launched.
    assert_eq!(ada.run(&["verify", &admitted, "--again"]).status.code(), Some(4));
    // A fixed version is admitted: those who were warned hear of it, with the way to launch it.
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
    site.advise(&[
        advisory,
        r#"{"id": "CVE-2026-0002", "platform": "alpine 3.17", "pkg": "nothing", "severity": "LOW"}"#,
    ]);
    until("the way out", || {
        steward.run(&["steward", "--once"]);
        mail.letters("ada@site.example").iter().any(|letter| letter.contains("wharf launch oci://"))
    });
    let inbox = lab::said(&ada.run(&["inbox", "--read"]));
    assert!(inbox.contains("a version without them: oci://"), "{inbox}");
    assert_eq!(ada.json(0, &["inbox", "--unread"])["notices"].as_array().unwrap().len(), 0);
}
