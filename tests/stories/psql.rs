//! What the shared database guarantees whatever its users send to it, with psql and their own login.

use std::{sync::Arc, time::Duration};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::json;
use wharf::core::{
    base::{badge::Verdict, error::Kind, text},
    ports::store::{Store, Use, UseKind, Watch, Watched},
    request::{Admission, Decision, Event, RemarkKind, RequestFilter, RequestedImage, Stage, event::PolicyOutcome},
};

use crate::{
    lab::{self, need},
    stores::{Database, Server, asked, decision, digest_of, dossier, wish},
};

type Shared = Arc<dyn Store>;

const MINUTE: Duration = Duration::from_secs(60);

/// The database's message when it refuses a person's statement.
fn refused(database: &Database, person: &str, sql: &str) -> String {
    let (went, said) = database.psql(person, &database.name, sql);
    assert!(!went, "{person} could: {sql}: {said}");
    said
}

fn goes(database: &Database, person: &str, sql: &str) -> String {
    let (went, said) = database.psql(person, &database.name, sql);
    assert!(went, "{person}: {sql}: {said}");
    said.trim().to_owned()
}

fn place(name: &str) -> String {
    format!("oci://lab.example/admitted/{name}")
}

/// A request that waits for a decision.
async fn waiting(of: &Shared, steward: &Shared, name: &str, private: bool) -> i64 {
    let (id, _) = of.submit(&asked(name), &place(name), &wish("for the paper", private)).await.unwrap();
    assert_eq!(steward.claim(MINUTE, 9).await.unwrap().unwrap().id, id);
    let judged = Event::Judged(dossier(Verdict::NeedsApproval, "signature", "alpine"), PolicyOutcome::Wait);
    steward.apply_event(id, &judged).await.unwrap();
    id
}

#[tokio::test]
async fn functions_find_nobody_elses_names() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let (ada, one) = (database.store("ada", "w"), database.store("steward", "steward-1"));
    waiting(&ada, &one, "a", true).await;
    goes(&database, "postgres", "CREATE SCHEMA bobs AUTHORIZATION bob; GRANT ALL ON SCHEMA public TO PUBLIC");
    let mine = "CREATE FUNCTION bobs.pg_has_role(name, text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
        CREATE FUNCTION bobs.pg_has_role(text, text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
        CREATE FUNCTION bobs.length(text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
        CREATE TABLE bobs.wish (request bigint, person text, private boolean);
        INSERT INTO bobs.wish VALUES (1, 'bob', false)";
    goes(&database, "bob", mine);
    for path in ["bobs, pg_catalog", "bobs, wharf, pg_catalog", "pg_temp, bobs, pg_catalog"] {
        let temporary = "CREATE TEMP TABLE wish AS SELECT * FROM bobs.wish";
        for what in ["request", "wish", "history", "remark", "notice", "used"] {
            let sql = format!("{temporary}; SET search_path = {path}; SELECT count(*) FROM wharf.{what}");
            assert!(goes(&database, "bob", &sql).ends_with("\n0"), "{path}: {what}");
        }
        for call in [
            "SELECT wharf.withdraw(1)",
            "SELECT wharf.decide(1, '{}')",
            "SELECT wharf.claim('w', 60, 9)",
            "SELECT wharf.ahead(1)",
        ] {
            refused(&database, "bob", &format!("{temporary}; SET search_path = {path}; {call}"));
        }
    }
    // This covers every function, also those that are added later.
    let unpinned = "SELECT string_agg(proname, ', ') FROM pg_proc WHERE pronamespace = 'wharf'::regnamespace
        AND NOT coalesce(proconfig[1] ~ '^search_path=pg_catalog,( wharf,)? pg_temp$', false)";
    assert_eq!(goes(&database, "postgres", unpinned), "", "functions without a pinned search_path");
    let open =
        "SELECT string_agg(proname, ', ') FROM pg_proc WHERE pronamespace = 'wharf'::regnamespace AND proacl IS NULL";
    assert_eq!(goes(&database, "postgres", open), "", "functions that everybody may call");
}

#[tokio::test]
async fn arguments_are_refused_with_the_reason_that_no_program_of_ours_would_send() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let good = serde_json::to_value(asked("a")).unwrap();
    let with = |key: &str, value: serde_json::Value| {
        let mut asked = good.clone();
        asked[key] = value;
        asked
    };
    let digest = digest_of("a");
    let submit = |asked: &serde_json::Value, place: &str, reason: &str| {
        format!("SELECT id FROM wharf.submit($a${asked}$a$, $a${place}$a$, $a${reason}$a$, NULL, false)")
    };
    let to = place("a");
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("platforms");
    for (sql, why) in [
        (submit(&json!({"digest": "sha256:x"}), "d", "r"), "missing"),
        (submit(&json!([]), &to, "r"), "form"),
        (submit(&json!(null), &to, "r"), "form"),
        (submit(&without, &to, "r"), "'platforms' of what is asked for is missing"),
        (submit(&with("evil", json!(1)), &to, "r"), "'evil'"),
        (submit(&with("digest", json!("sha256:x")), &to, "r"), "by its digest"),
        (submit(&with("digest", json!(digest_of("b"))), &to, "r"), "by its digest"),
        (submit(&with("digest", json!(7)), &to, "r"), "text"),
        (submit(&with("size", json!("big")), &to, "r"), "number"),
        (submit(&with("size", json!(-1)), &to, "r"), "number"),
        (submit(&with("title", json!("x".repeat(10_000))), &to, "r"), "longer"),
        (submit(&with("title", json!("two\nlines")), &to, "r"), "one line"),
        (submit(&with("from", json!("file:/etc/passwd")), &to, "r"), "asked for as"),
        (submit(&with("from", json!(format!("engine://docker/a@{digest}"))), &to, "r"), "asked for as"),
        (submit(&with("from", json!(format!("oci://u:p@h/a@{digest}"))), &to, "r"), "by its digest"),
        (submit(&with("platforms", json!(vec!["x"; 300])), &to, "r"), "entries"),
        (submit(&good, "oci://lab.example/admitted/a\"}{", "r"), "destination"),
        (submit(&good, "glance://site/ubuntu", "r"), "destination"),
        (submit(&good, &format!("{to}:1"), "r"), "destination"),
        (submit(&good, &to, "allow by the policy\napproved by dora"), "one line"),
        (submit(&good, &to, "left \u{202e}right"), "one line"),
        (submit(&good, &to, &"x".repeat(10_000)), "longer"),
        (format!("SELECT wharf.use('launched', '{digest}', 'file:/dev/zero', '', 0)"), "registries"),
        (format!("SELECT wharf.use('launched', '{digest}', 'http://10.0.0.1/', '', 0)"), "registries"),
        (format!("SELECT wharf.use('launched', '{digest}', 'oci://h/a@{}', '', 0)", digest_of("b")), "registries"),
        (format!("SELECT wharf.use('eaten', '{digest}', 'oci://h/a@{digest}', '', 0)"), "launched"),
        (format!("SELECT wharf.use('launched', '{digest}', 'oci://h/a@{digest}', E'a\\nb', 0)"), "one line"),
        (format!("SELECT wharf.use('launched', '{digest}', 'oci://h/a@{digest}', '', 99999999999)"), "how long ago"),
        (format!("SELECT wharf.use('launched', '{digest}', 'oci://h/a@{digest}', NULL, 0)"), "missing"),
        ("SELECT wharf.introduce(E'a@b\\nBcc: everybody@c')".to_owned(), "one line"),
        ("SELECT wharf.introduce('a@b, everybody@c')".to_owned(), "no mail address"),
        ("SELECT wharf.see(ARRAY(SELECT generate_series(1, 20000)::bigint))".to_owned(), "too many"),
    ] {
        let said = refused(&database, "ada", &sql);
        assert!(said.contains(why), "{sql}: {said}");
    }
    assert_eq!(goes(&database, "postgres", "SELECT count(*) FROM wharf.request"), "0");
    goes(&database, "ada", &submit(&good, &to, "honest: \"quotes\", {braces}, ünïcode 日本"));
    for decision in [
        json!({}),
        json!({"approve": true}),
        json!({"approve": "yes", "reason": "", "terms": {}, "digest": digest, "payload": "", "signature": ""}),
        json!({"approve": true, "reason": "", "terms": {"until": "soon", "only": false, "exceptions": []}, "digest": digest, "payload": "", "signature": ""}),
        json!({"approve": true, "reason": "", "terms": {"until": 9_999_999_999_999_999_i64, "only": false, "exceptions": []}, "digest": digest, "payload": "", "signature": ""}),
        json!({"approve": true, "reason": "", "terms": {"until": null, "only": false, "exceptions": [["x"]]}, "digest": digest, "payload": "", "signature": ""}),
        json!({"approve": true, "reason": "", "terms": {"until": null, "only": false, "exceptions": []}, "digest": digest, "payload": "", "signature": "", "scan": {}}),
    ] {
        for sql in [
            format!("SELECT wharf.decide(1, '{decision}')"),
            format!("SELECT wharf.approve_class('', 'scan', '{decision}')"),
        ] {
            refused(&database, "carol", &sql);
        }
    }
}

