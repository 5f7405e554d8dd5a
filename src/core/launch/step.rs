//! The steps of a launch as data: what a backend carries out, in this order, is what people were shown.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{clean, text};

/// The place in a path for the id that the answer to an earlier call has told.
pub const ID: &str = "{id}";

/// One step of a launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// Something is brought to where it is used, unless it is there.
    Prepare {
        /// What is brought, in words.
        what: String,
        /// Where it is brought, in words.
        to: String,
        /// At most so many bytes move: 0 where it is there already, `None` where that is unknown.
        bytes: Option<u64>,
        /// The steps that bring it without Wharf; none where only Wharf can.
        by: Vec<Step>,
    },
    /// Something is compared with what was pinned; a difference ends the launch.
    Compare {
        /// What is compared, in words.
        what: String,
        /// What it must be equal to.
        with: String,
    },
    /// A file is written.
    Write {
        /// Its path.
        path: String,
        /// Its whole content.
        text: String,
        /// Its permissions, as chmod takes them.
        mode: u32,
        /// The parts of the text that are filled in when it is written, in words; none where it is written as it is.
        completed: Vec<String>,
    },
    /// A program is run to its end, never by a shell.
    Run {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Its environment: `NAME=value`, or `NAME` for a variable that is passed on. There are no others.
        environment: Vec<String>,
    },
    /// A program is started that answers at a socket, unless one does already. It is not waited for.
    Serve {
        /// The program and its arguments.
        argv: Vec<String>,
        /// The path of the socket.
        socket: String,
    },
    /// A request is sent to a server.
    Send(Call),
    /// Wharf itself does it, called by these arguments.
    Wharf {
        /// The arguments, without the program.
        arguments: Vec<String>,
    },
    /// Something is waited for.
    Wait {
        /// Until when, in words.
        until: String,
    },
}

/// A request to a server. It never holds a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The HTTP method.
    pub method: String,
    /// The address of the server: a URL, or `unix:///path` for a socket.
    pub server: String,
    /// The path below that address, with its query. `{id}` stands for the id in the answer to the call before.
    pub path: String,
    /// The headers, besides the usual ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The header that holds the person's token; empty where the server wants none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// The JSON body, as it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The parts of the body that are filled in when it is sent, in words; none where it is sent as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub completed: Vec<String>,
}

impl Call {
    /// A request without a body, with the usual headers only.
    pub fn new(method: &str, server: &str, path: impl Into<String>) -> Self {
        Self { method: method.to_owned(), server: server.to_owned(), path: path.into(), ..Self::default() }
    }

    /// The same request with this JSON body.
    #[must_use]
    pub fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }
}

impl Step {
    /// A file that only its owner may read and change, written as it is.
    pub fn write(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Write { path: path.into(), text: text.into(), mode: 0o600, completed: Vec::new() }
    }

    /// The step in one line, for people to read. What comes from outside in it is cleaned.
    pub fn describe(&self) -> String {
        let line = match self {
            Self::Prepare { what, to, bytes, .. } => {
                let cost = match bytes {
                    Some(0) => "it is there".to_owned(),
                    Some(bytes) => format!("at most {} move", text::size(*bytes)),
                    None => "how much moves is unknown".to_owned(),
                };
                format!("prepare {what} in {to}: {cost}")
            }
            Self::Compare { what, with } => format!("compare {what} with {with}"),
            Self::Write { path, mode, completed, .. } => {
                format!("write {path} (permissions {mode:o}){}", filled_in(completed))
            }
            Self::Run { argv, .. } => format!("run {}", shown_words(argv)),
            Self::Serve { argv, socket } => format!("run {} unless it answers at {socket}", shown_words(argv)),
            Self::Wharf { arguments } => format!("run wharf {}", shown_words(arguments)),
            Self::Send(call) => {
                let headers: Vec<String> =
                    call.headers.iter().map(|(name, value)| format!(", {name}: {value}")).collect();
                let headers = headers.concat();
                format!("{} {}{headers}{}", call.method, call.path, filled_in(&call.completed))
            }
            Self::Wait { until } => format!("wait until {until}"),
        };
        clean::line(&line).into_owned()
    }

    /// The content of the file or the body of the request, over several lines, for people to read as it is sent; `None`
    /// where the line says all. Control characters are escaped.
    pub fn content(&self) -> Option<String> {
        let text = match self {
            Self::Write { text, .. } => text.trim_end().to_owned(),
            Self::Send(Call { body: Some(body), .. }) => serde_json::to_string_pretty(body).unwrap_or_default(),
            _ => return None,
        };
        Some(clean::json(&text).into_owned())
    }
}

/// What is filled in later, as the end of a line.
fn filled_in(parts: &[String]) -> String {
    if parts.is_empty() { String::new() } else { format!(", filled in then: {}", parts.join(", ")) }
}

/// The words of a command line, each as it is: those with a blank or a quote in them are quoted.
fn shown_words(argv: &[String]) -> String {
    let plain = |word: &str| !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || "\"'\\".contains(c));
    let shown = argv.iter().map(|word| if plain(word) { word.clone() } else { format!("{word:?}") });
    shown.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_told_in_one_line_without_control_characters() {
        let odd = "a\n\u{1b}[31mb";
        let steps = [
            Step::Prepare { what: odd.into(), to: odd.into(), bytes: Some(1 << 20), by: Vec::new() },
            Step::Compare { what: odd.into(), with: odd.into() },
            Step::write(odd, odd),
            Step::Run { argv: vec![odd.into()], environment: Vec::new() },
            Step::Serve { argv: vec![odd.into()], socket: odd.into() },
            Step::Wharf { arguments: vec![odd.into()] },
            Step::Send(Call::new("POST", "unix:///x", odd).body(serde_json::json!({ "a": odd }))),
            Step::Wait { until: odd.into() },
        ];
        for step in steps {
            let line = step.describe();
            assert!(!line.contains(char::is_control), "{line:?}");
            let content = step.content().unwrap_or_default();
            assert!(!content.contains(|c: char| c.is_control() && c != '\n'), "{content:?}");
        }
    }

    #[test]
    fn what_a_preparation_costs_is_told() {
        let told =
            |bytes| Step::Prepare { what: "5 layers".into(), to: "docker".into(), bytes, by: Vec::new() }.describe();
        assert_eq!(told(Some(0)), "prepare 5 layers in docker: it is there");
        assert_eq!(told(Some(1 << 20)), "prepare 5 layers in docker: at most 1.00 MiB move");
        assert!(told(None).ends_with("unknown"));
    }

    #[test]
    fn steps_are_kept_as_json_and_read_back() {
        let step =
            Step::Send(Call { token: "X-Auth-Token".into(), ..Call::new("POST", "https://cloud/v2.1/", "servers") });
        let kept = serde_json::to_value(&step).unwrap();
        assert_eq!((kept["step"].as_str(), kept["path"].as_str()), (Some("send"), Some("servers")));
        assert_eq!(serde_json::from_value::<Step>(kept).unwrap(), step);
    }
}
