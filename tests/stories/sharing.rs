//! The dialog that shares an image, by keys: marks, their plan, refusals, what is typed, and the link.

use wharf::{
    core::{
        base::error::{Error, Kind},
        image::link::Link,
        sharing::{
            offer::{Project, SharePlan},
            receiver::{Receiver, Terms},
            sender::{Contact, Contacts},
        },
    },
    tui::{
        msg::{Effect, ImageEffect, ImageNews, ImageTarget, LinkWish, Msg, ShareEffect, ShareNews, Slot},
        popups::{Popup, share::Part},
        state::State,
        update::update,
    },
};

use crate::{
    fake,
    keys::{press, rush, state},
    screens::draw,
};

type Answer = wharf::core::base::error::Result<SharePlan>;

/// What the last effect that asks for plans asks.
fn asked(effects: &[Effect]) -> (ImageTarget, Vec<Receiver>) {
    let plans = effects.iter().rev().find_map(|effect| match effect {
        Effect::Share(ShareEffect::SharePlans(target, _, to, _)) => Some((target.clone(), to.clone())),
        _ => None,
    });
    plans.unwrap_or_else(|| panic!("no plan is asked for: {effects:?}"))
}

fn answer(state: &mut State, (target, to): (ImageTarget, Vec<Receiver>), plan: impl Fn(&Receiver) -> Answer) {
    let plans = to.into_iter().map(|to| (to.clone(), plan(&to))).collect();
    update(state, Msg::Share(ShareNews::SharePlans(target, plans)));
}

fn shared(effects: &[Effect]) -> Vec<&Receiver> {
    let mut to = Vec::new();
    for effect in effects {
        if let Effect::Share(ShareEffect::Share { to: receiver, .. }) = effect {
            to.push(receiver);
        }
    }
    to
}

fn project(name: &str) -> Receiver {
    Receiver::Project(name.into())
}

fn wish(effects: &[Effect]) -> LinkWish {
    let wish = |effect: &Effect| match effect {
        Effect::Image(ImageEffect::Link(wish)) => Some(wish.clone()),
        _ => None,
    };
    effects.iter().rev().find_map(wish).unwrap_or_else(|| panic!("no link is asked for: {effects:?}"))
}

pub(crate) fn link() -> Link {
    format!("wharf:oci://lab.example/physics/gromacs@sha256:{}?tag=latest", "4f".repeat(32)).parse().unwrap()
}

#[test]
fn a_plan_that_comes_late_is_no_answer_for_what_is_marked_now() {
    let mut state = state();
    let one = asked(&press(&mut state, "j s _"));
    assert_eq!(one.1, [project("biology")]);
    let both = asked(&press(&mut state, "_"));
    assert_eq!(both.1, [project("biology"), project("physics")]);
    answer(&mut state, one.clone(), |_| Ok(fake::share_plan()));
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("working out") && !drawn.contains("✓ can be done"), "{drawn}");
    assert!(press(&mut state, "enter").is_empty(), "the plan of one of them is none for both");
    assert!(draw(&mut state, (80, 24)).contains("not yet"));
    answer(&mut state, both, |_| Ok(fake::share_plan()));
    assert!(rush(&mut state, "enter").is_empty(), "it has not been on the screen yet");
    // A mark that is taken away makes the plan of both an older one.
    press(&mut state, "up");
    let less = asked(&press(&mut state, "_"));
    assert_eq!(less.1.len(), 1);
    assert!(press(&mut state, "enter").is_empty());
    answer(&mut state, less.clone(), |_| Ok(fake::share_plan()));
    let effects = press(&mut state, "enter");
    assert_eq!(shared(&effects), less.1.iter().collect::<Vec<_>>());
    assert!(state.popups.is_empty());
}

#[test]
fn without_any_mark_the_reads_of_the_dialog_end_and_nothing_is_shared() {
    let mut state = state();
    let one = asked(&press(&mut state, "j s _"));
    press(&mut state, "up");
    assert!(matches!(press(&mut state, "_").as_slice(), [Effect::Leave(_)]));
    answer(&mut state, one, |_| Ok(fake::share_plan()));
    press(&mut state, "tab");
    assert!(press(&mut state, "enter").is_empty());
    assert!(draw(&mut state, (80, 24)).contains("mark who gets it first"));
    assert!(matches!(press(&mut state, "esc").as_slice(), [Effect::Leave(_)]));
    assert!(state.popups.is_empty() && state.running() == 0);
}

