//! The overview of an image: the version that may run in its place, and who has the image.

use wharf::{
    core::{
        base::{badge::Verdict, digest::Digest, severity::Counts},
        image::model::{Image, Version},
        launch::plan::Workload,
        portal::evidence::mending::Mend,
    },
    tui::{
        msg::{Effect, ImageEffect, ImageNews, Msg, Navigation},
        state::{Screen, State},
        update::update,
    },
};

use crate::{
    fake,
    keys::{press, state},
    screens::draw,
};

const WIDE: (u16, u16) = (120, 40);
const SMALL: (u16, u16) = (80, 24);
const NOW: i64 = 1_764_000_000;

fn gromacs() -> Image {
    fake::image("lab.example/physics/gromacs:latest".parse().unwrap())
}

/// The page of an image with this verdict, and what was asked for on the way.
fn page(verdict: Verdict) -> (State, Vec<Effect>) {
    let mut state = state();
    press(&mut state, "j enter");
    let mut effects = update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(gromacs())))));
    let mut verified = fake::verified(&gromacs(), NOW);
    verified.judgement.verdict = verdict;
    effects.extend(update(&mut state, Msg::Image(ImageNews::Verified(Box::new(Ok(verified))))));
    (state, effects)
}

/// A version that the policy allows becomes known.
fn allowed(state: &mut State, of: Digest) {
    let digest = Digest::of(b"2023.3");
    let reference = gromacs().reference.with_tag("2023.3").with_digest(&digest);
    let mend = Mend { tag: "2023.3".into(), digest, gone: 2, left: Counts::default(), verdict: Verdict::Allow };
    let news = ImageNews::Mends { digest: of, mends: Vec::new(), allowed: Some(Box::new((mend, reference))) };
    update(state, Msg::Image(news));
}

#[test]
fn from_an_image_that_is_held_back_two_keys_launch_the_version_that_is_allowed() {
    let (mut state, _) = page(Verdict::NeedsApproval);
    let own = gromacs().pinned.unwrap().digest;
    assert!(!draw(&mut state, WIDE).contains("which is allowed"));
    press(&mut state, "L");
    let told = state.notice.as_ref().map(|notice| notice.text.clone()).unwrap_or_default();
    assert!(told.contains("no scanned version of this image is known to be allowed"), "{told}");
    // What is known of another image is not taken.
    allowed(&mut state, Digest::of(b"other"));
    assert!(!draw(&mut state, WIDE).contains("which is allowed"));
    allowed(&mut state, own);
    for size in [WIDE, SMALL] {
        assert!(draw(&mut state, size).contains("→ L launches 2023.3, which is allowed"));
    }
    let effects = press(&mut state, "L");
    let launches = |effect: &Effect| matches!(effect, Effect::Image(ImageEffect::Image { target, .. }) if target.label().contains("2023.3"));
    assert!(effects.iter().any(launches), "{effects:?}");
    assert!(matches!(state.screen(), Screen::Image(page) if page.launch_next));
}

#[test]
fn where_the_image_itself_is_allowed_no_other_version_is_offered() {
    let (mut state, _) = page(Verdict::Allow);
    allowed(&mut state, gromacs().pinned.unwrap().digest);
    assert!(!draw(&mut state, WIDE).contains("which is allowed"));
    let effects = press(&mut state, "L");
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Go(Navigation::Image { .. }))), "{effects:?}");
    assert!(state.notice.as_ref().unwrap().text.contains("launch it as it is"));
}

#[test]
fn who_has_the_image_stands_below_its_scan() {
    let mut state = state();
    let digest = gromacs().pinned.unwrap().digest;
    press(&mut state, "j enter");
    update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(gromacs())))));
    assert!(draw(&mut state, WIDE).contains("Used by      unknown until docker and local"));
    let runs = |name: &str| Workload {
        image: "oci://lab.example/physics/gromacs:latest".into(),
        digest: digest.to_string(),
        ..fake::workload("docker", name)
    };
    fake::listed(&mut state, ["one", "two", "three", "four"].map(runs).to_vec(), Vec::new());
    let drawn = draw(&mut state, WIDE);
    assert!(drawn.contains("── Who has it ─"), "{drawn}");
    assert!(drawn.contains("● one on docker") && drawn.contains("1 more"), "{drawn}");
}

