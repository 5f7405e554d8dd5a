//! Images of a kind of place that only its adapter knows, from the example of a source.

use std::sync::Arc;

use wharf::{
    adapters::{
        files, oci,
        parts::{Parts, Surroundings},
        shared::http,
    },
    core::{
        base::{badge::Verdict, context::Context, error::Kind},
        config::{Config, ConfigEntry, Requests},
        image::{link::Link, reference::ImageRef},
        launch::form::Answers,
        portal::{Portal, PortalParts, requests::RequestDetails},
        ports::store::Store,
        request::Stage,
        steward::{Steward, StewardKeys},
        transfer::copy::Options,
    },
};

use crate::{
    fake,
    lab::{self, Home},
    launchers::naming,
    register_backends, register_sources, stores,
};

/// A portal of the parts below.
fn portal(home: &Home, requests: Requests, store: Arc<dyn Store>) -> Portal {
    Portal::new(parts(home, requests, store))
}

/// The example's source, the example's backend and files, over this store.
fn parts(home: &Home, requests: Requests, store: Arc<dyn Store>) -> PortalParts {
    let around = Surroundings {
        prepared: Default::default(),
        vault: lab::vault(home),
        reach: http::AllowedServers::default(),
        make_registry: oci::source,
        open_registry: oci::open,
        cache_dir: home.path("cache"),
        state_dir: home.path("state"),
    };
    let mut parts = Parts::default();
    let config = Config { requests, person: "ada".into(), ..home.config() };
    register_sources(&config, &around, &mut parts).unwrap();
    register_backends(&config, &around, &mut parts).unwrap();
    files::register(&config, &around, &mut parts).unwrap();
    let opener = parts.opener();
    PortalParts {
        config,
        sources: parts.sources,
        launchers: parts.launchers,
        open: Box::new(move |reference| opener(reference, &around)),
        store,
        ..fake::parts(&[])
    }
}

/// The reference of the first row that the example lists.
async fn first(portal: &Portal) -> ImageRef {
    let source = portal.sources.facts().remove(0).name;
    let (out, _) = tokio::sync::mpsc::channel(1);
    let rows = portal.catalog.list(&Context::default(), &source, None, out).await.unwrap().rows;
    assert_eq!(rows.len(), 2);
    portal.sources.row(&source, rows.get(0).unwrap().name, None).unwrap()
}

#[tokio::test]
async fn an_image_of_another_scheme_is_shown_judged_launched_linked_and_copied_like_any() {
    let home = Home::new();
    let store = stores::in_memory("ada");
    let portal = portal(&home, Requests::default(), store.clone());
    let cx = Context::default();
    let reference = first(&portal).await;
    assert_eq!(portal.sources.resolve(&reference.to_string()).await.unwrap(), reference);
    let image = portal.sources.image(&cx, &reference, None).await.unwrap();
    let pinned = image.pinned.clone().unwrap();
    assert_eq!((pinned.reference.digest(), &pinned.reference.without_version()), (Some(&pinned.digest), &reference));

    let verified = portal.evidence.verify(&cx, &reference, None, false).await.unwrap();
    assert_eq!(verified.subject.digest, pinned.digest);
    assert_ne!(verified.judgement.verdict, Verdict::Deny);

    let backend = portal.launches.backends_for(&image).remove(0).to_owned();
    let plan = portal.launches.plan(&cx, &backend, &image, &Answers::default()).await.unwrap();
    assert_eq!(plan.image, pinned, "what is launched is pinned");
    let workload = portal.launches.launch(&cx, &plan, None).await.unwrap();
    assert_eq!(workload.image, pinned.reference.to_string());
    // Its users are told when it becomes vulnerable, like those of any image that others can look at.
    let users = store.users(pinned.digest.as_str()).await.unwrap();
    assert_eq!(users.iter().map(|used| used.reference.as_str()).collect::<Vec<_>>(), [workload.image.as_str()]);

    let link: Link = portal.catalog.link(&cx, &image, None, None).await.unwrap().to_string().parse().unwrap();
    assert_eq!((&link.reference, link.digest()), (&pinned.reference, Some(&pinned.digest)));
    assert_eq!(portal.catalog.open_link(&cx, &link).await.unwrap().image.pinned, Some(pinned.clone()));

    let to: ImageRef = format!("file:{}:1", home.path("copy").display()).parse().unwrap();
    let copied = portal.transfers.copy(&cx, &reference, &to, &Options::default()).await.unwrap();
    assert_eq!(copied.digest, pinned.digest);
    // The example lets nobody write.
    let back = portal.transfers.copy(&cx, &to, &reference, &Options::default()).await.unwrap_err();
    assert_eq!(back.kind, Kind::Unsupported, "{back}");
}