#[test]
fn a_receiver_that_is_refused_says_why_and_the_others_get_it() {
    let refused = || {
        Err(Error::new(Kind::NotAllowed, "plan a share", "you may not push to biology").hint(
            "ask https://hub.example.org/an/address/that/is/long/and/has/no/space/in/it/anywhere/at/all/to-its-end",
        ))
    };
    let mut state = state();
    let both = asked(&press(&mut state, "j s _ _"));
    answer(&mut state, both, |to| if *to == project("biology") { refused() } else { Ok(fake::share_plan()) });
    for size in [(80, 24), (120, 40)] {
        let drawn = draw(&mut state, size);
        for words in ["✗ you may not push", "✓ can be done", "✗ biology: you may not push"] {
            assert!(drawn.contains(words), "{words} is missing:\n{drawn}");
        }
    }
    // Nothing of an address is cut: it goes on in the next line, which keys bring into sight.
    draw(&mut state, (80, 24));
    assert!(press(&mut state, "enter").is_empty(), "nothing is shared whose plan was not read to its end");
    assert!(draw(&mut state, (80, 24)).contains("read on: enter shares it at the end of the plan"));
    let whole: String = draw(&mut state, (80, 24)).chars().filter(|c| !" │\"\n".contains(*c)).collect();
    assert!(whole.contains("no/space/in/it/anywhere/at/all/to-its-end"), "{whole}");
    for size in [(44, 14), (120, 40), (80, 24)] {
        draw(&mut state, size);
        press(&mut state, "j j j j j j j j j j j j j j j j j j j j");
        let drawn = draw(&mut state, size);
        assert!(drawn.contains("the policy is asked"), "the end can be reached:\n{drawn}");
    }
    let effects = press(&mut state, "enter");
    assert_eq!(shared(&effects), [&project("physics")]);
}

#[test]
fn nothing_is_shared_where_all_receivers_are_refused() {
    let mut state = state();
    let one = asked(&press(&mut state, "j s _"));
    answer(&mut state, one, |_| Err(Error::new(Kind::NotAllowed, "plan a share", "you may not push").hint("ask")));
    draw(&mut state, (80, 24));
    assert!(press(&mut state, "enter").is_empty());
    assert!(draw(&mut state, (80, 24)).contains("it can be shared with none of them"));
    assert!(!state.popups.is_empty() && state.running() == 0);
}

#[test]
fn a_typed_project_is_marked_by_enter_and_shared_by_the_next() {
    let mut state = state();
    let typed = asked(&press(&mut state, "j s q u a n t u m enter"));
    assert_eq!(typed.1, [project("quantum")]);
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("● quantum") && drawn.contains("1 of 3"), "{drawn}");
    // It stays marked while another is looked for.
    let two = asked(&press(&mut state, "b i o enter"));
    assert_eq!(two.1, [project("quantum"), project("biology")]);
    answer(&mut state, two, |_| Ok(fake::share_plan()));
    let effects = press(&mut state, "enter");
    assert_eq!(shared(&effects).len(), 2);
    assert!(state.notice.as_ref().unwrap().text.contains("sharing"), "{:?}", state.notice);
}

