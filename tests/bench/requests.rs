//! Measures requests: the queue's first screen with 10,000 that wait, and the way from request to admission with many
//! people and several stewards at once. usage: requests STORE UPSTREAM-IMAGES... (a PostgreSQL address with WHO in it, or a folder)
#![expect(
    clippy::unwrap_used,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a benchmark that fails should say so"
)]

use std::{sync::Arc, time::Instant};

use wharf::{
    adapters::store::shared::{postgres::Postgres, sqlite::SqliteStore},
    core::{
        base::{badge::Verdict, error::Result, text},
        ports::store::Store,
        request::{
            Caller, Dossier, Event, RequestFilter, RequestedImage, RequestedUse, StoredReason, event::PolicyOutcome,
        },
    },
};

fn store(place: &str, person: &str, worker: &str) -> Arc<dyn Store> {
    if place.starts_with("postgres") {
        return Arc::new(Postgres::new(&place.replace("WHO", person), worker.into()).unwrap());
    }
    let me = Caller { person: person.into(), approver: person == "carol", steward: true, own: false };
    Arc::new(SqliteStore::new(format!("{place}/requests.db").into(), me, worker.into()))
}

fn asked(number: usize) -> RequestedImage {
    let digest = format!("sha256:{number:064x}");
    RequestedImage {
        from: format!("oci://r.example/a/{number}@{digest}"),
        title: format!("a/{number}"),
        digest,
        ..RequestedImage::default()
    }
}

fn dossier(number: usize) -> Box<Dossier> {
    let rule = ["signature", "scan", "platforms"][number % 3];
    let ground = StoredReason {
        verdict: Verdict::NeedsApproval,
        rule: rule.into(),
        words: format!("{rule}: not as it should be"),
        step: "ask".into(),
        findings: Vec::new(),
    };
    Box::new(Dossier {
        verdict: Verdict::NeedsApproval,
        policy: "bench".into(),
        grounds: vec![ground],
        evidence: vec!["signature: ○ unsigned · cosign".into(), "scan: ✓ clean 140 packages · trivy".into()],
        base: format!("base-{}", number % 40),
        diff: "+ openssl 3.0.9\n- openssl 3.0.8\n".repeat(20),
        fixes: Vec::new(),
        quarantine: "oci://r.example/quarantine/a".into(),
        scan: None,
        tag: None,
        at: text::now(),
    })
}

#[tokio::main]
async fn main() -> Result<()> {
    let place = std::env::args().nth(1).unwrap_or_default();
    let count: usize = std::env::args().nth(2).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    if place.starts_with("postgres") {
        store(&place, "postgres", "owner").set_up().await?;
        // More than one person may have.
        let more = "INSERT INTO wharf.setting VALUES ('open_requests', '1000000'), ('requests_per_day', '1000000') ON CONFLICT DO NOTHING";
        let done =
            std::process::Command::new("psql").args([&place.replace("WHO", "postgres"), "-c", more]).status().unwrap();
        assert!(done.success());
    }
    let (ada, carol, steward) = (store(&place, "ada", "a"), store(&place, "carol", "c"), store(&place, "steward", "s"));
    let began = Instant::now();
    let wish = RequestedUse {
        person: String::new(),
        reason: "for the paper".into(),
        until: None,
        since: 0,
        private: false,
        withdrawn: false,
    };
    for number in 0..count {
        let (id, _) = ada.submit(&asked(number), &format!("oci://r.example/admitted/{number}"), &wish).await?;
        steward.claim(std::time::Duration::from_secs(60), 9).await?;
        steward.apply_event(id, &Event::Judged(dossier(number), PolicyOutcome::Wait)).await?;
    }
    let each = began.elapsed().as_secs_f64() * 1000.0 / count as f64;
    println!("{count} requests asked for, taken and judged: {each:.2} ms each");
    for _ in 0..5 {
        // Whoever opens the queue anew: a connection, the first screenful, its groups, who they are.
        let fresh = store(&place, "carol", "fresh");
        let began = Instant::now();
        let first = fresh.requests(RequestFilter::Queue, 0, 200).await?;
        let shown = began.elapsed();
        let (groups, _) = (fresh.groups().await?, fresh.caller().await?);
        let all = began.elapsed();
        println!(
            "queue of {count}: first {} in {:.1} ms with the connection, and {} groups after {:.1} ms",
            first.len(),
            shown.as_secs_f64() * 1000.0,
            groups.len(),
            all.as_secs_f64() * 1000.0
        );
    }
    let began = Instant::now();
    let last = carol.requests(RequestFilter::Queue, count as i64 - 200, 200).await?;
    println!(
        "the last {} of it: {:.1} ms; unread of carol: {}",
        last.len(),
        began.elapsed().as_secs_f64() * 1000.0,
        carol.unread().await?
    );
    let began = Instant::now();
    let mine = ada.requests(RequestFilter::Mine, 0, 200).await?;
    println!("the first {} of one's own {count}: {:.1} ms", mine.len(), began.elapsed().as_secs_f64() * 1000.0);
    Ok(())
}
