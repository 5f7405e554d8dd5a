//! The contract that every source must keep: copy an image in, read it back, nothing changed.

use wharf::core::{
    base::{context::Context, error::Kind, secret::Secret},
    image::reference::ImageRef,
    portal::{
        Portal,
        sharing::{CopyResult, ShareResult},
    },
    sharing::receiver::{Receiver, Terms},
    transfer::copy::Options,
};

use crate::lab::{self, Home, need};

fn reference(text: &str) -> ImageRef {
    text.parse().unwrap()
}

/// Shares an image by copying it into a project.
async fn share(portal: &Portal, from: &ImageRef, project: &str) -> CopyResult {
    let to = Receiver::Project(project.to_owned());
    match portal.sharing.share_to(&Context::default(), from, &to, &Terms::default(), &Options::default()).await.unwrap()
    {
        ShareResult::Shared(copied) => copied,
        other => panic!("{other:?}"),
    }
}

/// Copies `from` to `to`, and back into a layout; the digest that arrives is the one that left.
async fn story(portal: &Portal, home: &Home, from: &str, to: &str, keeps_digest: bool) {
    let cx = Context::default();
    let outcome = portal.transfers.copy(&cx, &reference(from), &reference(to), &Options::default()).await.unwrap();
    let again = portal.transfers.copy(&cx, &reference(from), &reference(to), &Options::default()).await.unwrap();
    if keeps_digest {
        assert_eq!((again.moved, &again.digest), (0, &outcome.digest), "a second copy moves nothing");
        assert_eq!(
            portal.sources.image(&cx, &reference(to), None).await.unwrap().pinned.unwrap().digest,
            outcome.digest
        );
    }
    let back = format!("file:{}:back", home.path("back").display());
    portal.transfers.copy(&cx, &reference(to), &reference(&back), &Options::default()).await.unwrap();
    let (left, came) = (
        portal.sources.image(&cx, &reference(from), None).await.unwrap(),
        portal.sources.image(&cx, &reference(&back), None).await.unwrap(),
    );
    assert_eq!(came.config, left.config, "the configuration survives");
    assert_eq!(came.layers.len(), left.layers.len());
    if keeps_digest {
        assert_eq!(came.pinned.unwrap().digest, left.pinned.unwrap().digest);
    }
}

#[tokio::test]
async fn an_open_registry_keeps_what_it_is_given() {
    let host = need!("WHARF_LAB_OPEN");
    let home = Home::new();
    let portal = lab::portal(&home, vec![lab::registry("open", &host)]);
    story(&portal, &home, &lab::starter(), &format!("{host}/story/look:1"), true).await;
    let moved = share(&portal, &reference(&format!("{host}/story/look:1")), "elsewhere").await;
    assert_eq!(moved.outcome.moved, 0, "inside one registry no bytes move");
}

#[tokio::test]
async fn registries_with_passwords_and_tokens_keep_what_they_are_given() {
    for (name, host) in [("auth", need!("WHARF_LAB_AUTH")), ("token", need!("WHARF_LAB_TOKEN"))] {
        let home = Home::new();
        let portal = lab::portal(&home, vec![lab::registry(name, &host)]);
        let to = format!("{host}/story/look:1");
        let refused = portal
            .transfers
            .copy(&Context::default(), &reference(&lab::starter()), &reference(&to), &Options::default())
            .await
            .unwrap_err();
        assert_eq!(refused.kind, Kind::NotAllowed, "{refused}");
        lab::vault(&home).set(&host, "lab", &Secret::new("labpass")).unwrap();
        // A new portal: the old one remembers that there are no credentials.
        let portal = lab::portal(&home, vec![lab::registry(name, &host)]);
        story(&portal, &home, &lab::starter(), &to, true).await;
        share(&portal, &reference(&to), "elsewhere").await;
    }
}

