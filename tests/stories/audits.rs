//! The audit: a full disk and a torn line cost one entry and are reported; removed, cut or rewritten entries are
//! noticed through the store, by the person and by those who may read everybody's audit.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use wharf::{
    adapters::store::shared::sqlite::SqliteStore,
    core::{
        audit::{
            self, Entry, Line,
            witness::{AuditScope, Chain, Mark, untold},
        },
        base::error::Kind,
        ports::store::Store,
        request::Caller,
    },
};

use crate::{
    lab::{self, Home, need},
    stores::Database,
};

/// An action that is recorded in the audit and needs no service.
fn act(home: &Home, store: Option<&str>) -> Output {
    let to = format!("file:{}:1", home.path(&lab::fresh("copy")).display());
    let mut command = home.wharf(&["copy", &lab::starter(), &to]);
    command.env("WHARF_PERSON", "ada");
    if let Some(store) = store {
        std::fs::write(home.path("site.toml"), format!("[requests]\nstore = \"{store}\"\n")).unwrap();
    }
    if home.path("site.toml").exists() {
        command.env("WHARF_SITE", home.path("site.toml"));
    }
    command.output().unwrap()
}

fn done(home: &Home) {
    let output = act(home, None);
    assert_eq!(output.status.code(), Some(0), "{}", lab::complained(&output));
    assert!(!lab::complained(&output).contains("audit"), "{}", lab::complained(&output));
}

fn asked(home: &Home, arguments: &[&str]) -> Output {
    let mut command = home.wharf(&[&["audit"], arguments].concat());
    command.env("WHARF_PERSON", "ada");
    if home.path("site.toml").exists() {
        command.env("WHARF_SITE", home.path("site.toml"));
    }
    command.output().unwrap()
}

fn verified(home: &Home, code: i32) -> String {
    let output = asked(home, &["verify"]);
    let all = format!("{}{}", lab::said(&output), lab::complained(&output));
    assert_eq!(output.status.code(), Some(code), "{all}");
    all
}

fn file(home: &Home) -> PathBuf {
    home.path("state/audit.jsonl")
}

/// A small file system, which is removed when this is dropped.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            _ => {
                eprintln!("left out: no file system can be mounted here");
                None
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_costs_an_entry_and_says_so_and_later_ones_are_whole() {
    let home = Home::new();
    let Some(_small) = Small::mount(&home.path("state")) else { return };
    done(&home);
    let mut filler = std::fs::File::create(home.path("state/filler")).unwrap();
    while filler.write_all(&[0; 512]).is_ok() {}
    // Most of a page is free at the end of the last one: it is filled first.
    let mut lost = 0;
    for _ in 0..20 {
        let output = act(&home, None);
        assert_eq!(output.status.code(), Some(0), "it is done all the same: {}", lab::complained(&output));
        if lab::complained(&output).contains("not in the audit: copy") {
            lost += 1;
            if lost == 2 {
                break;
            }
        }
    }
    assert_eq!(lost, 2, "the disk is full");
    let before = audit::read(&std::fs::read_to_string(file(&home)).unwrap()).lines.len();
    drop(filler);
    std::fs::remove_file(home.path("state/filler")).unwrap();
    done(&home);
    let reading = audit::read(&std::fs::read_to_string(file(&home)).unwrap());
    reading.whole().unwrap();
    assert_eq!((reading.lines.len(), reading.torn.len()), (before + 1, 0));
    assert!(verified(&home, 0).contains("the chain is complete"));
}

