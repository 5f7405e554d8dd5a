//! A decision is about what was shown, whatever happens between a frame and a key. `update` without a terminal.

use wharf::{
    core::{
        base::{badge::Verdict, secret::Secret},
        launch::plan::State as Run,
        ports::{Question, QuestionKind},
        request::{Caller, Pace, Request, RequestFilter, Stage, StoredReason},
        sharing::offer::{Project, Share, ShareStatus},
    },
    tui::{
        msg::{Effect, ImageNews, JobNews, Msg, RequestEffect, RequestNews, RunEffect, ShareEffect, ShareNews},
        popups::{MOMENT, Popup},
        state::State,
        update::update,
    },
};

use crate::{
    fake,
    keys::{notices, press, request, requests, rush, state},
};

/// The subjects of effects that decide something, in words.
fn acted_on(effects: &[Effect]) -> Vec<String> {
    let words = |effect: &Effect| match effect {
        Effect::Request(RequestEffect::Decide { requests, ruling, .. }) => {
            let verb = if ruling.approve { "approve" } else { "reject" };
            requests.iter().map(|one| format!("{verb} {}", one.called())).collect::<Vec<_>>()
        }
        Effect::Share(ShareEffect::AnswerOffer { offer, accept, .. }) => vec![format!("{accept} {}", offer.called())],
        Effect::Run(RunEffect::Stop { workload, .. }) => vec![format!("stop {}", workload.called())],
        Effect::Run(RunEffect::Start { workload, .. }) => vec![format!("start {}", workload.called())],
        Effect::Run(RunEffect::Remove { workload, .. }) => vec![format!("remove {}", workload.called())],
        Effect::Share(ShareEffect::Revoke { share, .. }) => vec![format!("revoke {}", share.called())],
        Effect::Cancel(job) => vec![format!("cancel {}", job.called())],
        Effect::Request(RequestEffect::TakeBack { request, .. }) => vec![format!("take back {}", request.called())],
        Effect::Request(RequestEffect::Speak { request, .. }) => vec![format!("speak {}", request.called())],
        _ => Vec::new(),
    };
    effects.iter().flat_map(words).collect()
}

fn said(state: &State) -> String {
    state.notice.as_ref().map(|notice| notice.text.clone()).unwrap_or_default()
}

fn queue(state: &mut State, ids: &[i64]) {
    let all: Vec<Request> =
        ids.iter().map(|id| request(*id, Stage::Waiting, "signature", &format!("base-{id}"))).collect();
    update(state, Msg::Request(RequestNews::Requests { which: RequestFilter::Queue, skip: 0, result: Ok(all) }));
}

fn workloads(state: &mut State, names: &[&str]) {
    let all = names
        .iter()
        .map(|name| wharf::core::launch::plan::Workload { state: Run::Running, ..fake::workload("docker", name) });
    fake::listed(state, all.collect(), Vec::new());
}

fn offers(state: &mut State, names: &[&str]) {
    let all = names.iter().map(|name| wharf::core::sharing::offer::Offer { id: (*name).into(), ..fake::offer(name) });
    update(state, Msg::Share(ShareNews::Offers(all.collect(), Vec::new())));
}

fn shares(state: &mut State, names: &[&str]) {
    let share = |name: &&str| Share {
        id: format!("site/x/{name}"),
        reference: "glance://site/4927d4b2-2172-447d-aeb3-8a95a05361ec".parse().unwrap(),
        project: Project { name: (*name).to_owned(), id: format!("{name}-id") },
        standing: ShareStatus::Accepted,
        created: None,
    };
    update(state, Msg::Share(ShareNews::Shares(Ok(names.iter().map(share).collect()))));
}

fn on_shares() -> State {
    let mut state = state();
    press(&mut state, "j enter");
    let mut image = fake::image("glance://site/4927d4b2-2172-447d-aeb3-8a95a05361ec".parse().unwrap());
    image.kind = wharf::core::image::model::ImageKind::Vm;
    image.disk = Some(wharf::core::image::model::DiskFacts::default());
    update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(image)))));
    press(&mut state, "tab");
    state
}

fn on_transfers() -> State {
    let mut state = state();
    for name in ["one", "two", "three"] {
        state.job(name.to_owned());
    }
    press(&mut state, "3");
    state
}