#[tokio::test]
async fn a_reader_may_read_and_is_told_that_writing_is_not_allowed() {
    let host = need!("WHARF_LAB_TOKEN");
    let home = Home::new();
    let portal = lab::portal(&home, vec![lab::registry("token", &host)]);
    lab::vault(&home).set(&host, "reader", &Secret::new("readpass")).unwrap();
    let to = reference(&format!("{host}/denied/look:1"));
    let refused = portal
        .transfers
        .copy(&Context::default(), &reference(&lab::starter()), &to, &Options::default())
        .await
        .unwrap_err();
    assert_eq!(refused.kind, Kind::NotAllowed, "{refused}");
}

#[tokio::test]
async fn a_share_that_could_not_be_pushed_is_not_planned_and_trying_leaves_nothing() {
    let (open, token) = (need!("WHARF_LAB_OPEN"), need!("WHARF_LAB_TOKEN"));
    let home = Home::new();
    let (cx, from) = (Context::default(), reference(&format!("{open}/physics/gromacs:2024.1")));
    let project = lab::fresh("zz-planned");
    let to = Receiver::Project(format!("{token}/{project}"));
    for (account, secret, may) in [("reader", "readpass", false), ("lab", "labpass", true)] {
        lab::vault(&home).set(&token, account, &Secret::new(secret)).unwrap();
        let portal = lab::portal(&home, vec![lab::registry("open", &open), lab::registry("token", &token)]);
        let planned = portal.sharing.share_plan(&cx, &from, None, &to, &Terms::default()).await;
        match planned {
            Ok(_) => assert!(may, "{account}"),
            Err(error) => assert!(!may && error.kind == Kind::NotAllowed, "{account}: {error}"),
        }
    }
    let destination = reference(&format!("{token}/{project}/gromacs:2024.1"));
    let portal = lab::portal(&home, vec![lab::registry("token", &token)]);
    assert_eq!(portal.sources.image(&cx, &destination, None).await.unwrap_err().kind, Kind::NotFound);
}

#[tokio::test]
async fn layouts_and_archives_keep_what_they_are_given() {
    let home = Home::new();
    let portal = lab::portal(&home, vec![lab::registry("none", "127.0.0.1:1")]);
    std::fs::create_dir(home.path("images")).unwrap();
    let mut config = home.config();
    config.image_folders = vec![home.path("images")];
    drop(portal);
    let portal = wharf::adapters::build(config).unwrap();
    story(&portal, &home, &lab::starter(), &format!("file:{}:v1", home.path("images/layout").display()), true).await;
    std::fs::remove_dir_all(home.path("back")).unwrap();
    let archive = home.path("images/look.tar");
    portal
        .transfers
        .copy(
            &Context::default(),
            &reference(&lab::starter()),
            &reference(&format!("file:{}:v1", archive.display())),
            &Options::default(),
        )
        .await
        .unwrap();
    let image = portal
        .sources
        .image(&Context::default(), &reference(&format!("file:{}:v1", archive.display())), None)
        .await
        .unwrap();
    assert_eq!(image.config.entrypoint[0].raw(), "/look");
    assert_eq!(image.platforms.len(), 2, "the whole index travels");
}

#[tokio::test]
async fn engines_keep_what_they_are_given() {
    for (name, socket) in [
        ("docker", need!("WHARF_LAB_DOCKER")),
        ("podman", need!("WHARF_LAB_PODMAN")),
        ("rootless", need!("WHARF_LAB_ROOTLESS")),
    ] {
        let home = Home::new();
        let mut config = home.config();
        config.sources = vec![lab::engine(name, &socket)];
        std::fs::create_dir(home.path("images")).unwrap();
        config.image_folders = vec![home.path("images")];
        let portal = wharf::adapters::build(config).unwrap();
        story(&portal, &home, &lab::starter(), &format!("engine://{name}/localhost/story/look:1"), false).await;
        let (out, _) = tokio::sync::mpsc::channel(1);
        let rows = portal.catalog.list(&Context::default(), name, None, out).await.unwrap().rows;
        assert!(rows.find("localhost/story/look").is_some(), "{name} lists it");
    }
}