#[test]
fn a_torn_line_is_marked_and_a_changed_one_is_told_from_it() {
    let home = Home::new();
    done(&home);
    done(&home);
    let whole = std::fs::read_to_string(file(&home)).unwrap();
    std::fs::write(file(&home), format!("{whole}{{\"at\":\"2026-01-01T0")).unwrap();
    done(&home);
    let list = asked(&home, &[]);
    assert_eq!(list.status.code(), Some(0));
    assert!(lab::said(&list).contains("torn") && lab::said(&list).matches("copy").count() >= 3, "{}", lab::said(&list));
    assert!(lab::complained(&list).contains("line 3 of the audit is torn"), "{}", lab::complained(&list));
    let said = verified(&home, 0);
    assert!(said.contains("3 entries") && said.contains("line 3 is torn"), "{said}");
    // A whole line that is cut later is not a torn one: the next does not follow it.
    let lines: Vec<&str> = whole.lines().collect();
    let torn = std::fs::read_to_string(file(&home)).unwrap();
    std::fs::write(file(&home), torn.replacen(lines[1], &lines[1][..40], 1)).unwrap();
    let said = verified(&home, 1);
    assert!(said.contains("line 2") && said.contains("changed after it was written"), "{said}");
    // The good entries are listed nevertheless.
    let list = asked(&home, &[]);
    assert_eq!(list.status.code(), Some(1));
    assert!(lab::said(&list).matches("copy").count() >= 2, "{}", lab::said(&list));
}

/// Writes a valid chain, as the owner of the file can.
fn forged(names: &[&str]) -> String {
    let mut text = String::new();
    let mut last: Option<Line> = None;
    for name in names {
        let line = audit::next(last.as_ref(), Entry::new("ada", "copy", *name)).unwrap();
        text += &(serde_json::to_string(&line).unwrap() + "\n");
        last = Some(line);
    }
    text
}

#[test]
fn an_audit_that_its_owner_removes_cuts_or_writes_anew_is_seen() {
    let home = Home::new();
    (0..3).for_each(|_| done(&home));
    assert!(verified(&home, 0).contains("the store has seen 3 entries"));
    let whole = std::fs::read_to_string(file(&home)).unwrap();
    let two: String = whole.lines().take(2).map(|line| format!("{line}\n")).collect();
    for (text, said) in [
        (Some(two.clone()), "2 are here"),
        (Some(String::new()), "0 are here"),
        (None, "0 are here"),
        (Some(forged(&["a", "b", "c", "d"])), "differs from what the store has seen"),
    ] {
        match text {
            Some(text) => std::fs::write(file(&home), text).unwrap(),
            None => std::fs::remove_file(file(&home)).unwrap(),
        }
        let told = verified(&home, 1);
        assert!(told.contains(said), "{said}: {told}");
        std::fs::write(file(&home), &whole).unwrap();
        verified(&home, 0);
    }
    // With its name: the folder is the same.
    std::fs::remove_file(file(&home)).unwrap();
    std::fs::remove_file(home.path("state/audit.id")).unwrap();
    let told = verified(&home, 1);
    assert!(told.contains("an audit of 3 entries in this folder"), "{told}");
    // A continued file still shows the cut, also to those who may read everybody's audit.
    let home = Home::new();
    (0..3).for_each(|_| done(&home));
    std::fs::write(file(&home), forged(&["a", "b"])).unwrap();
    (0..3).for_each(|_| done(&home));
    let told = verified(&home, 1);
    assert!(told.contains("differs from what the store has seen"), "{told}");
    let site = asked(&home, &["--site"]);
    assert_eq!(site.status.code(), Some(0), "{}", lab::complained(&site));
    assert!(lab::said(&site).contains("told twice, and differently"), "{}", lab::said(&site));
}