type Fill = fn(&mut State, &[&str]);

/// Every list with a key that cannot be undone: how to open it, how news of it arrive, the keys, what they do to `two`.
fn lists() -> Vec<(&'static str, State, Fill, &'static str, &'static str)> {
    let numbers: Fill = |state, names| {
        let id = |name: &&str| ["one", "two", "three", "four"].iter().position(|one| one == name).unwrap() as i64 + 1;
        queue(state, &names.iter().map(id).collect::<Vec<_>>());
    };
    let opened = |keys: &str| {
        let mut state = state();
        press(&mut state, keys);
        state
    };
    vec![
        ("approve", requests("queue", "6 tab"), numbers, "a", "approve request 2: physics/gromacs-2"),
        ("reject", requests("queue", "6 tab"), numbers, "x z z enter", "reject request 2: physics/gromacs-2"),
        ("conditions", requests("queue", "6 tab"), numbers, "A enter", "approve request 2: physics/gromacs-2"),
        ("ask back", requests("queue", "6 tab"), numbers, "b z z enter", "speak request 2: physics/gromacs-2"),
        ("accept", opened("5"), offers, "a", "true two from biology (b10)"),
        ("reject an offer", opened("5"), offers, "x", "false two from biology (b10)"),
        ("stop", opened("2"), workloads, "s", "stop two on docker"),
        ("restart", opened("2"), workloads, "R", "start two on docker"),
        ("remove", opened("2"), workloads, "x y", "remove two on docker"),
        ("take back", on_shares(), shares, "x y", "revoke two"),
    ]
}

/// The keys that select `two`: each request of the queue is below the line of its group.
fn to_two(state: &State) -> &'static str {
    if state.scope() == "requests" { "g j j j" } else { "g j" }
}

#[test]
fn decisive_keys_act_on_the_row_that_the_last_frame_showed_wherever_it_is_now() {
    for (what, mut state, fill, keys, acted) in lists() {
        fill(&mut state, &["one", "two", "three"]);
        let keys_to_two = to_two(&state);
        press(&mut state, keys_to_two);
        // It moves, and other rows come and go around it.
        fill(&mut state, &["four", "three", "two"]);
        assert_eq!(acted_on(&press(&mut state, keys)), [acted], "{what}");
    }
}

#[test]
fn where_the_selected_row_is_gone_nothing_is_decided_until_one_is_chosen() {
    for (what, mut state, fill, keys, _) in lists() {
        fill(&mut state, &["one", "two", "three"]);
        let keys_to_two = to_two(&state);
        press(&mut state, keys_to_two);
        fill(&mut state, &["one", "three"]);
        // Immediately, and also after a frame without it was drawn.
        let first = keys.split(' ').next().unwrap();
        assert!(acted_on(&rush(&mut state, first)).is_empty() && state.popups.is_empty(), "{what}");
        assert!(acted_on(&press(&mut state, keys)).is_empty() && state.popups.is_empty(), "{what}");
        assert!(
            said(&state).contains("nothing is selected") || said(&state).contains("not run") || keys.contains(' '),
            "{what}: {}",
            said(&state)
        );
        let drawn = crate::screens::draw(&mut state, (120, 30));
        assert!(drawn.contains("is not here any more"), "{what}: {drawn}");
        // After moving, the row that is selected now is meant.
        let acted = acted_on(&press(&mut state, &format!("j {keys}")));
        assert!(acted.len() == 1 && (acted[0].contains("three") || acted[0].contains('3')), "{what}: {acted:?}");
    }
}

#[test]
fn a_key_between_news_and_the_next_frame_does_nothing_but_say_so() {
    // The same request has another dossier now: not what was shown would be approved.
    let mut state = requests("queue", "6 tab");
    queue(&mut state, &[1, 2]);
    press(&mut state, "g j");
    let mut changed = request(1, Stage::Waiting, "scan", "base-1");
    changed.version += 1;
    let other = request(2, Stage::Waiting, "signature", "base-2");
    press(&mut state, "g j");
    update(&mut state, Msg::Drawn);
    update(
        &mut state,
        Msg::Request(RequestNews::Requests { which: RequestFilter::Queue, skip: 0, result: Ok(vec![changed, other]) }),
    );
    assert!(acted_on(&rush(&mut state, "a")).is_empty());
    assert!(said(&state).contains("has just changed"), "{}", said(&state));
    assert_eq!(acted_on(&press(&mut state, "a")), ["approve request 1: physics/gromacs-1"], "it was shown now");
    // The next one is selected, but was not drawn yet.
    assert!(acted_on(&rush(&mut state, "a")).is_empty());
    assert_eq!(acted_on(&press(&mut state, "a")), ["approve request 2: physics/gromacs-2"]);
}