#[tokio::test]
async fn signatures_and_attachments_come_along() {
    let (open, token) = (need!("WHARF_LAB_OPEN"), need!("WHARF_LAB_TOKEN"));
    let home = Home::new();
    let portal = lab::portal(&home, vec![lab::registry("open", &open), lab::registry("token", &token)]);
    lab::vault(&home).set(&token, "lab", &Secret::new("labpass")).unwrap();
    // The seed attached an SBOM to this image, under the fallback tag.
    let from = reference(&format!("{open}/physics/gromacs:2024.1"));
    let shared = share(&portal, &from, &format!("{token}/attached")).await;
    assert_eq!((shared.outcome.attachments, shared.outcome.left.len()), (1, 0));
    let to = reference(&shared.destination);
    let place = lab::place(&portal, &to);
    let attached = place.content.attached(&Context::default(), &to, &shared.outcome.digest).await.unwrap();
    assert_eq!(attached.found.len(), 1, "the copy can be found from the copied image");
    assert_eq!(attached.unseen, [], "and every place was looked at");
}

#[tokio::test]
async fn one_platform_of_an_index_can_be_copied_alone() {
    let open = need!("WHARF_LAB_OPEN");
    let home = Home::new();
    let portal = lab::portal(&home, vec![lab::registry("open", &open)]);
    let options = |platforms: &[&str]| Options {
        platforms: Some(platforms.iter().map(|p| p.parse().unwrap()).collect()),
        ..Options::default()
    };
    let cx = Context::default();
    let from = reference(&format!("{open}/library/alpine:latest"));
    let to = reference(&format!("{open}/one/alpine:arm"));
    portal.transfers.copy(&cx, &from, &to, &options(&["linux/arm64"])).await.unwrap();
    let platforms = portal.sources.image(&cx, &to, Some(&"linux/arm64".parse().unwrap())).await.unwrap().platforms;
    assert_eq!(platforms.len(), 1);
    let missing = portal.transfers.copy(&cx, &from, &to, &options(&["linux/s390x"])).await.unwrap_err();
    assert!(missing.to_string().contains("linux/amd64"), "{missing}");
}

#[tokio::test]
async fn a_registry_with_an_authority_of_its_own_needs_that_authority() {
    let (host, ca) = (need!("WHARF_LAB_TLS"), need!("WHARF_LAB_CA"));
    let home = Home::new();
    let source = |ca: Option<&str>| {
        let mut source = lab::registry("tls", &host);
        source.settings.insert("url".into(), format!("https://{host}").into());
        source.settings.extend(ca.map(|ca| ("ca".to_owned(), ca.into())));
        source
    };
    let cx = Context::default();
    let unknown = lab::portal(&home, vec![source(None)]);
    let error = unknown.doctor.health(&cx).await.remove(0).answer.unwrap_err();
    assert!(error.why.contains("certificate") && error.hint.contains("'ca'"), "{error}");
    let known = lab::portal(&home, vec![source(Some(&ca))]);
    assert!(known.doctor.health(&cx).await.remove(0).answer.unwrap().reachable);
}

#[tokio::test]
async fn a_link_pins_a_digest_and_says_when_its_tag_has_moved() {
    let open = need!("WHARF_LAB_OPEN");
    let home = Home::new();
    let portal = lab::portal(&home, vec![lab::registry("open", &open)]);
    let cx = Context::default();
    let at = reference(&format!("{open}/moving/tool:now"));
    portal
        .transfers
        .copy(&cx, &reference(&format!("{open}/physics/gromacs:2022.5")), &at, &Options::default())
        .await
        .unwrap();
    let image = portal.sources.image(&cx, &at, None).await.unwrap();
    let link: wharf::core::image::link::Link =
        portal.catalog.link(&cx, &image, None, None).await.unwrap().to_string().parse().unwrap();
    assert_eq!(portal.catalog.open_link(&cx, &link).await.unwrap().moved, Some(false));
    portal
        .transfers
        .copy(&cx, &reference(&format!("{open}/physics/gromacs:2023.3")), &at, &Options::default())
        .await
        .unwrap();
    let opened = portal.catalog.open_link(&cx, &link).await.unwrap();
    assert_eq!(opened.moved, Some(true));
    assert_eq!(opened.image.pinned.unwrap().digest, *link.digest().unwrap(), "the link still shows what was sent");
}
