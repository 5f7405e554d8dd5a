//! Making the instance of a launch, and why there may be none.

use std::time::{Duration, Instant};

use super::spec::Place;
use crate::shared::exec;
use wharf_core::base::{clean, error::Result};

/// How often an instance is asked for: on a busy machine Apptainer 1.4 gives up on about one in twenty-five, as the
/// signals of its own processes cross (its `starter` ends with the number of SIGCONT), and makes the next.
const TRIES: usize = 4;
/// How long to wait for an instance that was made to be found, and the pause between two looks.
const APPEARS: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);
/// What Apptainer says of an image in which nothing can wait: its script for instances needs a shell.
const NEEDS_SHELL: &str = "/.singularity.d/actions/start failed";
/// The most characters of Apptainer's reason.
const REASON: usize = 200;

/// Runs one of Apptainer's commands to its end.
pub(super) type Call<'call> = &'call dyn Fn(&[String]) -> Result<exec::Output>;

/// The commands of an instance.
pub(super) struct Instance<'words> {
    /// Makes it.
    pub start: &'words [String],
    /// Tells whether it is there.
    pub look: &'words [String],
    /// Removes it.
    pub stop: &'words [String],
}

impl Instance<'_> {
    /// Makes the instance; where that cannot be, the place says why. `may_be` is told whether there may be one to remove.
    ///
    /// # Errors
    /// If a command cannot be run or does not end.
    pub(super) fn make(&self, call: Call<'_>, may_be: &dyn Fn(bool)) -> Result<Place> {
        let mut why = String::new();
        for attempt in 1..=TRIES {
            if attempt > 1 {
                // A name that is taken is refused, whatever it was that stayed of the last attempt.
                let _ = call(self.stop);
            }
            may_be(true);
            let made = call(self.start)?;
            if made.code == 0 {
                if self.appears(call)? {
                    return Ok(Place { instance: true, why: String::new() });
                }
                why = String::from("Apptainer has made its instance, but does not list it");
                continue;
            }
            may_be(false);
            why = reason(&made.stderr);
            if made.stderr.contains(NEEDS_SHELL) {
                break;
            }
            tracing::warn!(attempt, %why, "an instance was not made");
        }
        Ok(Place { instance: false, why })
    }

    /// Whether the instance is found. On a busy machine that is a moment after it was made.
    fn appears(&self, call: Call<'_>) -> Result<bool> {
        let end = Instant::now() + APPEARS;
        loop {
            if is_listed(&call(self.look)?.stdout) {
                return Ok(true);
            }
            if Instant::now() >= end {
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Why there is no instance, from what Apptainer said of it.
fn reason(said: &str) -> String {
    if said.contains(NEEDS_SHELL) {
        return "its image has no shell, so Apptainer has made no instance of it".to_owned();
    }
    let last = said.lines().rfind(|line| line.starts_with("FATAL:")).or_else(|| said.lines().next_back());
    match last.map(|line| line.trim_start_matches("FATAL:").trim()).filter(|line| !line.is_empty()) {
        Some(line) => format!("Apptainer has made no instance of it: {}", clean::short(line, REASON)),
        None => "Apptainer has made no instance of it, and has not said why".to_owned(),
    }
}

/// Whether the answer of `instance list --json NAME` names an instance.
fn is_listed(answer: &[u8]) -> bool {
    let told: Option<serde_json::Value> = serde_json::from_slice(answer).ok();
    told.and_then(|told| Some(!told.get("instances")?.as_array()?.is_empty())).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    const CROSSED: &str = "FATAL:   while executing starter: failed to start instance: while running \
                           /usr/lib/apptainer/bin/starter: exit status 146\n";
    const SHELL: &str = "FATAL:   exec /.singularity.d/actions/start failed: fork/exec /.singularity.d/actions/start: \
                         no such file or directory\nERROR:   container cleanup failed: no instance found with name i\n\
                         \nFATAL:   while executing starter: failed to start instance: exit status 255\n";

    /// Makes an instance whose attempts end like this; gives the place, what was called, and whether one may be there.
    fn made(attempts: &[(i32, &str)]) -> (Place, String, bool) {
        let (called, next, may_be) = (RefCell::new(Vec::new()), Cell::new(0), Cell::new(false));
        let call = |words: &[String]| {
            called.borrow_mut().push(words[0].clone());
            let (code, said) = if words[0] == "start" { attempts[next.replace(next.get() + 1)] } else { (0, "") };
            let stdout = br#"{"instances": [{"instance": "i"}]}"#.to_vec();
            Ok(exec::Output { code, stdout, stderr: said.to_owned() })
        };
        let [start, look, stop] = ["start", "look", "stop"].map(|word| vec![word.to_owned()]);
        let instance = Instance { start: &start, look: &look, stop: &stop };
        let place = instance.make(&call, &|there| may_be.set(there)).unwrap();
        (place, called.into_inner().join(" "), may_be.get())
    }

    #[test]
    fn an_instance_is_there_when_it_is_listed() {
        assert!(is_listed(br#"{"instances": [{"instance": "wharf-1", "pid": 7}]}"#));
        for none in [r#"{"instances": []}"#, r#"{"instances": null}"#, "", "[]"] {
            assert!(!is_listed(none.as_bytes()), "{none}");
        }
    }

    #[test]
    fn what_a_busy_machine_refuses_is_tried_again() {
        let (place, called, may_be) = made(&[(255, CROSSED), (255, CROSSED), (0, "")]);
        assert!(place.instance && may_be);
        assert_eq!(called, "start stop start stop start look");
        let (place, called, may_be) = made(&[(255, CROSSED); TRIES]);
        assert!(!place.instance && !may_be, "{called}");
        assert!(place.why.ends_with("exit status 146"), "{}", place.why);
    }

    #[test]
    fn an_image_without_a_shell_is_asked_once() {
        let (place, called, _) = made(&[(255, SHELL)]);
        assert_eq!((place.instance, called.as_str()), (false, "start"));
        assert!(place.why.contains("no shell"), "{}", place.why);
    }

    #[test]
    fn reasons_are_one_short_clean_line() {
        assert!(reason("").contains("has not said why"));
        let long = format!("INFO: a\nFATAL:   \u{1b}[31m{}\nINFO: b\n", "x".repeat(9000));
        assert!(!reason(&long).contains('\u{1b}') && reason(&long).chars().count() < 300, "{}", reason(&long));
    }
}