#[test]
fn an_approval_shows_what_it_takes_before_it_is_given() {
    let mut state = requests("queue", "6 tab");
    let ground = |rule: &str, findings: &[&str]| StoredReason {
        rule: rule.into(),
        words: format!("what {rule} says"),
        verdict: Verdict::NeedsApproval,
        step: String::new(),
        findings: findings.iter().map(|one| (*one).to_owned()).collect(),
    };
    let mut held = request(1, Stage::Waiting, "signature", "base-1");
    let names: Vec<String> = (1..=9).map(|number| format!("CVE-2026-{number:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    held.dossier.as_mut().unwrap().grounds = vec![ground("signature", &[]), ground("scan.over_limit", &names)];
    let mut other = request(2, Stage::Waiting, "signature", "base-2");
    other.dossier.as_mut().unwrap().grounds = Vec::new();
    update(
        &mut state,
        Msg::Request(RequestNews::Requests { which: RequestFilter::Queue, skip: 0, result: Ok(vec![held, other]) }),
    );
    for size in [(120, 40), (80, 24)] {
        press(&mut state, "G a");
        let drawn = crate::screens::draw(&mut state, size);
        for words in
            ["Approve request 1: ", "rules    “signature”", "“CVE-2026-0001”, ", " and 3 more", "enter approves"]
        {
            assert!(drawn.contains(words), "{words}: {drawn}");
        }
        assert!(acted_on(&press(&mut state, "esc")).is_empty());
    }
    press(&mut state, "g j a");
    assert!(crate::screens::draw(&mut state, (80, 24)).contains("holds nothing against it"));
    press(&mut state, "esc g j _ j _ a");
    let drawn = crate::screens::draw(&mut state, (80, 24));
    assert!(
        drawn.contains("request 1: ") && drawn.contains("request 2: ") && drawn.contains("CVE-2026-0001"),
        "{drawn}"
    );
    assert_eq!(acted_on(&press(&mut state, "enter")).len(), 2);
}

#[test]
fn ten_ordinary_requests_are_decided_with_ten_keys() {
    for size in [(120, 40), (80, 24)] {
        let mut state = requests("queue", "6 tab");
        state.size = size;
        queue(&mut state, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        press(&mut state, "g j");
        let drawn = crate::screens::draw(&mut state, size);
        for words in
            ["built on “base-1” · 1 waiting", "approving takes “signature”", "ada: for the paper", "1:   a approve"]
        {
            assert!(drawn.contains(words), "{words}: {drawn}");
        }
        let acted = acted_on(&press(&mut state, "a a a a a a a a a a"));
        let mut ids: Vec<&str> = acted.iter().filter_map(|one| one.split(['t', ':']).nth(1)).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((acted.len(), ids.len()), (10, 10), "{acted:?}");
        assert!(state.popups.is_empty());
    }
    // A key that is held down decides on one request only: the next has just come, and nobody has read it.
    let mut state = requests("queue", "6 tab");
    state.size = (120, 40);
    queue(&mut state, &[1, 2, 3]);
    let mut acted = acted_on(&press(&mut state, "g j a"));
    for _ in 0..50 {
        update(&mut state, Msg::Drawn);
        state.clock += 30;
        acted.extend(acted_on(&crate::keys::rush(&mut state, "a")));
    }
    assert_eq!(acted.len(), 1, "{acted:?}");
    acted.extend(acted_on(&press(&mut state, "a")));
    assert_eq!(acted.len(), 2, "{acted:?}");
    // A rejection needs a reason, and leads to the next request, too.
    let mut state = requests("queue", "6 tab");
    queue(&mut state, &[1, 2]);
    let acted = acted_on(&press(&mut state, "g j x n o enter a"));
    assert_eq!(acted, ["reject request 1: physics/gromacs-1", "approve request 2: physics/gromacs-2"]);
    // Where the screen has no room for what is taken, the key asks.
    let mut state = requests("queue", "6 tab");
    state.size = (44, 14);
    queue(&mut state, &[1, 2]);
    assert!(acted_on(&press(&mut state, "g j a")).is_empty() && !state.popups.is_empty());
}

#[test]
fn conditions_are_a_form_in_which_every_finding_that_is_accepted_is_marked() {
    let mut state = requests("queue", "6 tab");
    let mut held = request(1, Stage::Waiting, "signature", "base-1");
    held.dossier.as_mut().unwrap().grounds.push(StoredReason {
        rule: "scan.over_limit".into(),
        words: "two findings".into(),
        verdict: Verdict::NeedsApproval,
        step: String::new(),
        findings: vec!["CVE-2026-0001".into(), "CVE-2026-0002".into()],
    });
    update(
        &mut state,
        Msg::Request(RequestNews::Requests { which: RequestFilter::Queue, skip: 0, result: Ok(vec![held]) }),
    );
    press(&mut state, "g j A 9 0 d tab _ tab tab _");
    for size in [(120, 40), (80, 24), (44, 14)] {
        let drawn = crate::screens::draw(&mut state, size);
        for words in ["90d", "● in this project only", "● “CVE-2026-0001”", "○ “CVE-2026-0002”"] {
            assert!(drawn.contains(words), "{words}: {drawn}");
        }
    }
    // What is not accepted would hold the image back: the form says so, and nothing is decided.
    assert!(acted_on(&press(&mut state, "enter")).is_empty());
    assert!(crate::screens::draw(&mut state, (80, 24)).contains("would hold it back all the same"));
    let effects = press(&mut state, "_ tab w h y enter");
    let [Effect::Request(RequestEffect::Decide { ruling, .. })] = &effects[..] else { panic!("{effects:?}") };
    assert!(ruling.terms.until.is_some() && ruling.terms.only && ruling.terms.exceptions.is_empty());
    assert_eq!((ruling.approve, ruling.reason.as_str()), (true, "why"));
    // An end that cannot be read is named, and what was typed stays.
    press(&mut state, "g j A x enter");
    assert!(crate::screens::draw(&mut state, (80, 24)).contains("until: "));
    assert!(acted_on(&press(&mut state, "esc")).is_empty() && state.popups.is_empty());
}

#[test]
fn an_admission_is_taken_back_by_a_key_with_a_reason_and_only_by_who_decides() {
    for (approver, expected) in [(true, vec!["take back request 1: physics/gromacs-1".to_owned()]), (false, Vec::new())]
    {
        let mut state = requests("all", "6 tab tab");
        let (me, pace) = (Caller { person: "carol".into(), approver, steward: false, own: false }, Pace::default());
        update(&mut state, Msg::Request(RequestNews::Queue(Ok((me, pace, Vec::new())))));
        let all = vec![request(1, Stage::Admitted, "signature", "b"), request(2, Stage::Waiting, "signature", "b")];
        update(&mut state, Msg::Request(RequestNews::Requests { which: RequestFilter::All, skip: 0, result: Ok(all) }));
        press(&mut state, "g");
        assert!(acted_on(&press(&mut state, "X enter")).is_empty(), "a reason is needed");
        assert_eq!(acted_on(&press(&mut state, "g X z enter")), expected);
        if approver {
            assert!(acted_on(&press(&mut state, "j X z enter")).is_empty(), "it is not admitted");
        }
    }
}

#[test]
fn marks_that_are_gone_leave_nothing_to_decide_on_not_the_row_below() {
    let mut state = requests("queue", "6 tab");
    queue(&mut state, &[1, 2, 3]);
    press(&mut state, "g j _");
    queue(&mut state, &[2, 3]);
    assert!(acted_on(&press(&mut state, "a")).is_empty());
    assert!(said(&state).contains("nothing is selected"), "{}", said(&state));
}

#[test]
fn a_transfer_is_cancelled_by_its_number_and_a_new_one_changes_nothing() {
    let mut state = on_transfers();
    press(&mut state, "j");
    state.job("four".to_owned());
    assert_eq!(acted_on(&press(&mut state, "s")), ["cancel two"]);
    let drawn = {
        press(&mut state, "enter");
        crate::screens::draw(&mut state, (80, 24))
    };
    assert!(drawn.contains("two"), "{drawn}");
}

#[test]
fn only_notices_that_were_on_the_screen_are_marked_as_read() {
    let mut state = requests("inbox", "7");
    press(&mut state, "j");
    update(&mut state, Msg::Drawn);
    let mut more = notices();
    more.insert(0, wharf::core::request::notice::Notice { id: 9, seen: false, ..more[0].clone() });
    update(&mut state, Msg::Request(RequestNews::Inbox(Ok(more))));
    assert!(rush(&mut state, "m").is_empty(), "one of them was not shown");
    assert!(matches!(&press(&mut state, "m")[..], [Effect::Request(RequestEffect::Seen(ids))] if ids.contains(&9)));
}

#[test]
fn yes_confirms_only_what_was_drawn() {
    let mut state = state();
    press(&mut state, "2");
    workloads(&mut state, &["one"]);
    update(&mut state, Msg::Drawn);
    assert!(acted_on(&rush(&mut state, "x y")).is_empty(), "the question was not on the screen");
    assert!(matches!(state.popups.last(), Some(Popup::Confirm { .. })), "and it is still open");
    assert_eq!(acted_on(&press(&mut state, "y")), ["remove one on docker"]);
}

fn ask(state: &mut State, id: u64, kind: QuestionKind) {
    update(state, Msg::Job(JobNews::Question(id, Question { words: "PIN of the token".into(), kind })));
}

#[test]
fn a_question_never_takes_keys_that_are_typed_for_something_else() {
    for kind in [QuestionKind::Secret, QuestionKind::Text, QuestionKind::Confirm] {
        // The person is typing a filter.
        let mut state = state();
        press(&mut state, "/ g r");
        ask(&mut state, 7, kind);
        let effects = press(&mut state, "o y");
        assert!(state.popups.is_empty() && !effects.iter().any(|effect| matches!(effect, Effect::Answer(..))));
        assert_eq!(state.catalog.input.text, "groy");
        let drawn = crate::screens::draw(&mut state, (80, 24));
        assert!(drawn.contains("? PIN of the token") && drawn.contains("! opens it"), "{drawn}");
        press(&mut state, "esc !");
        assert_eq!(state.popups.len(), 1);
        let answer = press(&mut state, if kind == QuestionKind::Confirm { "y" } else { "1 enter" });
        assert!(matches!(&answer[..], [Effect::Answer(7, Some(_))]), "{answer:?}");
    }
}

#[test]
fn a_question_waits_where_nobody_waits_for_it_and_opens_for_whoever_does() {
    // A person who has gone on to something else is not interrupted.
    let mut state = state();
    press(&mut state, "i enter");
    press(&mut state, "j");
    ask(&mut state, 1, QuestionKind::Secret);
    assert!(state.popups.is_empty() && state.waiting.len() == 1);
    // Its job has ended meanwhile.
    update(&mut state, Msg::Job(JobNews::Unasked(1)));
    assert!(state.waiting.is_empty());
    // Somebody who waits for it has it in front of them; keys pressed in its first moment do not count for it.
    press(&mut state, "i enter");
    ask(&mut state, 2, QuestionKind::Secret);
    assert_eq!(state.popups.len(), 1);
    rush(&mut state, "j");
    update(&mut state, Msg::Drawn);
    rush(&mut state, "j");
    state.clock += MOMENT / 2;
    rush(&mut state, "j enter");
    assert!(said(&state).contains("has just opened"), "{}", said(&state));
    state.clock += MOMENT / 2 + 1;
    rush(&mut state, "j");
    assert!(said(&state).contains("has just opened"), "those who go on typing have not read it");
    let effects = press(&mut state, "1 2 enter");
    assert_eq!(effects, [Effect::Answer(2, Some(Secret::new("12")))]);
}

#[test]
fn a_line_that_is_cut_can_be_read_in_full() {
    use wharf::core::base::error::{Error, Kind};
    let mut state = state();
    let error = Error::new(
        Kind::NotAllowed,
        "open pkcs11:token=carol;object=wharf?module-path=/usr/lib/x.so",
        "the PIN is wrong, two tries are left",
    )
    .hint("ask whoever gave you the token");
    state.fail(&error);
    let drawn = crate::screens::draw(&mut state, (80, 24));
    assert!(drawn.contains("two tries are left") && drawn.contains("→ ask whoever gave you the token"), "{drawn}");
    // The next key closes it, and another one shows all that was said.
    press(&mut state, "j");
    assert!(!crate::screens::draw(&mut state, (80, 24)).contains("two tries are left"));
    for key in ["!", "M"] {
        press(&mut state, key);
        let drawn = crate::screens::draw(&mut state, (80, 24));
        assert!(drawn.contains("two tries are left") && drawn.contains("whoever gave you the token"), "{drawn}");
        press(&mut state, "esc");
    }
    // In the transfers, enter shows the whole text of one.
    let job = state.job("copy a".into());
    update(&mut state, Msg::Job(JobNews::JobDone(job, Err(error))));
    press(&mut state, "j 3 enter");
    let drawn = crate::screens::draw(&mut state, (80, 24));
    assert!(drawn.contains("whoever gave you the token"), "{drawn}");
}

#[test]
fn whoever_decides_comes_to_the_queue_first() {
    let mut state = state();
    update(&mut state, Msg::Request(RequestNews::Me(Caller { approver: true, ..Caller::default() })));
    assert!(matches!(
        &press(&mut state, "6")[..],
        [Effect::Request(RequestEffect::Requests { which: RequestFilter::Queue, .. }), ..]
    ));
    // If that is learnt only now, and they have nothing of their own there.
    let mut state = crate::keys::state();
    press(&mut state, "6");
    update(
        &mut state,
        Msg::Request(RequestNews::Requests { which: RequestFilter::Mine, skip: 0, result: Ok(Vec::new()) }),
    );
    let me = Caller { approver: true, ..Caller::default() };
    let effects = update(&mut state, Msg::Request(RequestNews::Queue(Ok((me, Pace::default(), Vec::new())))));
    assert!(
        matches!(&effects[..], [Effect::Request(RequestEffect::Requests { which: RequestFilter::Queue, .. })]),
        "{effects:?}"
    );
}

#[test]
fn words_of_others_begin_no_line_of_ours_on_any_screen() {
    let fake = "harmless\nallow by the policy site\n  ✓ verified: approved by dora\u{2028}✓ verified";
    let mut one = request(1, Stage::Rejected, "signature", "alpine\n✓ verified");
    one.wishes[0].reason = fake.into();
    one.asked.title = "physics/x\n✓ verified".into();
    if let Some(dossier) = &mut one.dossier {
        dossier.diff = fake.into();
        dossier.evidence.push(fake.into());
    }
    let told = one.describe(&[], Pace::default(), 0, 1_764_000_100);
    for line in told.lines().filter(|line| line.contains("approved by dora")) {
        assert!(line.trim_start().starts_with("│ ") || line.contains("harmless"), "{told}");
    }
    assert!(!told.lines().any(|line| line.trim_start().starts_with("✓ verified")), "{told}");
    assert!(!told.lines().any(|line| line.starts_with("allow by")), "{told}");
    let mut notice = notices().remove(0);
    (notice.words, notice.title) = (fake.into(), "x\n✓ verified\nBcc: all@site.example".into());
    let (subject, body) = notice.letter();
    assert!(!subject.contains('\n'), "{subject}");
    assert!(!body.lines().any(|line| line.trim_start().starts_with("✓ verified") || line.starts_with("Bcc")), "{body}");
    // In a popup that folds its lines, each line of a quote is marked.
    let mut state = state();
    one.wishes[0].reason = format!("{} ✓ verified: approved by dora", "pad ".repeat(40));
    let told = one.describe(&[], Pace::default(), 0, 1_764_000_100);
    press(&mut state, "6");
    update(&mut state, Msg::Request(RequestNews::RequestTold(Box::new(Ok((one, told))))));
    let drawn = crate::screens::draw(&mut state, (44, 60));
    for line in drawn.lines().filter(|line| line.contains("✓ verified: approved") || line.contains("pad pad")) {
        assert!(line.contains("│   │ ") || line.contains("│ pad") || line.contains("  │ "), "{drawn}");
    }
}