#[test]
fn people_are_receivers_beside_projects_and_get_a_link_until_the_chosen_end() {
    let mut state = state();
    assert!(press(&mut state, "j s").contains(&Effect::Share(ShareEffect::Contacts)));
    let contact = |name: &str, mail: Option<&str>| Contact {
        name: name.into(),
        key: "k".repeat(40),
        since: 1,
        mail: mail.map(str::to_owned),
    };
    let others = vec![contact("Bob", Some("bob@site.example")), contact("Eve", None)];
    update(&mut state, Msg::Share(ShareNews::Contacts(Ok(Contacts { others, ..Contacts::default() }))));
    for size in [(80, 24), (120, 40)] {
        let drawn = draw(&mut state, size);
        assert!(drawn.contains("Bob (person)"), "{drawn}");
        insta::assert_snapshot!(format!("share-persons-{}x{}", size.0, size.1), drawn);
    }
    // Of a contact only the key is known: a link is made, which the person hands over.
    let eve = Receiver::Contact("Eve".into());
    assert_eq!(asked(&press(&mut state, "e v e enter")).1, std::slice::from_ref(&eve));
    // Once more takes the mark away.
    press(&mut state, "e v e enter");
    press(&mut state, "b o b");
    let bob = Receiver::Person("bob@site.example".into());
    assert_eq!(asked(&press(&mut state, "enter")).1, std::slice::from_ref(&bob));
    // Whoever is no contact is typed; projects are marked beside them.
    press(&mut state, "c a r o l @ s i t e . e x a m p l e");
    let carol = Receiver::Person("carol@site.example".into());
    assert_eq!(asked(&press(&mut state, "enter")).1, [bob.clone(), carol.clone()]);
    let three = press(&mut state, "b i o l o g y enter");
    assert_eq!(asked(&three).1, [bob, carol, project("biology")]);
    assert_eq!((until(&three), ends(&three)), (Some(state.now + 30 * 86_400), None), "projects have no end unasked");
    answer(&mut state, asked(&three), |_| Ok(fake::share_plan()));
    // Another end is another plan.
    press(&mut state, "tab tab tab");
    let sooner = press(&mut state, "left");
    assert_eq!((until(&sooner), asked(&sooner).1.len()), (Some(state.now + 7 * 86_400), 3));
    assert_eq!(ends(&sooner), until(&sooner), "now it was chosen");
    press(&mut state, "tab");
    assert!(press(&mut state, "enter").is_empty(), "its plan is not there yet");
    answer(&mut state, asked(&sooner), |_| Ok(fake::share_plan()));
    let effects = (0..9).map(|_| press(&mut state, "enter")).find(|effects| !effects.is_empty()).unwrap();
    assert_eq!(shared(&effects).len(), 3, "each has its own result");
    let ends = effects.iter().filter_map(|effect| match effect {
        Effect::Share(ShareEffect::Share { terms, .. }) => Some(terms.until.filter(|_| terms.ends == terms.until)),
        _ => None,
    });
    assert!(ends.into_iter().all(|end| end == Some(state.now + 7 * 86_400)));
}

#[test]
fn a_link_for_a_contact_without_an_address_is_shown_to_be_handed_over() {
    let mut state = state();
    let link = "wharf:oci://r.example/a".to_owned();
    update(&mut state, Msg::Share(ShareNews::Handed("Eve".into(), link.clone())));
    let shown = draw(&mut state, (80, 24));
    assert!(shown.contains("hand this link over") && shown.contains(&link), "{shown}");
    assert!(press(&mut state, "c").contains(&Effect::Copy(link)));
}

#[test]
fn a_typed_address_is_nobody_elses_however_similar() {
    let mut state = state();
    press(&mut state, "j s");
    let contact =
        Contact { name: "Johannes".into(), key: "k".repeat(40), since: 1, mail: Some("johannes@x.example.org".into()) };
    update(&mut state, Msg::Share(ShareNews::Contacts(Ok(Contacts { others: vec![contact], ..Contacts::default() }))));
    let typed = asked(&press(&mut state, "a n n @ x . e x a m p l e . o r g enter"));
    assert_eq!(typed.1, [Receiver::Person("ann@x.example.org".into())]);
    press(&mut state, "esc j s");
    let whole = asked(&press(&mut state, "j o h a n n e s @ x . e x a m p l e . o r g enter"));
    assert_eq!(whole.1, [Receiver::Person("johannes@x.example.org".into())]);
}

/// The end of links in the last effect that asks for plans.
fn until(effects: &[Effect]) -> Option<i64> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Share(ShareEffect::SharePlans(_, _, _, terms)) => terms.until,
        _ => None,
    })
}

fn ends(effects: &[Effect]) -> Option<i64> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Share(ShareEffect::SharePlans(_, _, _, terms)) => terms.ends,
        _ => None,
    })
}

#[test]
fn a_link_is_made_where_it_is_seen_and_copied() {
    let mut state = state();
    let opened = press(&mut state, "j s");
    assert_eq!(opened, [Effect::Share(ShareEffect::Contacts)], "a narrow screen has no place for it");
    let made = wish(&press(&mut state, "tab tab tab"));
    assert_eq!(made.until, Some(state.now + 30 * 86_400));
    // Another end makes another link; the one before is not shown any more.
    let shorter = wish(&press(&mut state, "left"));
    assert_eq!(shorter.until, Some(state.now + 7 * 86_400));
    update(&mut state, Msg::Image(ImageNews::Link(made, Ok((link(), String::new())))));
    assert!(press(&mut state, "y").is_empty(), "it is still being made");
    update(&mut state, Msg::Image(ImageNews::Link(shorter, Ok((link(), String::new())))));
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("wharf:oci://lab.example/physics/gromacs@sha256:") && drawn.contains("7 days"), "{drawn}");
    assert_eq!(press(&mut state, "y"), [Effect::Copy(link().to_string())]);
    assert!(draw(&mut state, (80, 24)).contains("copied"));
}

