//! Evidence of many images, cold and warm, beside as many plain requests; and verdicts a second.
//! usage: evidence REGISTRY NOTARY SCANNER COUNT FOLDER

use std::{sync::Arc, time::Instant};

use futures_util::{StreamExt, stream};
use wharf::core::{
    base::context::Context,
    config::{Config, ConfigEntry},
    evidence::{
        findings::Counts,
        record::{CheckedBy, Outcome, Record, Subject},
    },
    image::model::Pinned,
    policy::{Facts, Policy},
    portal::Portal,
};

/// Images at a time. Each is checked as its page on the screen checks it.
const AT_ONCE: usize = 6;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [registry, notary, scanner, count, folder] = arguments.as_slice() else {
        return Err("usage: evidence REGISTRY NOTARY SCANNER COUNT FOLDER".into());
    };
    let count: usize = count.parse()?;
    let servers = [("url", registry), ("notary", notary), ("scanner", scanner)];
    let settings = servers.map(|(key, host)| (key.to_owned(), format!("http://{host}").into()));
    let source = ConfigEntry::new("bench", "oci", "bench", settings.into_iter().collect());
    let folder = std::path::PathBuf::from(folder);
    let config = Config {
        sources: vec![source],
        cache_dir: folder.join("cache"),
        state_dir: folder.join("state"),
        ..Config::default()
    };
    let portal = Arc::new(wharf::adapters::build(config)?);
    let names = names(&portal, count).await?;
    for word in ["cold", "warm", "warm"] {
        let began = Instant::now();
        let marked = stream::iter(&names)
            .map(|(name, tag)| {
                let portal = portal.clone();
                async move {
                    let cx = Context::default();
                    let Ok((_, image)) = portal.catalog.look(&cx, "bench", name, tag).await else { return false };
                    portal.evidence.evidence_for_screen(&cx, &image, false).await.is_ok()
                }
            })
            .buffer_unordered(AT_ONCE)
            .filter(|fine| std::future::ready(*fine))
            .count()
            .await;
        println!("{word}: {marked} of {} images in {:.2} s", names.len(), began.elapsed().as_secs_f64());
    }
    plain(registry, &names).await?;
    verdicts();
    Ok(())
}

async fn names(portal: &Portal, count: usize) -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    let (out, _rows) = tokio::sync::mpsc::channel(1);
    let rows = portal.catalog.list(&Context::default(), "bench", None, out).await?.rows;
    let named = (0..rows.len()).filter_map(|at| {
        let row = rows.get(at)?;
        Some((row.name.to_owned(), row.favourite_tag()?.to_owned()))
    });
    Ok(named.take(count).collect())
}

/// A manifest for every image, asked for as often as the checks ask for something.
async fn plain(registry: &str, names: &[(String, String)]) -> Result<(), Box<dyn std::error::Error>> {
    const REQUESTS: usize = 14;
    let client = reqwest::Client::new();
    let began = Instant::now();
    let asked = stream::iter(names)
        .map(|(name, tag)| {
            let (client, url) = (client.clone(), format!("http://{registry}/v2/{name}/manifests/{tag}"));
            async move {
                for _ in 0..REQUESTS {
                    let accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
                    let answer = client.get(&url).header("Accept", accept).send().await?;
                    answer.bytes().await?;
                }
                Ok::<_, reqwest::Error>(())
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter(|fine| std::future::ready(fine.is_ok()))
        .count()
        .await;
    println!("plain: {REQUESTS} requests for each of {asked} images in {:.2} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn verdicts() {
    let digest = wharf::core::base::digest::Digest::of(b"image");
    let reference = "r.example/a:1".parse().unwrap_or_else(|_| unreachable!("it is a reference"));
    let pinned = Pinned { reference, digest: digest.clone(), platform: None, manifest: digest.clone() };
    let now = wharf::core::base::text::now();
    let record = |outcome| Record {
        subject: Subject::for_pinned(&pinned),
        check: "bench".into(),
        tool: "bench".into(),
        inputs: Vec::new(),
        by: CheckedBy::Wharf,
        at: now,
        valid_until: now + 1000,
        outcome,
        reason: String::new(),
        terms: None,
    };
    let signed = Outcome::Signature { state: wharf::core::base::badge::Signature::Verified, signer: "key".into() };
    let scan = Outcome::Scan {
        state: wharf::core::base::badge::Scan::Findings,
        counts: Counts { high: 7, ..Counts::default() },
        packages: 20,
        scanned: Some(now),
        database: None,
        worst: Vec::new(),
    };
    let records = [record(signed), record(scan)];
    let policy = Policy::default();
    let facts = Facts { records: &records, digests: vec![digest], name: "oci://r.example/a", ..Facts::default() };
    let (began, mut judged) = (Instant::now(), 0_u64);
    while began.elapsed().as_secs_f64() < 1.0 {
        for _ in 0..1000 {
            std::hint::black_box(policy.judge(&facts, now));
        }
        judged += 1000;
    }
    println!("verdicts: {:.0} a second", judged as f64 / began.elapsed().as_secs_f64());
}