#[tokio::test]
async fn an_image_of_another_scheme_is_requested_under_a_name_of_its_own_and_judged_by_the_steward() {
    let home = Home::new();
    let admitted = "registry.example/admitted";
    let requests = Requests { admitted: admitted.into(), ..Requests::default() };
    let store = stores::in_memory("ada");
    let portal = portal(&home, requests.clone(), store.clone());
    let reference = first(&portal).await;
    let asking = RequestDetails { reason: "for a course".into(), ..RequestDetails::default() };
    let submitted = portal.requests.ask_for(&Context::default(), &reference.to_string(), &asking).await.unwrap();
    let (scheme, rest) = submitted.request.asked.from.split_once("://").unwrap();
    let (place, _) = rest.split_once('@').unwrap();
    assert_eq!(submitted.request.destination, format!("oci://{admitted}/{scheme}__{place}"));
    assert_eq!(Some(submitted.request.asked.title.as_str()), reference.repository());

    // Where the source is not the site's, its steward does not go there.
    let steward = async |of_site: &[ConfigEntry]| {
        let mut parts = parts(&home, requests.clone(), store.clone());
        parts.config.sources = of_site.to_vec();
        let steward = Arc::new(Steward::new(&Portal::new(parts.for_stewards()).stewardship));
        steward.round(&Context::default(), &StewardKeys::default()).await.unwrap();
        store.request(submitted.request.id).await.unwrap()
    };
    let refused = steward(&[]).await;
    assert!(refused.failure.contains("the site has no source for"), "{refused:?}");
    let again = portal.requests.ask_for(&Context::default(), &reference.to_string(), &asking).await.unwrap();
    assert_eq!(again.request.id, submitted.request.id);
    let name = portal.sources.facts().remove(0).name;
    let judged = steward(&[ConfigEntry { name, ..ConfigEntry::default() }]).await;
    assert_eq!(judged.stage, Stage::Waiting, "{judged:?}");
    assert!(judged.dossier.is_some_and(|dossier| dossier.quarantine.starts_with("file:")));
}

#[tokio::test]
async fn a_scheme_that_nobody_registered_is_refused_with_those_that_are_known() {
    let home = Home::new();
    let portal = portal(&home, Requests::default(), stores::in_memory("ada"));
    let cx = Context::default();
    let known = first(&portal).await.scheme().to_owned();
    let unknown: ImageRef = "nosuch://place/image".parse().unwrap();
    let starter: ImageRef = lab::starter().parse().unwrap();
    let link = format!("wharf:{unknown}@sha256:{}", "0".repeat(64)).parse().unwrap();
    let refused = [
        portal.sources.resolve(&unknown.to_string()).await.map(|_| ()).unwrap_err(),
        portal.sources.reference(&unknown.to_string()).map(|_| ()).unwrap_err(),
        portal.sources.image(&cx, &unknown, None).await.map(|_| ()).unwrap_err(),
        portal.evidence.verify(&cx, &unknown, None, false).await.map(|_| ()).unwrap_err(),
        portal.transfers.copy(&cx, &starter, &unknown, &Options::default()).await.map(|_| ()).unwrap_err(),
        portal.catalog.open_link(&cx, &link).await.map(|_| ()).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind, Kind::Usage, "{error}");
        assert!(error.why.contains("'nosuch://'"), "{error}");
        assert!(error.hint.contains("oci") && error.hint.contains(&known), "{error}");
    }
    // Another place of a scheme that is known is the adapter's to refuse.
    let elsewhere: ImageRef = format!("{known}://elsewhere/image").parse().unwrap();
    assert_eq!(portal.sources.image(&cx, &elsewhere, None).await.unwrap_err().kind, Kind::NotFound);
}

#[test]
fn verbs_refuse_an_unknown_scheme_as_usage() {
    let home = Home::new();
    let starter = lab::starter();
    for arguments in [
        &["show", "nosuch://place/image"] as &[&str],
        &["verify", "nosuch://place/image"],
        &["launch", "nosuch://place/image"],
        &["copy", &starter, "nosuch://place/image"],
        &["copy", "nosuch://place/image", "file:x:1"],
        &["tag", "nosuch://place/image", "2"],
        &["remove-image", "nosuch://place/image"],
    ] {
        let ran = home.run(arguments);
        let told = lab::complained(&ran);
        assert_eq!(ran.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains("'nosuch://' is not a kind of image here") && told.contains("oci"), "{told}");
    }
}

/// What CONTRIBUTING promises: a source is a folder and a word. Only its own file and the one that registers it name its
/// scheme.
#[test]
fn the_example_source_is_named_where_it_is_registered_only() {
    let (own, naming) = naming("tests/examples/source.rs", "const SCHEME");
    assert_eq!(naming, ["tests/stories/main.rs"], "{own}");
}
