//! The real loop with fake keys on a fake terminal.

use std::{sync::Arc, time::Duration};

use crossterm::event::{Event, KeyCode, KeyEvent};
use futures_util::stream;
use ratatui::{Terminal, backend::TestBackend};
use tokio::sync::mpsc;
use wharf::tui::{run_loop, state_of};

use crate::fake::{self, Behaviour};

/// Runs the loop on these sources; keys are sent one after the other, each after a pause that lets the loop idle.
async fn run(sources: &[(&str, Behaviour)], keys: &[KeyCode], pause: Duration) -> String {
    let portal = Arc::new(fake::portal(sources));
    let mut state = state_of(&portal);
    let mut terminal = Terminal::new(TestBackend::new(100, 20)).unwrap();
    let (sender, receiver) = mpsc::channel(64);
    let keys = keys.to_vec();
    tokio::spawn(async move {
        for key in keys {
            tokio::time::sleep(pause).await;
            let _ = sender.send(Ok(Event::Key(KeyEvent::from(key)))).await;
        }
        tokio::time::sleep(pause).await;
        // The sender is dropped: the terminal is gone, the loop ends.
    });
    let events = Box::pin(stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (event, receiver))
    }));
    tokio::time::timeout(Duration::from_secs(20), run_loop(&mut terminal, events, portal, &mut state))
        .await
        .expect("the loop ends")
        .unwrap();
    terminal.backend().to_string()
}

fn rows(names: &[&str]) -> Behaviour {
    Behaviour::Rows(names.iter().map(|name| fake::row(name, &["1.0", "latest"])).collect())
}

const SHORT: Duration = Duration::from_millis(250);
/// For a source that crashes: the report of a panic itself takes a while.
const LONG: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_several_sources_are_one_list() {
    let drawn =
        run(&[("a", rows(&["physics/gromacs"])), ("b", rows(&["biology/samtools"]))], &[KeyCode::Down], SHORT).await;
    assert!(drawn.contains("physics/gromacs") && drawn.contains("biology/samtools"), "{drawn}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_source_does_not_hold_up_the_others_or_the_keys() {
    let drawn = run(
        &[("hung", Behaviour::Hangs), ("good", rows(&["physics/gromacs", "physics/lammps"]))],
        &[KeyCode::Char('/'), KeyCode::Char('l'), KeyCode::Char('a')],
        SHORT,
    )
    .await;
    assert!(drawn.contains("physics/lammps") && !drawn.contains("physics/gromacs"), "{drawn}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_deadline_a_hung_source_is_a_marked_line() {
    let drawn = run(
        &[("hung", Behaviour::Hangs), ("good", rows(&["physics/gromacs"]))],
        &[KeyCode::Down, KeyCode::Down],
        Duration::from_millis(300),
    )
    .await;
    assert!(
        drawn.contains("✗ hung") && drawn.contains("no answer within") && drawn.contains("physics/gromacs"),
        "{drawn}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_code_breaks_is_a_marked_line_too() {
    let drawn = run(
        &[("broken", Behaviour::Panics), ("failing", Behaviour::Fails), ("good", rows(&["physics/gromacs"]))],
        &[KeyCode::Down],
        LONG,
    )
    .await;
    for part in ["✗ broken", "✗ failing", "physics/gromacs"] {
        assert!(drawn.contains(part), "{part}: {drawn}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn escape_leaves_a_page_that_never_arrives() {
    let source = Behaviour::Rows(vec![fake::row("physics/gromacs", &["latest"])]);
    let drawn = run(&[("good", source)], &[KeyCode::Enter, KeyCode::Esc, KeyCode::Down], SHORT).await;
    assert!(drawn.contains("Images"), "{drawn}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_rows_in_one_list() {
    let names: Vec<String> = (0..20_000).map(|number| format!("project{:02}/image{number:05}", number % 50)).collect();
    let rows = Behaviour::Rows(names.iter().map(|name| fake::row(name, &["latest"])).collect());
    let drawn = run(
        &[("big", rows)],
        &[
            KeyCode::End,
            KeyCode::Char('/'),
            KeyCode::Char('1'),
            KeyCode::Char('9'),
            KeyCode::Char('9'),
            KeyCode::Char('9'),
            KeyCode::Char('9'),
        ],
        Duration::from_millis(400),
    )
    .await;
    assert!(drawn.contains("image19999"), "{drawn}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q_ends_the_loop() {
    let drawn = run(&[("a", rows(&["x/y"]))], &[KeyCode::Char('q'), KeyCode::Down], SHORT).await;
    assert!(drawn.contains("Images"));
}
