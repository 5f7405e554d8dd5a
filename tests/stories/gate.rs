//! The policy's gate of a launch: what it reads of the registry.

use wharf::core::{
    base::context::Context,
    image::reference::ImageRef,
    launch::{isolation::Isolation, plan::Plan},
};

use crate::{
    lab::{self, Home},
    scripted::Scripted,
};

/// A plan of an image, as a backend makes it.
fn plan(image: &wharf::core::image::model::Image) -> Plan {
    Plan {
        backend: "local".into(),
        image: image.pinned.clone().unwrap(),
        answers: wharf::core::launch::form::Answers::default(),
        steps: Vec::new(),
        risks: Vec::new(),
        privileged: false,
        isolation: Isolation::SharedKernel,
        idempotency_key: "key".into(),
    }
}

/// Of these requests, the reads of manifests and configurations; looks for signatures are none.
fn described(lines: Vec<String>) -> Vec<String> {
    let is_read = |line: &String| {
        line.starts_with("GET ")
            && !line.contains("/referrers/")
            && !line.ends_with(".sig")
            && !line.contains("sha256-")
    };
    lines.into_iter().filter(is_read).collect()
}

#[tokio::test]
async fn a_launch_that_follows_its_plan_reads_the_image_once_and_its_signatures_again() {
    let registry = Scripted::new();
    registry.image("physics/gromacs", Some("1"), "first");
    let home = Home::new();
    let portal = lab::portal(&home, vec![lab::registry("lab", &registry.address)]);
    let cx = Context::default();
    let at: ImageRef = format!("oci://{}/physics/gromacs:1", registry.address).parse().unwrap();
    let image = portal.sources.image(&cx, &at, None).await.unwrap();
    assert!(!described(registry.lines()).is_empty());
    let plan = plan(&image);
    portal.evidence.gate(&cx, &plan, None).await.unwrap();
    let asked = registry.lines();
    assert!(asked.iter().any(|line| line.contains(".sig")), "signatures are looked for at each launch: {asked:?}");
    assert_eq!(described(asked), [""; 0]);
    // The same digest at another place is another image.
    registry.image("copies/gromacs", Some("1"), "first");
    let copy: ImageRef = format!("oci://{}/copies/gromacs:1", registry.address).parse().unwrap();
    let mut elsewhere = plan.clone();
    elsewhere.image.reference = copy.with_digest(&plan.image.digest);
    portal.evidence.gate(&cx, &elsewhere, None).await.unwrap();
    assert!(described(registry.lines()).iter().any(|line| line.contains("copies/gromacs")));
}