#[tokio::test]
async fn rows_that_no_version_of_wharf_wrote_cost_themselves_alone() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let (ada, carol, one) =
        (database.store("ada", "w"), database.store("carol", "w"), database.store("steward", "steward-1"));
    let poison = "INSERT INTO wharf.request (digest, destination, asked, since, changed, open)
            SELECT 'x' || n, 'd', (ARRAY['{\"digest\": \"sha256:x\"}', '3', '[]', 'null', '{\"size\": -1}'])[n % 5 + 1]::jsonb, 0, 0, true FROM generate_series(1, 26) AS n;
        INSERT INTO wharf.request (digest, destination, asked, since, changed, open, stage, dossier, rule)
            VALUES ('w', 'd', '7', 0, 0, true, 'waiting', '{\"grounds\": 3}', 'signature'), ('v', 'd', '7', 0, 0, true, 'admitted', '3', '');
        UPDATE wharf.request SET changed = wharf.now(), decision = '{\"at\": \"never\", \"terms\": {\"until\": [1e400]}}' WHERE digest = 'v';
        INSERT INTO wharf.wish (request, person, reason, since, private) VALUES (1, 'ada', 'r', 0, false);
        INSERT INTO wharf.class (base, rule, until, decision) VALUES ('', 'scan', 99999999999, '[]'), ('', 'scan', 99999999999, '{\"by\": 7}');
        INSERT INTO wharf.used VALUES ('ada', 'launched', 'x', 'file:/dev/zero', '', 0);
        INSERT INTO wharf.watched VALUES ('x', 'y', 0, '7');
        INSERT INTO wharf.notice (at, receiver, topic, key, title, words, warning) VALUES (wharf.now(), 'ada', 'eaten', 'k', 't', 'w', '8')";
    goes(&database, "postgres", poison);
    let (id, _) = ada.submit(&asked("a"), &place("a"), &wish("honest", false)).await.unwrap();
    for store in [&ada, &carol, &one] {
        for which in [RequestFilter::All, RequestFilter::Mine, RequestFilter::Queue] {
            store.requests(which, 0, 100).await.unwrap();
        }
        let all = store.requests(RequestFilter::All, 0, 100).await.unwrap();
        assert_eq!(all.len(), 29);
        let marked = all.iter().filter(|one| one.stage == Stage::Failed && one.failure.contains("cannot be read"));
        assert_eq!(marked.count(), 28);
        assert!(store.classes().await.unwrap().is_empty());
        store.groups().await.unwrap();
        store.pace().await.unwrap();
    }
    assert_eq!(carol.overview().await.unwrap().ending, []);
    assert!(ada.notices(0, 10).await.unwrap()[0].words.contains("cannot be read"));
    assert_eq!(one.claim(MINUTE, 9).await.unwrap().map(|one| one.id), Some(id), "an honest request waits for nobody");
    assert!(one.claim(MINUTE, 9).await.unwrap().is_none(), "those that cannot be read were put aside");
    let failed = "SELECT count(*) FROM wharf.request WHERE stage = 'failed' AND failure LIKE '%cannot be read%'";
    assert_eq!(goes(&database, "postgres", failed), "26");
    // The notices about failures are delivered, the unreadable one is not, and nothing waits behind it.
    while let Some(due) = one.due("mail", MINUTE).await.unwrap() {
        one.delivered("mail", due.notice.id, None).await.unwrap();
    }
    assert!(
        one.due_for_judging(&Watch::default(), 10).await.unwrap().iter().all(|one| one.reference.starts_with("oci://"))
    );
    assert!(one.users("x").await.is_ok());
    carol.approve_class("", "signature", &Decision { terms: soon(), ..decision("", true, "all") }).await.unwrap();
}