#[test]
fn a_link_is_made_once_the_terminal_is_wide_enough_for_it() {
    let mut state = state();
    assert_eq!(press(&mut state, "j s"), [Effect::Share(ShareEffect::Contacts)]);
    let effects = update(&mut state, Msg::Resize(120, 40));
    let made = wish(&effects);
    assert!(update(&mut state, Msg::Resize(130, 40)).is_empty(), "once");
    update(&mut state, Msg::Image(ImageNews::Link(made, Ok((link(), String::new())))));
    let Some(Popup::Share(dialog)) = state.popups.last() else { panic!("{:?}", state.popups) };
    assert_eq!(dialog.part, Part::To, "the keys stay where they were");
    assert!(draw(&mut state, (120, 40)).contains("wharf:oci://lab.example/physics"));
}

#[test]
fn of_two_dialogs_the_lower_one_asks_again_for_what_it_waits_for() {
    let mut state = state();
    state.sources[0].grants = true;
    press(&mut state, "_ _ s");
    let effects = press(&mut state, "esc");
    assert!(
        matches!(
            effects.as_slice(),
            [
                Effect::Leave(_),
                Effect::Share(ShareEffect::Projects(_)),
                Effect::Share(ShareEffect::Holders(_)),
                Effect::Share(ShareEffect::Contacts)
            ]
        ),
        "one dialog's reads replace another's: {effects:?}"
    );
    assert_eq!(state.popups.len(), 1);
}

#[test]
fn another_platform_has_a_plan_and_a_link_of_its_own() {
    let mut state = state();
    press(&mut state, "j s");
    let Some(Popup::Share(dialog)) = state.popups.last_mut() else { panic!("{:?}", state.popups) };
    dialog.platforms.push(Some("linux/arm64".into()));
    let one = press(&mut state, "_");
    assert!(
        matches!(one.last(), Some(Effect::Share(ShareEffect::SharePlans(_, None, _, Terms { named: None, .. })))),
        "{one:?}"
    );
    let made = wish(&press(&mut state, "tab tab tab"));
    let effects = press(&mut state, "tab tab right");
    assert!(matches!(effects.first(), Some(Effect::Leave(slots)) if slots.contains(&Slot::Link)), "{effects:?}");
    let Some(Effect::Share(ShareEffect::SharePlans(_, platform, _, _))) = effects.last() else { panic!("{effects:?}") };
    assert_eq!(platform.as_deref(), Some("linux/arm64"));
    let linked = press(&mut state, "tab tab");
    assert_eq!(wish(&linked).platform.as_deref(), Some("linux/arm64"));
    // The link of the platform before comes late.
    update(&mut state, Msg::Image(ImageNews::Link(made, Ok((link(), String::new())))));
    let Some(Popup::Share(dialog)) = state.popups.last() else { panic!("{:?}", state.popups) };
    assert!(matches!(dialog.link, wharf::tui::popups::share::Link::Asked(_)), "{:?}", dialog.link);
}

#[test]
fn projects_of_one_name_are_told_apart_by_their_ids() {
    let mut state = state();
    state.sources[0].grants = true;
    press(&mut state, "j s");
    let project = |id: &str| Project { id: id.into(), name: "biology".into() };
    let all = vec![project("b1"), project("b2")];
    update(&mut state, Msg::Share(ShareNews::Projects("lab".into(), Ok(all))));
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("biology (b1)") && drawn.contains("biology (b2)"), "{drawn}");
}

#[test]
fn a_late_list_of_projects_changes_nothing_that_a_key_means() {
    let mut state = state();
    state.sources[0].grants = true;
    press(&mut state, "j s");
    let project = Project { id: "b1".into(), name: "bio-newest".into() };
    // Space marks what was on the screen, or nothing.
    update(&mut state, Msg::Share(ShareNews::Projects("lab".into(), Ok(vec![project.clone()]))));
    assert!(rush(&mut state, "_").is_empty());
    press(&mut state, "esc");
    // What was typed stays what is chosen.
    press(&mut state, "s b i o - n e w");
    update(&mut state, Msg::Share(ShareNews::Projects("lab".into(), Ok(vec![project]))));
    let typed = asked(&press(&mut state, "enter"));
    assert_eq!(typed.1, [Receiver::Project("bio-new".into())]);
}

/// The name under which a copy is asked for, by the last effect that asks for plans.
fn named(effects: &[Effect]) -> Option<String> {
    let named = effects.iter().rev().find_map(|effect| match effect {
        Effect::Share(ShareEffect::SharePlans(_, _, _, terms)) => Some(terms.named.as_ref().map(ToString::to_string)),
        _ => None,
    });
    named.unwrap_or_else(|| panic!("no plan is asked for: {effects:?}"))
}

