//! A film of a minute: find, look, launch, share, ask, decide.

use crate::{
    svg::{DARK, Frame, film},
    terminal::{Person, Screen},
    written,
};

/// What is recorded so far.
struct Film<'a> {
    screen: Screen,
    frames: &'a mut Vec<Frame>,
    words: &'static str,
}

impl Film<'_> {
    /// Types keys one by one, like a person.
    fn types(&mut self, keys: &str) -> &mut Self {
        for key in keys.chars() {
            self.screen.type_keys(&key.to_string());
            std::thread::sleep(std::time::Duration::from_millis(150));
            self.stays(0.15)
        }
        self
    }

    /// Waits for words, and stays for so many seconds.
    fn sees(&mut self, words: &str, seconds: f32) -> &mut Self {
        self.screen.until(words);
        std::thread::sleep(std::time::Duration::from_millis(800));
        self.stays(seconds);
        self
    }

    fn stays(&mut self, seconds: f32) {
        self.frames.push(Frame { shot: self.screen.shot(), seconds, words: self.words.to_owned() });
    }
}

/// Records it.
pub(crate) fn make(ada: &Person, grace: &Person) {
    let mut frames = Vec::new();
    let mut by =
        Film { screen: Screen::open(ada, 110, 30), frames: &mut frames, words: "find: all sources in one list" };
    by.sees("alpine", 2.0).types("/samtools").sees("of", 2.0).types("\r");
    by.words = "look: may it run, who says so, what was found in it";
    by.types("\r").sees("Overview", 2.5).types("v").sees("✓ scanned", 3.5);
    by.words = "launch: the plan and its risks come first, L sends it";
    by.types("l").sees("What happens", 3.5).types("L").sees("launched", 3.0);
    by.words = "share: as a link that is pinned to the digest";
    by.types("1").sees("Images", 0.6).types("y").sees("wharf:", 3.0).types("\u{1b}");
    by.words = "ask: what the policy holds back is asked for";
    by.types("/\u{15}busybox\r")
        .sees("of", 0.8)
        .types("R")
        .sees("eason", 0.8)
        .types("for the thesis\r")
        .sees("request", 2.5);
    drop(by);
    grace.run(&["steward", "--once"]);
    let mut by = Film {
        screen: Screen::open(grace, 110, 30),
        frames: &mut frames,
        words: "decide: the evidence stands beside the request, and what each key does below it",
    };
    by.screen.until("alpine");
    by.types("6").sees("Requests", 0.5).types("\t").sees("busybox", 5.0);
    drop(by);
    written("film", &film("Wharf in a minute: find, look, launch, share, ask, decide", &frames, &DARK));
}