#[tokio::test]
async fn who_decides_and_may_not_ask_what_stewards_found_has_the_overview_all_the_same() {
    // Roles belong to a whole server, so this test has one of its own.
    let Some(mut server) = Server::new() else { return };
    server.start();
    let database = Database::new(&server.host()).await;
    let roles = "CREATE ROLE ada LOGIN IN ROLE wharf_user; CREATE ROLE carol LOGIN IN ROLE wharf_user, wharf_approver;
        CREATE ROLE judge LOGIN IN ROLE wharf_approver; CREATE ROLE steward LOGIN IN ROLE wharf_user, wharf_steward";
    goes(&database, "postgres", roles);
    let of = |person: &str| database.store(person, "w");
    let (ada, carol, judge, one) = (of("ada"), of("carol"), of("judge"), of("steward"));
    let id = waiting(&ada, &one, "brief", false).await;
    judge.apply_event(id, &Event::Decide(Decision { terms: soon(), ..decision("brief", true, "fine") })).await.unwrap();
    one.claim(MINUTE, 9).await.unwrap().unwrap();
    let (digest, reference) = (digest_of("brief"), format!("{}@{}", place("brief"), digest_of("brief")));
    let admission = Admission {
        reference: reference.clone(),
        digest: digest.clone(),
        signers: Vec::new(),
        at: 0,
        untagged: String::new(),
    };
    one.apply_event(id, &Event::Admitted(admission)).await.unwrap();
    let told = vec![("CVE-7".to_owned(), "openssl".to_owned(), "3.1".to_owned())];
    let found = Watched { digest, reference, judged: true, verdict: "deny".into(), told, ..Watched::default() };
    one.watch(&found, &[]).await.unwrap();
    for (store, new) in [(&carol, Some(vec!["CVE-7".to_owned()])), (&judge, None)] {
        let known = store.overview().await.unwrap();
        assert_eq!((known.asked(), known.decided(), known.ending_in_all), (1, 1, 1));
        assert_eq!((known.days.last().unwrap().asked, known.ending[0].request), (1, id));
        assert_eq!(known.ending[0].new_findings, new);
    }
    for other in [&ada, &one] {
        assert_eq!(other.overview().await.unwrap_err().kind, Kind::NotAllowed);
    }
}

fn soon() -> wharf::core::request::Terms {
    wharf::core::request::Terms { until: Some(text::now() + 1000), ..Default::default() }
}