#[test]
fn a_copy_gets_the_name_that_is_typed_and_its_plan_is_made_for_that_name() {
    let mut state = state();
    let one = press(&mut state, "j s _");
    assert_eq!(named(&one), None, "it keeps its name");
    answer(&mut state, asked(&one), |_| Ok(fake::share_plan()));
    let drawn = draw(&mut state, (80, 24));
    assert!(!drawn.contains("as PROJECT/"), "the plan needs the lines: {drawn}");
    press(&mut state, "tab");
    assert!(draw(&mut state, (80, 24)).contains("as PROJECT/gromacs:latest"));
    let typed = press(&mut state, "ctrl-u m d / g m x : 1");
    assert_eq!(named(&typed).as_deref(), Some("md/gmx:1"));
    assert!(press(&mut state, "enter").is_empty(), "its plan is not there yet");
    assert!(draw(&mut state, (80, 24)).contains("not yet: its plan is being made"));
    let to_plan =
        SharePlan { steps: vec!["mount its blobs in oci://lab.example/biology/md/gmx:1".into()], ..fake::share_plan() };
    answer(&mut state, asked(&typed), |_| Ok(to_plan.clone()));
    for size in [(80, 24), (120, 40)] {
        let drawn = draw(&mut state, size);
        assert!(drawn.contains("as PROJECT/md/gmx:1") && drawn.contains("biology/md/gmx:1"), "{drawn}");
        insta::assert_snapshot!(format!("share-named-{}x{}", size.0, size.1), drawn);
    }
    let effects = (0..5).map(|_| press(&mut state, "enter")).find(|effects| !effects.is_empty()).unwrap();
    let name = effects.iter().find_map(|effect| match effect {
        Effect::Share(ShareEffect::Share { terms, .. }) => Some(terms.named.as_ref().map(ToString::to_string)),
        _ => None,
    });
    assert_eq!(name, Some(Some("md/gmx:1".to_owned())));
}

#[test]
fn a_mistake_in_the_name_is_told_before_anything_is_planned_or_sent() {
    let mut state = state();
    press(&mut state, "j s _ tab");
    let effects = press(&mut state, "ctrl-u G r o");
    assert!(matches!(effects.last(), Some(Effect::Leave(slots)) if slots.contains(&Slot::SharePlans)), "{effects:?}");
    assert!(draw(&mut state, (80, 24)).contains("✗ a repository is lower-case letters"));
    assert!(press(&mut state, "enter").is_empty());
    for size in [(80, 24), (120, 40), (44, 14)] {
        assert!(draw(&mut state, size).contains("a repository is lower-case"), "{size:?}");
    }
    update(&mut state, Msg::Paste("\u{1b}[2J\u{202e}".into()));
    let drawn = draw(&mut state, (80, 24));
    assert!(!drawn.contains('\u{1b}') && !drawn.contains('\u{202e}'), "{drawn}");
    assert!(press(&mut state, "enter").is_empty() && state.running() == 0);
    // The image's own name again is no other name.
    let effects = press(&mut state, "ctrl-u g r o m a c s : l a t e s t");
    assert_eq!(named(&effects), None);
}

#[test]
fn where_the_image_itself_is_shared_it_keeps_its_name() {
    let mut state = state();
    let cloud = &mut state.sources[0];
    (cloud.adapter, cloud.grants, cloud.holds_disks) = ("openstack".into(), true, true);
    let effects = press(&mut state, "j s _ tab x y");
    assert_eq!(named(&effects), None);
    assert!(!draw(&mut state, (120, 40)).contains("as PROJECT/"));
}

#[test]
fn the_first_line_says_what_the_policys_verdict_means_for_who_gets_it() {
    let mut state = state();
    press(&mut state, "j enter");
    let image = fake::image("lab.example/physics/gromacs:latest".parse().unwrap());
    update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(image.clone())))));
    press(&mut state, "s");
    let drawn = draw(&mut state, (80, 24));
    assert!(!drawn.contains("exploited"), "nothing is known yet: {drawn}");
    press(&mut state, "esc");
    update(&mut state, Msg::Image(ImageNews::Verified(Box::new(Ok(fake::verified(&image, 1_764_000_000))))));
    press(&mut state, "s");
    for size in [(80, 24), (120, 40)] {
        let drawn = draw(&mut state, size);
        assert!(drawn.contains("! 1 critical, 1 exploited: who"), "{drawn}");
    }
}