#[test]
fn dates_of_versions_are_read_only_where_that_costs_the_source_little() {
    for cheap in [true, false] {
        let mut state = state();
        state.sources.iter_mut().for_each(|source| source.cheap = cheap);
        press(&mut state, "j enter");
        update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(gromacs())))));
        let tags = (0..20).map(|number| format!("{number}")).collect();
        let effects = update(&mut state, Msg::Image(ImageNews::Tags(Ok(tags))));
        let asked = effects.iter().find_map(|effect| match effect {
            Effect::Image(ImageEffect::Versions(_, tags)) => Some(tags.len()),
            _ => None,
        });
        assert_eq!(asked, cheap.then_some(8), "{effects:?}");
    }
}

#[test]
fn versions_that_are_on_their_way_are_not_asked_for_again() {
    let is_read = |effect: &Effect| matches!(effect, Effect::Image(ImageEffect::Versions(..)));
    let mut state = state();
    press(&mut state, "j enter");
    update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(gromacs())))));
    let tags: Vec<String> = (0..30).map(|number| format!("{number}")).collect();
    update(&mut state, Msg::Image(ImageNews::Tags(Ok(tags))));
    for tag in ["29", "25", "27"] {
        let version = Version { tag: tag.into(), ..Version::from_image(&gromacs()) };
        let effects = update(&mut state, Msg::Image(ImageNews::Version(version, None)));
        assert!(!effects.iter().any(is_read), "{tag}: {effects:?}");
    }
    // Lines of the overview are no versions.
    assert!(!press(&mut state, "j j j j G g").iter().any(is_read));
}

#[test]
fn the_version_in_its_place_is_launched_for_the_chosen_platform() {
    let (mut state, _) = page(Verdict::NeedsApproval);
    allowed(&mut state, gromacs().pinned.unwrap().digest);
    let Some(Screen::Image(page)) = state.stack.last_mut() else { panic!("another screen") };
    page.platform = Some("linux/arm64".into());
    let effects = press(&mut state, "L");
    let chosen = |effect: &Effect| matches!(effect, Effect::Image(ImageEffect::Image { platform, .. }) if platform.as_deref() == Some("linux/arm64"));
    assert!(effects.iter().any(chosen), "{effects:?}");
}

#[test]
fn whoever_asks_for_the_checks_is_told_what_came_of_them() {
    let (mut state, _) = page(Verdict::Undecided);
    state.notice = None;
    press(&mut state, "v");
    let mut nothing = fake::verified(&gromacs(), NOW);
    let all = nothing.clone();
    nothing.records.clear();
    update(&mut state, Msg::Image(ImageNews::Verified(Box::new(Ok(nothing)))));
    let told = state.notice.take().unwrap().text;
    assert!(told.contains("no scanner has looked at it") && told.contains("no signature is looked for"), "{told}");
    // Nobody asked this time.
    update(&mut state, Msg::Image(ImageNews::Verified(Box::new(Ok(all.clone())))));
    assert!(state.notice.is_none(), "{:?}", state.notice);
    press(&mut state, "v");
    update(&mut state, Msg::Image(ImageNews::Verified(Box::new(Ok(all)))));
    let told = state.notice.take().unwrap().text;
    assert!(told.starts_with("checked: ") && !told.contains("no scanner"), "{told}");
}

#[test]
fn the_images_own_source_is_not_named_as_another_one() {
    let (mut state, _) = page(Verdict::Allow);
    let Some(Screen::Image(page)) = state.stack.last_mut() else { panic!("another screen") };
    page.also_in = vec!["hub".into(), "lab".into()];
    let drawn = draw(&mut state, WIDE);
    assert!(drawn.contains("Also in      hub (same digest)"), "{drawn}");
}
