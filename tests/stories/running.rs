//! The real loop with fake keys on a fake terminal. Keys wait for what is drawn, never for a time.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use crossterm::event::{Event, KeyCode, KeyEvent};
use futures_util::stream;
use ratatui::{
    Terminal,
    backend::{Backend, ClearType, TestBackend, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
};
use tokio::sync::{Notify, mpsc};
use wharf::{
    core::base::error::Kind,
    tui::{
        initial_state,
        jobs::Jobs,
        kit::plain::Listener,
        msg::{Effect, ImageEffect, ImageNews, ImageTarget, ListEffect, Msg},
        run_loop,
    },
};

use crate::{
    fake::{self, Behaviour},
    lab::{self, Home},
    scripted::Scripted,
};

/// How long to wait for something to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal that the test can read while the loop draws on it.
#[derive(Clone)]
struct Watched {
    screen: Arc<Mutex<TestBackend>>,
    drawn: Arc<Notify>,
}

impl Watched {
    fn new(columns: u16, rows: u16) -> Self {
        Self { screen: Arc::new(Mutex::new(TestBackend::new(columns, rows))), drawn: Arc::default() }
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().to_string()
    }

    async fn until(&self, wanted: &str) {
        let shown = async {
            loop {
                let next = self.drawn.notified();
                if self.text().contains(wanted) {
                    return;
                }
                next.await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, shown).await.is_ok(), "'{wanted}' never came:\n{}", self.text());
    }
}

impl Listener for Watched {}

impl Backend for Watched {
    type Error = Infallible;
    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> Result<(), Infallible> {
        self.screen.lock().unwrap().draw(content)
    }
    fn hide_cursor(&mut self) -> Result<(), Infallible> {
        self.screen.lock().unwrap().hide_cursor()
    }
    fn show_cursor(&mut self) -> Result<(), Infallible> {
        self.screen.lock().unwrap().show_cursor()
    }
    fn get_cursor_position(&mut self) -> Result<Position, Infallible> {
        self.screen.lock().unwrap().get_cursor_position()
    }
    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> Result<(), Infallible> {
        self.screen.lock().unwrap().set_cursor_position(position)
    }
    fn clear(&mut self) -> Result<(), Infallible> {
        self.screen.lock().unwrap().clear()
    }
    fn clear_region(&mut self, region: ClearType) -> Result<(), Infallible> {
        self.screen.lock().unwrap().clear_region(region)
    }
    fn size(&self) -> Result<Size, Infallible> {
        self.screen.lock().unwrap().size()
    }
    fn window_size(&mut self) -> Result<WindowSize, Infallible> {
        self.screen.lock().unwrap().window_size()
    }
    fn flush(&mut self) -> Result<(), Infallible> {
        self.drawn.notify_waiters();
        self.drawn.notify_one();
        Ok(())
    }
}

enum Step {
    /// Press a key.
    Key(KeyCode),
    /// Type letters.
    Type(&'static str),
    /// Wait until this text is on the screen.
    See(&'static str),
}
use Step::{Key, See, Type};

/// Runs the loop with these sources through all steps; gives the last screen.
async fn run(sources: &[(&str, Behaviour)], steps: Vec<Step>) -> String {
    let portal = Arc::new(fake::portal(sources));
    let mut state = initial_state(&portal);
    let watched = Watched::new(100, 20);
    let mut terminal = Terminal::new(watched.clone()).unwrap();
    let (sender, receiver) = mpsc::channel(64);
    let eyes = watched.clone();
    let person = tokio::spawn(async move {
        let press = async |key: KeyCode| sender.send(Ok(Event::Key(KeyEvent::from(key)))).await.is_ok();
        for step in steps {
            match step {
                Key(key) => _ = press(key).await,
                Type(text) => {
                    for letter in text.chars() {
                        press(KeyCode::Char(letter)).await;
                    }
                }
                See(text) => eyes.until(text).await,
            }
        }
        // The sender is dropped: the terminal is gone, and the loop ends.
    });
    let events = Box::pin(stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (event, receiver))
    }));
    tokio::time::timeout(PATIENCE * 3, run_loop(&mut terminal, events, portal, &mut state))
        .await
        .expect("the loop ends")
        .unwrap();
    person.await.expect("every step was seen");
    watched.text()
}