#[tokio::test]
async fn a_store_that_is_away_holds_nothing_up_and_is_told_later() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let home = Home::new();
    let began = std::time::Instant::now();
    // A server that accepts connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for _ in 0..2 {
        let away = format!("postgres://ada@{}/wharf?sslmode=disable", silent.local_addr().unwrap());
        let away = act(&home, Some(&away));
        assert_eq!(away.status.code(), Some(0), "{}", lab::complained(&away));
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(30), "{:?}", began.elapsed());
    let _ = act(&home, Some("postgres://ada@127.0.0.1:1/wharf?sslmode=disable"));
    assert!(verified(&home, 8).contains("the store was not asked"));
    let there = act(&home, Some(&database.address("ada")));
    assert_eq!(there.status.code(), Some(0), "{}", lab::complained(&there));
    assert!(verified(&home, 0).contains("the store has seen 4 entries"));
    let kept = database.store("ada", "w").witnessed(&AuditScope::Mine, 10).await.unwrap();
    assert_eq!(kept.len(), 4);
    assert!(kept.iter().all(|kept| kept.person == "ada" && kept.entry().is_some_and(|entry| entry.action == "copy")));
    // The audits of the whole site, for those who may read them.
    let site = |person: &str, more: &[&str]| {
        std::fs::write(home.path("site.toml"), format!("[requests]\nstore = \"{}\"\n", database.address(person)))
            .unwrap();
        asked(&home, &[&["--site"], more].concat())
    };
    let refused = site("bob", &[]);
    assert_eq!(refused.status.code(), Some(7), "{}", lab::complained(&refused));
    for person in ["carol", "steward"] {
        let all = site(person, &["--json"]);
        assert_eq!(all.status.code(), Some(0), "{}", lab::complained(&all));
        let all: serde_json::Value = serde_json::from_slice(&all.stdout).unwrap();
        assert_eq!((all["done"].as_array().unwrap().len(), &all["chains"][0]["person"]), (4, &"ada".into()), "{all:#}");
        assert_eq!((&all["chains"][0]["entries"], &all["chains"][0]["faults"]), (&4.into(), &serde_json::json!([])));
    }
    let said = lab::said(&site("carol", &[]));
    assert!(said.contains("ada") && said.contains("✓ whole"), "{said}");
}

fn chain(id: &str) -> Chain {
    Chain { id: id.into(), place: "node:/home/x\u{1b}[31m".into() }
}

fn marks(names: &[&str]) -> Vec<Mark> {
    untold(&audit::read(&forged(names)), None).unwrap()
}

/// What both kinds of store keep.
async fn contract(ada: &dyn Store, bob: &dyn Store, carol: &dyn Store) {
    let (id, all) = ("00000000000000aa", marks(&["a", "b", "c"]));
    ada.witness(&chain(id), &all[..2]).await.unwrap();
    ada.witness(&chain(id), &all).await.unwrap();
    ada.witness(&chain(id), &all).await.unwrap();
    let seen = ada.witnessed(&AuditScope::Chain(id.into()), 10).await.unwrap();
    assert_eq!(seen.iter().map(|seen| seen.mark.number).collect::<Vec<_>>(), [3, 2, 1], "each once, the newest first");
    assert_eq!(seen[0].mark, all[2]);
    assert!(!seen[0].chain.place.contains('\u{1b}'), "text of others is cleaned");
    // Another entry at the same position is kept beside it.
    ada.witness(&chain(id), &marks(&["a", "x"])[1..]).await.unwrap();
    assert_eq!(ada.witnessed(&AuditScope::Mine, 10).await.unwrap().len(), 4);
    // A chain of the same id is another person's chain.
    bob.witness(&chain(id), &marks(&["z"])).await.unwrap();
    assert_eq!(bob.witnessed(&AuditScope::Mine, 10).await.unwrap().len(), 1);
    assert_eq!(bob.witnessed(&AuditScope::Everybody, 10).await.unwrap_err().kind, Kind::NotAllowed);
    assert_eq!(bob.decided(10).await.unwrap_err().kind, Kind::NotAllowed);
    assert_eq!(carol.witnessed(&AuditScope::Everybody, 10).await.unwrap().len(), 5);
    assert_eq!(carol.witnessed(&AuditScope::Everybody, 2).await.unwrap().len(), 2);
    assert!(carol.decided(10).await.unwrap().is_empty());
    let wish = crate::stores::wish("for a paper", false);
    ada.submit(&crate::stores::asked("a"), "oci://lab.example/admitted/a", &wish).await.unwrap();
    let decided = carol.decided(10).await.unwrap();
    assert_eq!((decided[0].who.as_str(), decided[0].what.as_str()), ("ada", "asked for"));
}

#[tokio::test]
async fn a_file_keeps_what_it_was_told_of_audits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared/requests.db");
    let store = |person: &str, approver: bool| {
        let me = Caller { person: person.into(), approver, steward: true, own: false };
        SqliteStore::new(path.clone(), me, person.into())
    };
    contract(&store("ada", false), &store("bob", false), &store("carol", true)).await;
}