#[tokio::test]
async fn what_was_said_privately_stays_so_when_others_ask_for_the_same() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let [ada, bob, carol] = ["ada", "bob", "carol"].map(|name| database.store(name, name));
    let one = database.store("steward", "steward-1");
    let id = waiting(&ada, &one, "a", true).await;
    carol.apply_event(id, &Event::Remark(RemarkKind::Question, "what is ACME?".into())).await.unwrap();
    ada.apply_event(id, &Event::Remark(RemarkKind::Answer, "the merger".into())).await.unwrap();
    // Requesting the same image reveals nothing: no question, no reason, not that somebody had requested it.
    let (his, new) = bob.submit(&asked("a"), &place("a"), &wish("course", false)).await.unwrap();
    assert!(new);
    one.claim(MINUTE, 9).await.unwrap();
    one.apply_event(his, &Event::Judged(dossier(Verdict::NeedsApproval, "signature", "alpine"), PolicyOutcome::Wait))
        .await
        .unwrap();
    ada.apply_event(id, &Event::Remark(RemarkKind::Note, "still the merger".into())).await.unwrap();
    ada.submit(&asked("a"), &place("a"), &wish("now in the open", false)).await.unwrap();
    let all = "SELECT coalesce(string_agg(t, ' '), '') FROM (SELECT detail AS t FROM wharf.history UNION ALL SELECT words FROM wharf.remark
        UNION ALL SELECT reason FROM wharf.wish UNION ALL SELECT words FROM wharf.notice) AS every";
    let seen = goes(&database, "bob", all);
    assert!(seen.contains("course") && seen.contains("now in the open"), "{seen}");
    for secret in ["ACME", "merger", "for the paper"] {
        assert!(!seen.contains(secret), "{secret}: {seen}");
        assert!(goes(&database, "carol", all).contains(secret));
    }
    assert!(goes(&database, "ada", all).contains("ACME"), "she was asked");
    // Nor does listening, counting, or asking for a place in the queue.
    let hidden = waiting(&ada, &one, "hidden", true).await;
    assert_eq!(bob.ahead(hidden).await.unwrap_err().kind, Kind::NotFound);
    assert_eq!(
        bob.groups().await.unwrap().iter().map(|group| group.count).sum::<i64>(),
        2,
        "his, and hers that she has opened"
    );
    assert_eq!(goes(&database, "bob", "SELECT count(*) FROM wharf.request"), "2");
    let payload = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'wharf'::regnamespace AND prosrc ~ 'pg_notify' AND prosrc !~ 'pg_notify\\(''wharf'', ''''\\)'";
    assert_eq!(goes(&database, "postgres", payload), "0", "nothing is told to whoever listens");
}

#[tokio::test]
async fn whoever_asks_first_spoils_it_for_nobody_and_is_not_told_of_others() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let [ada, bob, eve] = ["ada", "bob", "dora"].map(|name| database.store(name, name));
    let one = database.store("steward", "steward-1");
    // The same bytes for the same place, from a source that nobody can read, or under another tag.
    let digest = digest_of("a");
    let spoilt = RequestedImage { from: format!("oci://lab.example/no/such@{digest}"), ..asked("a") };
    let other_tag = RequestedImage { tag: Some("latest".into()), ..asked("a") };
    let mut ids = Vec::new();
    for (who, asked) in [(&bob, spoilt), (&bob, other_tag), (&ada, asked("a"))] {
        let (id, new) = who.submit(&asked, &place("a"), &wish("r", false)).await.unwrap();
        assert!(new);
        ids.push(id);
    }
    assert_eq!(ada.request(ids[2]).await.unwrap().asked, asked("a"));
    // The same bytes from the same place are one request, by whichever name there.
    let named = RequestedImage { from: format!("oci://lab.example/physics/a:1@{digest}"), ..asked("a") };
    assert_eq!(eve.submit(&named, &place("a"), &wish("r", false)).await.unwrap(), (ids[2], false));
    // A private request is nobody else's, whether theirs is private or not.
    let (hers, _) = ada.submit(&asked("b"), &place("b"), &wish("merger with ACME", true)).await.unwrap();
    one.claim(MINUTE, 9).await.unwrap();
    for private in [true, false] {
        let (his, new) = bob.submit(&asked("b"), &place("b"), &wish("r", private)).await.unwrap();
        assert!(new || !private, "his own private one is his");
        assert!(his != hers && bob.history(his).await.unwrap().iter().all(|line| line.who == "bob"));
    }
    assert_eq!(ada.submit(&asked("b"), &place("b"), &wish("merger with ACME", true)).await.unwrap(), (hers, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_holds_up_others_by_leaving_a_transaction_open() {
    use sqlx::Connection as _;
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let [ada, bob, carol] = ["ada", "bob", "carol"].map(|name| database.store(name, name));
    let one = database.store("steward", "steward-1");
    let id = waiting(&ada, &one, "a", false).await;
    bob.submit(&asked("a"), &place("a"), &wish("first", false)).await.unwrap();
    let asked = serde_json::to_value(asked("a")).unwrap();
    for (from_one_statement, lock) in [
        (false, format!("SELECT wharf.submit($a${asked}$a$, '{}', 'second', NULL, false)", place("a"))),
        (true, format!("SELECT wharf.submit($a${asked}$a$, '{}', 'third', NULL, false), pg_sleep(600)", place("a"))),
    ] {
        let mut his = sqlx::PgConnection::connect(&database.address("bob")).await.unwrap();
        let holding = tokio::spawn(async move {
            let begun = sqlx::raw_sql("BEGIN").execute(&mut his).await.is_ok();
            let held = sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut his).await;
            if held.is_ok() {
                // Until the server ends it.
                let sleep = sqlx::raw_sql("SELECT pg_sleep(600)").execute(&mut his).await;
                return (begun, sleep.is_err());
            }
            (begun, held.is_err())
        });
        let locked = "SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'bob' AND query ~ 'pg_sleep' AND datname = current_database()";
        let began = std::time::Instant::now();
        while goes(&database, "postgres", locked) != "t" {
            assert!(began.elapsed() < MINUTE, "{from_one_statement}");
        }
        let began = std::time::Instant::now();
        let note = Event::Remark(RemarkKind::Note, "n".into());
        while carol.apply_event(id, &note).await.is_err() {
            assert!(began.elapsed() < MINUTE, "he holds it up: {from_one_statement}");
        }
        assert_eq!(holding.await.unwrap(), (true, true), "the server ended his session");
    }
    // A lock that others can take by name must not be one that anybody waits for.
    let mut his = sqlx::PgConnection::connect(&database.address("bob")).await.unwrap();
    let every = "SELECT pg_advisory_lock(hashtext(a), hashtext(b)) FROM (VALUES ('wharf.witness', 'ada'), ('wharf', 'ada')) AS t(a, b)";
    sqlx::raw_sql(every).execute(&mut his).await.unwrap();
    let waits = "SELECT string_agg(proname, ', ') FROM pg_proc WHERE pronamespace = 'wharf'::regnamespace AND prosrc ~ 'advisory'";
    assert_eq!(goes(&database, "postgres", waits), "", "locks by name are anybody's");
}

#[tokio::test]
async fn nobodys_uses_choose_where_others_are_looked_after_or_keep_them_waiting() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let [ada, bob] = ["ada", "bob"].map(|name| database.store(name, name));
    let one = database.store("steward", "steward-1");
    let used = |repository: &str, name: &str| Use {
        person: String::new(),
        how: UseKind::Launched,
        reference: format!("oci://lab.example/{repository}@{}", digest_of(name)),
        digest: digest_of(name),
        place: format!("local/{repository}-{name}"),
        at: text::now(),
    };
    // The same bytes, at another place, and recorded earlier.
    bob.record_use(&used("bob/tool", "tool")).await.unwrap();
    ada.record_use(&used("physics/tool", "tool")).await.unwrap();
    let places = |all: Vec<Watched>| all.into_iter().map(|one| one.reference).collect::<Vec<_>>();
    let all = places(one.due_for_judging(&Watch::default(), 10).await.unwrap());
    assert!(all.contains(&used("physics/tool", "tool").reference), "{all:?}");
    // What is known at one place is kept for that place.
    let hers = used("physics/tool", "tool").reference;
    let judged = Watched { judged: true, verdict: "deny".into(), ..Watched::default() };
    let at = |reference: &str| Watched { digest: digest_of("tool"), reference: reference.into(), ..judged.clone() };
    one.watch(&at(&hers), &[]).await.unwrap();
    one.watch(&Watched { failed: 3, ..at(&used("bob/tool", "tool").reference) }, &[]).await.unwrap();
    let again = one.due_for_judging(&Watch::default(), 10).await.unwrap();
    assert_eq!(places(again), [hers], "what could not be looked at waits longer");
    // A thousand of his, never judged or failed, and one of hers: hers is among the first.
    let flood = "SELECT count(wharf.use('launched', 'sha256:' || encode(sha256(n::text::bytea), 'hex'),
        'oci://lab.example/no/such@sha256:' || encode(sha256(n::text::bytea), 'hex'), 'x' || n, 0)) FROM generate_series(1, 1000) AS n";
    goes(&database, "bob", flood);
    ada.record_use(&used("physics/other", "other")).await.unwrap();
    let first = places(one.due_for_judging(&Watch::default(), 4).await.unwrap());
    assert!(first.contains(&used("physics/other", "other").reference), "{first:?}");
    let failed =
        "INSERT INTO wharf.watched SELECT digest, reference, wharf.now() - 10, '{\"failed\": 1}' FROM wharf.used
        WHERE person = 'bob' ON CONFLICT DO NOTHING";
    goes(&database, "postgres", failed);
    let due = one.due_for_judging(&Watch::default(), 4).await.unwrap();
    assert!(due.iter().all(|one| one.failed == 0) && due.len() == 2, "{due:?}");
}

#[tokio::test]
async fn nobody_approves_what_they_asked_for_neither_themselves_nor_by_a_class() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let [ada, carol, dora] = ["ada", "carol", "dora"].map(|name| database.store(name, name));
    let one = database.store("steward", "steward-1");
    let class = |who: &Shared| {
        let who = who.clone();
        async move {
            let by = Decision { terms: soon(), ..decision("", true, "our base") };
            who.approve_class("alpine", "signature", &by).await.unwrap()
        }
    };
    let (of_carol, of_dora) = (class(&carol).await, class(&dora).await);
    let kept = one.classes().await.unwrap();
    let by_class = |number: i64| {
        let class = kept.iter().find(|class| class.id == number).unwrap();
        let by = Decision::class_author(&class.decision.by, number);
        Decision { by, digest: digest_of("own"), ..class.decision.clone() }
    };
    // Carol requests, somebody else does, too, and she withdraws: it stays hers.
    let (id, _) = carol.submit(&asked("own"), &place("own"), &wish("mine", false)).await.unwrap();
    ada.submit(&asked("own"), &place("own"), &wish("mine, too", false)).await.unwrap();
    carol.apply_event(id, &Event::Withdraw).await.unwrap();
    one.claim(MINUTE, 9).await.unwrap().unwrap();
    let judged = |decision: Decision| {
        Event::Judged(dossier(Verdict::NeedsApproval, "signature", "alpine"), PolicyOutcome::Decided(decision))
    };
    for (forged, why) in [
        (by_class(of_carol), "who approved the class asked"),
        (Decision { by: "carol".into(), ..by_class(of_dora) }, "there is no such decision"),
        (Decision { by: Decision::class_author("ada", of_dora), ..by_class(of_dora) }, "there is no such decision"),
        (Decision { reason: "other words".into(), ..by_class(of_dora) }, "there is no such decision"),
        (Decision { by: Decision::class_author("dora", 99), ..by_class(of_dora) }, "there is no such decision"),
        (Decision { digest: digest_of("a"), ..by_class(of_dora) }, "another digest"),
    ] {
        let refused = one.apply_event(id, &judged(forged)).await.unwrap_err();
        assert!(refused.why.contains(why), "{refused}");
    }
    one.apply_event(id, &Event::Judged(dossier(Verdict::NeedsApproval, "signature", "alpine"), PolicyOutcome::Wait))
        .await
        .unwrap();
    let own = carol.apply_event(id, &Event::Decide(decision("own", true, "fine"))).await.unwrap_err();
    assert!(own.why.contains("your own"), "{own}");
    // Her new class does not return it to the stewards; dora's does, and admits it.
    class(&carol).await;
    assert!(one.claim(MINUTE, 9).await.unwrap().is_none());
    class(&dora).await;
    one.claim(MINUTE, 9).await.unwrap().unwrap();
    let admitting = one.apply_event(id, &judged(by_class(of_dora))).await.unwrap();
    assert_eq!((admitting.stage, admitting.decision.unwrap().person()), (Stage::Admitting, "dora"));
}

#[tokio::test]
async fn there_is_an_end_to_what_one_person_may_ask_say_and_use() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let ada = database.store("ada", "w");
    let set = "INSERT INTO wharf.setting VALUES ('open_requests', '3'), ('requests_per_day', '5'), ('uses_per_day', '8'), ('uses', '3'),
        ('remarks_per_request', '2'), ('remarks_per_day', '3')";
    goes(&database, "postgres", set);
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(ada.submit(&asked(name), &place(name), &wish("r", false)).await.unwrap().0);
    }
    let refused = ada.submit(&asked("d"), &place("d"), &wish("r", false)).await.unwrap_err();
    assert_eq!((refused.kind, refused.why.contains("withdraw one")), (Kind::Denied, true), "{refused}");
    // The same request in the same words is nothing new, and others are not delayed.
    assert!(!ada.submit(&asked("a"), &place("a"), &wish("r", false)).await.unwrap().1);
    database.store("bob", "w").submit(&asked("d"), &place("d"), &wish("r", false)).await.unwrap();
    for _ in 0..2 {
        ada.apply_event(ids[0], &Event::Withdraw).await.unwrap();
        ids[0] = ada.submit(&asked("a"), &place("a"), &wish("r", false)).await.unwrap().0;
    }
    ada.apply_event(ids[0], &Event::Withdraw).await.unwrap();
    let refused = ada.submit(&asked("e"), &place("e"), &wish("r", false)).await.unwrap_err();
    assert!(refused.why.contains("tomorrow"), "{refused}");
    let note = Event::Remark(RemarkKind::Note, "n".into());
    for _ in 0..2 {
        ada.apply_event(ids[1], &note).await.unwrap();
    }
    assert!(ada.apply_event(ids[1], &note).await.unwrap_err().why.contains("remarks on it"));
    ada.apply_event(ids[2], &note).await.unwrap();
    assert!(ada.apply_event(ids[2], &note).await.unwrap_err().why.contains("tomorrow"));
    let used = |number: i64, ago: i64| Use {
        person: String::new(),
        how: UseKind::Launched,
        reference: format!("oci://lab.example/a@{}", digest_of(&number.to_string())),
        digest: digest_of(&number.to_string()),
        place: format!("local/{number}"),
        at: text::now() - ago,
    };
    // The oldest are forgotten; a flood ends within a day.
    for number in 0..6 {
        ada.record_use(&used(number, 3 * 86_400 - number)).await.unwrap();
    }
    assert_eq!(goes(&database, "ada", "SELECT count(*) <= 3 FROM wharf.used"), "t");
    goes(&database, "postgres", "UPDATE wharf.setting SET value = '1000' WHERE key = 'uses'");
    let before: usize = goes(&database, "ada", "SELECT count(*) FROM wharf.used").parse().unwrap();
    let mut told = Vec::new();
    for number in 10..20 {
        // The time of recording counts, whatever time is claimed.
        told.push(ada.record_use(&used(number, number % 2 * 3 * 86_400)).await.map_err(|error| error.kind));
    }
    assert_eq!(told.iter().filter(|one| one.is_ok()).count(), 8 - before);
    assert_eq!(told.last(), Some(&Err(Kind::Denied)));
}

#[tokio::test]
async fn a_steward_does_no_more_than_its_work() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database::new(&host).await;
    let (ada, carol, one) =
        (database.store("ada", "w"), database.store("carol", "w"), database.store("steward", "one"));
    let other = lab::fresh("steward").replace('-', "_");
    goes(&database, "postgres", &format!("CREATE ROLE {other} LOGIN IN ROLE wharf_steward"));
    let id = waiting(&ada, &one, "a", false).await;
    carol.apply_event(id, &Event::Decide(decision("a", true, "fine"))).await.unwrap();
    assert_eq!(one.claim(MINUTE, 9).await.unwrap().unwrap().stage, Stage::Admitting);
    let digest = digest_of("a");
    let there = json!({"reference": format!("oci://lab.example/admitted/a:1@{digest}"), "digest": digest, "signers": ["s"], "at": 1});
    // Under the name of another's worker.
    for sql in [
        format!("SELECT wharf.renew({id}, 'one', 60)"),
        format!("SELECT wharf.failed({id}, 'one', 'x', NULL)"),
        format!("SELECT wharf.admitted({id}, 'one', '{there}')"),
    ] {
        assert!(refused(&database, &other, &sql).contains("another steward"), "{sql}");
    }
    // Only what was approved, where it was approved; and no decision is overwritten.
    let elsewhere = there.to_string().replace("admitted/a", "admitted/b");
    let another = there.to_string().replace(&digest, &digest_of("b"));
    for sql in [
        format!("SELECT wharf.admitted({id}, 'one', '{elsewhere}')"),
        format!("SELECT wharf.admitted({id}, 'one', '{another}')"),
        format!(
            "SELECT wharf.judged({id}, 'one', '{}', NULL)",
            serde_json::to_string(&dossier(Verdict::Allow, "scan", "")).unwrap()
        ),
        format!("SELECT wharf.decide({id}, '{}')", serde_json::to_string(&decision("a", false, "x")).unwrap()),
        format!("SELECT wharf.renew({id}, 'one', 100000000)"),
        "SELECT wharf.claim('one', 100000000, 9)".to_owned(),
        "UPDATE wharf.request SET decision = NULL".to_owned(),
        "INSERT INTO wharf.class (base, rule, until, decision) VALUES ('', 'scan', 9999999999, '{}')".to_owned(),
    ] {
        refused(&database, "steward", &sql);
    }
    goes(&database, "steward", &format!("SELECT wharf.admitted({id}, 'one', '{there}')"));
    assert!(one.request(id).await.unwrap().admitted.unwrap().at > 1, "by the database's clock");
    // It notifies people about images that they use, and about no others.
    let used = |name: &str| Use {
        person: String::new(),
        how: UseKind::Launched,
        reference: format!("oci://lab.example/x/{name}@{}", digest_of(name)),
        digest: digest_of(name),
        place: String::new(),
        at: text::now(),
    };
    ada.record_use(&used("used")).await.unwrap();
    let told = |to: &str, name: &str, key: &str| {
        let warning = json!({"reference": "r", "digest": digest_of(name), "findings": [["CVE-1", "zlib", "2"]], "fixed": null, "workloads": [], "because": []});
        json!([{"id": 0, "at": 1, "to": to, "topic": "vulnerability", "key": key, "title": "t", "words": "w", "request": null, "warning": warning, "seen": false}])
    };
    let watch = |name: &str, notices: &serde_json::Value| {
        format!("SELECT wharf.watch('{}', 'r', '{{}}', '{notices}')", digest_of(name))
    };
    for (sql, why) in [
        (watch("used", &told("ada", "a", "vulnerability 1")), "this image alone"),
        (watch("used", &told("ada", "used", "request 1 rejected 9")), "this image alone"),
        (watch("nobody's", &json!([])), "it is neither used"),
        (watch("used", &json!([{"to": "ada"}])), "missing"),
    ] {
        let said = refused(&database, "steward", &sql);
        assert!(said.contains(why), "{sql}: {said}");
    }
    goes(&database, "steward", &watch("used", &told("ada", "used", "vulnerability 1")));
    assert_eq!(ada.notices(0, 1).await.unwrap()[0].words, "w");
    // People who do not use it are not notified; a supplier without a login gets a letter.
    for who in ["bob", "carol", "@approvers", "vera-of-the-vendor"] {
        goes(&database, "steward", &watch("used", &told(who, "used", "vulnerability 2")));
    }
    let told_of_it = "SELECT string_agg(receiver, ' ') FROM wharf.notice WHERE key = 'vulnerability 2'";
    assert_eq!(goes(&database, "postgres", told_of_it), "vera-of-the-vendor");
    goes(&database, "postgres", &format!("DROP ROLE {other}"));
    // A steward whose clock is an hour off works as well: no absolute time comes from it.
    let watched =
        Watched { digest: digest_of("used"), reference: "r".into(), checked: text::now() + 3600, ..Watched::default() };
    one.watch(&watched, &[]).await.unwrap();
    let kept = one.due_for_judging(&Watch::default(), 10).await.unwrap();
    assert!(kept.iter().all(|one| one.checked <= text::now() + 60), "{kept:?}");
}

/// A database of the first layout, as its own functions wrote it.
const BEFORE: &str = r#"
SET SESSION AUTHORIZATION ada; SELECT wharf.submit('{"from": "oci://r/a@sha256:a", "title": "a", "tag": null, "digest": "sha256:a", "platforms": [], "size": 1}', 'oci://r/admitted/a', 'the merger', NULL, true);
SELECT wharf.submit('{"from": "oci://r/b@sha256:b", "title": "b", "tag": null, "digest": "sha256:b", "platforms": [], "size": 1}', 'oci://r/admitted/b', 'open', 5000000000, false);
SELECT wharf.use('launched', 'sha256:b', 'oci://r/b@sha256:b', 'local/b', 7); SELECT wharf.introduce('ada@lab.example'); SELECT wharf.remark(1, 'note', 'ACME');
SET SESSION AUTHORIZATION bob; SELECT wharf.submit('{"from": "oci://r/a@sha256:a", "title": "a", "tag": null, "digest": "sha256:a", "platforms": [], "size": 1}', 'oci://r/admitted/a', 'course', NULL, false);
SET SESSION AUTHORIZATION steward; SELECT wharf.claim('old', 60);
SELECT wharf.judged(1, 'old', '{"verdict": "needs-approval", "policy": "p", "grounds": [{"verdict": "needs-approval", "rule": "signature", "words": "w", "step": "s"}], "evidence": [], "base": "", "diff": "", "fixes": [], "quarantine": "q", "scan": null, "tag": null, "at": 1}', NULL);
SET SESSION AUTHORIZATION carol; SELECT wharf.remark(1, 'question', 'why ACME?');
SELECT wharf.approve_class('', 'scan', '{"by": "x", "at": 1, "approve": true, "reason": "r", "terms": {"until": 5000000000, "only": false, "exceptions": []}, "digest": ""}');
RESET SESSION AUTHORIZATION; INSERT INTO wharf.watched VALUES ('sha256:b', 'oci://r/b@sha256:b', 5, '{"judged": true}');
INSERT INTO wharf.setting VALUES ('layout', '1'); GRANT ALL ON ALL TABLES IN SCHEMA wharf TO wharf_user
"#;

#[tokio::test]
async fn a_database_of_the_first_layout_is_brought_up_to_date_and_loses_nothing() {
    let host = need!("WHARF_LAB_POSTGRES");
    let database = Database { host, name: lab::fresh("wharf").replace('-', "_") };
    assert!(database.psql("postgres", "postgres", &format!("CREATE DATABASE {}", database.name)).0);
    goes(&database, "postgres", include_str!("layout_1.sql"));
    goes(&database, "postgres", BEFORE);
    let count = "SELECT string_agg(n::text, ' ') FROM (SELECT count(*) AS n FROM wharf.request UNION ALL SELECT count(*) FROM wharf.wish
        UNION ALL SELECT count(*) FROM wharf.remark UNION ALL SELECT count(*) FROM wharf.history UNION ALL SELECT count(*) FROM wharf.class
        UNION ALL SELECT count(*) FROM wharf.used UNION ALL SELECT count(*) FROM wharf.watched UNION ALL SELECT count(*) FROM wharf.notice
        UNION ALL SELECT count(*) FROM wharf.contact) AS every";
    let before = goes(&database, "postgres", count);
    let (ada, bob) = (database.store("ada", "w"), database.store("bob", "w"));
    let old = ada.caller().await.unwrap_err();
    assert!(old.why.contains("older Wharf") && old.hint.contains("--set-up"), "{old}");
    assert_eq!(ada.standing().await.unwrap().layout, Some(1));
    let owner = database.store("postgres", "owner");
    let done = owner.set_up().await.unwrap();
    assert!(done.contains("brought up to date from layout 1"), "{done}");
    assert!(owner.set_up().await.unwrap().contains("was up to date"));
    assert_eq!(goes(&database, "postgres", count), before);
    let mine = ada.requests(RequestFilter::Mine, 0, 10).await.unwrap();
    assert_eq!(
        mine.iter().map(|one| (one.id, one.stage)).collect::<Vec<_>>(),
        [(2, Stage::Submitted), (1, Stage::Asked)]
    );
    assert_eq!(mine[1].remarks.len(), 2);
    // What was private is private now, and rights that were granted by hand are revoked.
    assert_eq!(bob.request(1).await.unwrap().remarks.len(), 0);
    let details: Vec<String> = bob.history(1).await.unwrap().into_iter().map(|change| change.detail).collect();
    assert!(
        details.contains(&"course".to_owned())
            && !details.iter().any(|one| one.contains("ACME") || one.contains("merger")),
        "{details:?}"
    );
    refused(&database, "ada", "DELETE FROM wharf.wish");
    // Everybody goes on.
    ada.apply_event(1, &Event::Remark(RemarkKind::Answer, "never mind".into())).await.unwrap();
    let (carol, one) = (database.store("carol", "w"), database.store("steward", "new"));
    assert_eq!(carol.requests(RequestFilter::Queue, 0, 10).await.unwrap().len(), 1);
    assert_eq!(one.classes().await.unwrap().len(), 1);
    assert_eq!(one.claim(MINUTE, 9).await.unwrap().map(|one| one.id), Some(2));
    assert!(one.due_for_judging(&Watch::default(), 10).await.unwrap()[0].judged);
}

/// A statement that a member of the group of users may send; the text is theirs.
fn call() -> impl Strategy<Value = (&'static str, String)> {
    let hostile = prop_oneof![
        Just("a".to_owned()),
        Just(String::new()),
        Just("x".repeat(5000)),
        Just("'; DROP TABLE wharf.request; --".to_owned()),
        Just("\u{1b}[31m\nadmitted".to_owned()),
        Just("\"},\"digest\":\"sha256:evil\"".to_owned()),
        "\\PC{0,20}",
    ];
    let name = prop_oneof![Just("a"), Just("b"), Just("secret")];
    let json = prop_oneof![
        Just("{}".to_owned()),
        Just("null".to_owned()),
        Just("[]".to_owned()),
        name.clone().prop_map(|name| serde_json::to_string(&asked(name)).unwrap()),
        name.clone().prop_map(|name| serde_json::to_string(&decision(name, true, "x")).unwrap()),
        hostile
            .clone()
            .prop_map(|text| json!({"digest": text, "from": text, "approve": true, "verdict": "allow", "by": text})
                .to_string()),
    ];
    let who = prop_oneof![Just("ada"), Just("bob")];
    let sql =
        (hostile, json, name, 0..6_i64, any::<bool>(), 0..19_usize).prop_map(|(text, json, name, id, yes, which)| {
            let (text, json) = (format!("$t${text}$t$"), format!("$j${json}$j$"));
            let (to, digest) = (place(name), digest_of(name));
            match which {
                0 | 1 => format!(
                    "SELECT wharf.submit($j${}$j$, '{to}', {text}, NULL, {yes})",
                    serde_json::to_string(&asked(name)).unwrap()
                ),
                2 => format!("SELECT wharf.submit({json}, {text}, {text}, {id}, {yes})"),
                3 => format!("SELECT wharf.withdraw({id})"),
                4 => format!("SELECT wharf.remark({id}, 'note', {text})"),
                5 => format!("SELECT wharf.remark({id}, {text}, {text})"),
                6 => format!("SELECT wharf.use('launched', '{digest}', 'oci://h/a@{digest}', {text}, {id})"),
                7 => format!("SELECT wharf.use({text}, {text}, {text}, {text}, {id})"),
                8 => format!("SELECT wharf.decide({id}, {json})"),
                9 => format!("SELECT wharf.judged({id}, 'one', {json}, {json})"),
                10 => format!("SELECT wharf.admitted({id}, 'one', {json})"),
                11 => format!("SELECT wharf.failed({id}, 'one', {text}, {id})"),
                12 => format!("SELECT wharf.approve_class({text}, 'signature', {json})"),
                13 => format!("SELECT wharf.watch('{digest}', {text}, {json}, {json})"),
                14 => format!("SELECT wharf.see(ARRAY[{id}]::bigint[])"),
                15 => format!("SELECT wharf.introduce({text})"),
                16 => format!("SELECT wharf.ahead({id})"),
                17 => "SELECT wharf.claim('one', 60)".to_owned(),
                _ => format!("UPDATE wharf.request SET stage = 'admitted', admitted = {json} WHERE id = {id}"),
            }
        });
    (who, sql)
}

#[test]
fn whatever_users_send_nothing_is_admitted_nothing_private_is_read_and_nobodys_list_breaks() {
    let host = need!("WHARF_LAB_POSTGRES");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(Database::new(&host));
    let people = ["ada", "bob", "carol", "steward"].map(|name| (name, database.store(name, name)));
    let carols = runtime.block_on(async {
        let (id, _) =
            people[2].1.submit(&asked("secret"), &place("secret"), &wish("carol's own plans", true)).await.unwrap();
        id
    });
    goes(&database, "postgres", "INSERT INTO wharf.setting VALUES ('requests_per_day', '100000')");
    let mut runner =
        TestRunner::new(Config { cases: 12, max_shrink_iters: 30, failure_persistence: None, ..Config::default() });
    let tried = runner.run(&proptest::collection::vec(call(), 10..30), |calls| {
        // One psql for each person: a refused statement does not prevent the next.
        for person in ["ada", "bob"] {
            let all: Vec<&str> = calls.iter().filter(|(who, _)| *who == person).map(|(_, sql)| sql.as_str()).collect();
            database.psql_all(person, &all);
        }
        let bad = "SELECT count(*) FROM wharf.request WHERE stage IN ('admitting', 'admitted', 'rejected', 'waiting') OR decision IS NOT NULL";
        prop_assert_eq!(goes(&database, "postgres", bad), "0");
        for person in ["ada", "bob"] {
            let read = "SELECT (SELECT count(*) FROM wharf.wish WHERE private AND person <> session_user) + (SELECT count(*) FROM wharf.history WHERE detail LIKE '%own plans%')
                + (SELECT count(*) FROM wharf.notice WHERE receiver <> session_user) + (SELECT count(*) FROM wharf.used WHERE person <> session_user)";
            prop_assert_eq!(goes(&database, person, read), "0");
        }
        for (name, store) in &people {
            runtime.block_on(async {
                for which in [RequestFilter::All, RequestFilter::Mine, RequestFilter::Queue] {
                    let all = store.requests(which, 0, 100).await.map_err(|error| TestCaseError::fail(format!("{name}: {error}")))?;
                    prop_assert!(all.iter().all(|one| !one.failure.contains("cannot be read")), "{}: {:?}", name, all);
                }
                store.notices(0, 100).await.map_err(|error| TestCaseError::fail(format!("{name}: {error}")))?;
                Ok(())
            })?;
        }
        Ok(())
    });
    tried.unwrap();
    assert_eq!(runtime.block_on(people[2].1.request(carols)).unwrap().stage, Stage::Submitted);
}