fn rows(names: &[&str]) -> Behaviour {
    Behaviour::Rows(names.iter().map(|name| fake::row(name, &["1.0", "latest"])).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_several_sources_are_one_list() {
    let sources = [("a", rows(&["physics/gromacs"])), ("b", rows(&["biology/samtools"]))];
    run(&sources, vec![See("physics/gromacs"), See("biology/samtools")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_source_does_not_hold_up_the_others_or_the_keys() {
    let sources = [("hung", Behaviour::Hangs), ("good", rows(&["physics/gromacs", "physics/lammps"]))];
    let drawn = run(&sources, vec![See("physics/lammps"), Type("/lam"), See("1 of 2 fit")]).await;
    assert!(drawn.contains("physics/lammps") && !drawn.contains("physics/gromacs"), "{drawn}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_deadline_a_hung_source_is_a_marked_line() {
    let sources = [("hung", Behaviour::Hangs), ("good", rows(&["physics/gromacs"]))];
    run(&sources, vec![See("✗ hung"), See("no answer within"), See("physics/gromacs")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_code_breaks_is_a_marked_line_too() {
    let sources = [("broken", Behaviour::Panics), ("failing", Behaviour::Fails), ("good", rows(&["physics/gromacs"]))];
    run(&sources, vec![See("✗ broken"), See("✗ failing"), See("physics/gromacs")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn escape_leaves_a_page_that_never_arrives() {
    let sources = [("stuck", Behaviour::ListsOnly(vec![fake::row("physics/gromacs", &["latest"])]))];
    run(
        &sources,
        vec![
            See("physics/gromacs"),
            Key(KeyCode::Enter),
            See("asking for"),
            Key(KeyCode::Esc),
            See("press / to filter"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_on_the_screen_are_looked_at_without_being_asked_to() {
    let sources = [("good", rows(&["physics/gromacs"]))];
    run(&sources, vec![See("physics/gromacs"), See("35.0 MiB")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_rows_in_one_list() {
    let names: Vec<String> = (0..20_000).map(|number| format!("project{:02}/image{number:05}", number % 50)).collect();
    let rows = Behaviour::Rows(names.iter().map(|name| fake::row(name, &["latest"])).collect());
    let steps =
        vec![See("20,000 images"), Key(KeyCode::End), See("project49/image19999"), Type("/19998"), See("1 of 20,000")];
    let drawn = run(&[("big", rows)], steps).await;
    assert!(drawn.contains("image19998"), "{drawn}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q_ends_the_loop() {
    let drawn = run(&[("a", rows(&["x/y"]))], vec![See("x/y"), Key(KeyCode::Char('q'))]).await;
    assert!(drawn.contains("Images"));
}

#[tokio::test]
async fn nothing_is_read_any_more_for_a_loop_that_has_ended() {
    let portal = Arc::new(fake::portal(&[("lab", Behaviour::Hangs)]));
    let mut jobs = Jobs::new(portal.clone());
    jobs.start(Effect::List(ListEffect::List { source: "lab".into(), query: None }));
    jobs.start(Effect::Health);
    tokio::task::yield_now().await;
    assert!(Arc::strong_count(&portal) > 2);
    drop(jobs);
    let ended = async {
        while Arc::strong_count(&portal) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the reads end with it");
}

#[tokio::test]
async fn an_image_whose_tags_are_not_listed_is_opened_by_a_tag_that_is_there() {
    let (home, registry) = (Home::new(), Scripted::new());
    for tag in ["1.0", "2.0"] {
        registry.image("physics/gromacs", Some(tag), tag);
    }
    let mut jobs = Jobs::new(lab::portal(&home, vec![lab::registry("lab", &registry.address)]));
    let row = |name: &str| ImageTarget::Row { source: "lab".into(), name: name.into(), tag: None };
    let open = |name: &str| Effect::Image(ImageEffect::Image { target: row(name), platform: None });
    jobs.start(open("physics/gromacs"));
    let Msg::Image(ImageNews::Instead(told)) = jobs.next().await else { panic!("nothing is told") };
    assert!(told.contains("no latest: this is 2.0, the last of 2 tags"), "{told}");
    let Msg::Image(ImageNews::Image(opened)) = jobs.next().await else { panic!("nothing is opened") };
    assert_eq!(opened.unwrap().reference.tag(), Some("2.0"));
    registry.image("physics/gromacs", Some("latest"), "newest");
    jobs.start(open("physics/gromacs"));
    let Msg::Image(ImageNews::Image(opened)) = jobs.next().await else { panic!("latest is what is meant") };
    assert!(opened.is_ok());
    jobs.start(open("physics/none"));
    let Msg::Image(ImageNews::Image(opened)) = jobs.next().await else { panic!("nothing is there") };
    assert_eq!(opened.unwrap_err().kind, Kind::NotFound);
}