#[tokio::test]
async fn in_a_database_people_only_add_to_what_is_known_of_their_own_audit() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let (ada, bob, carol) = (database.store("ada", "w"), database.store("bob", "w"), database.store("carol", "w"));
    contract(&*ada, &*bob, &*carol).await;
    let mark = |number: i64, body: &str| {
        serde_json::json!([{"number": number, "hash": "0".repeat(64), "body": body}]).to_string().replace('\'', "''")
    };
    let told = |chain: &str, marks: &str| format!("SELECT wharf.witness('{chain}', 'here', '{marks}')");
    let id = "00000000000000bb";
    for (person, sql) in [
        ("ada", "DELETE FROM wharf.witness".to_owned()),
        ("ada", "UPDATE wharf.witness SET hash = repeat('0', 64)".to_owned()),
        (
            "ada",
            format!(
                "INSERT INTO wharf.witness (person, chain, place, number, hash, body, at) VALUES ('bob', '{id}', '', 1, repeat('0', 64), '', 1)"
            ),
        ),
        ("carol", "DELETE FROM wharf.witness WHERE person = 'ada'".to_owned()),
        ("steward", "TRUNCATE wharf.witness".to_owned()),
        ("nobody", told(id, &mark(1, ""))),
        ("nobody", "SELECT * FROM wharf.witness".to_owned()),
        ("ada", told("x", &mark(1, ""))),
        ("ada", told(id, "{}")),
        ("ada", told(id, &mark(0, ""))),
        ("ada", told(id, &mark(-5, ""))),
        ("ada", told(id, &mark(1, &format!("{{\"who\": \"ada\", \"x\": \"{}\"}}", "y".repeat(9000))))),
        ("ada", format!("SELECT wharf.witness('{id}', repeat('x', 2000), '{}')", mark(1, ""))),
        (
            "ada",
            format!(
                "SELECT wharf.witness('{id}', 'x', (SELECT jsonb_agg(jsonb_build_object('number', n, 'hash', repeat('0', 64), 'body', '')) FROM generate_series(1, 501) AS n))"
            ),
        ),
    ] {
        let (went, said) = database.psql(person, &database.name, &sql);
        assert!(!went, "{person} could: {sql}: {said}");
    }
    let count = |person: &str, of: &str| {
        database.psql(person, &database.name, &format!("SELECT count(*) FROM wharf.witness WHERE person = '{of}'")).1
    };
    assert_eq!((count("bob", "ada"), count("carol", "ada")), ("0\n".into(), "4\n".into()));
    // A mark belongs to the person who reported it, whatever name it states.
    assert!(
        database
            .psql(
                "ada",
                &database.name,
                &told(
                    id,
                    &mark(7, r#"{"at": "x", "who": "carol", "action": "approve", "subject": "y", "outcome": "done"}"#)
                )
            )
            .0
    );
    let kept = ada.witnessed(&AuditScope::Chain(id.into()), 10).await.unwrap();
    assert_eq!((kept[0].person.as_str(), kept[0].mark.number), ("ada", 7));
    let (who, action) = kept[0].entry().map(|entry| (entry.who, entry.action)).unwrap();
    assert_eq!((who.as_str(), action.as_str()), ("ada", "approve"));
    // Nobody can fill the table, or displace what is there.
    let many = format!(
        "SELECT wharf.witness('{id}', 'x', (SELECT jsonb_agg(jsonb_build_object('number', n, 'hash', repeat('1', 64), 'body', '')) FROM generate_series(1, 400) AS n))"
    );
    let many = |from: i64| many.replace("'number', n", &format!("'number', n + {from}"));
    let went: Vec<bool> = (0..6).map(|round| database.psql("ada", &database.name, &many(round * 400)).0).collect();
    assert_eq!(went, [true, true, true, true, false, false]);
    let error = ada.witness(&chain(id), &vec![marks(&["more"]).remove(0); 400]).await.unwrap_err();
    assert!(error.why.contains("2000 entries"), "{error}");
    assert!(bob.witness(&chain(id), &marks(&["more"])).await.is_ok(), "others are not held up");
}
