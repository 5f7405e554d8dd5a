//! OpenVEX: what somebody says of vulnerabilities in this image.

use serde::Deserialize;

use super::{Each, Fold, Vex, time};
use crate::core::{clean, findings::MOST_FINDINGS, record::Statement};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top {
    author: String,
    timestamp: String,
    statements: Each<Statements>,
}

#[derive(Default)]
struct Statements(Vec<Statement>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct One {
    vulnerability: Named,
    status: String,
    justification: String,
    impact_statement: String,
    action_statement: String,
}

/// A name alone in OpenVEX 0.0, an object with one since.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Bare(String),
    Full {
        #[serde(default)]
        name: String,
    },
}

impl Default for Named {
    fn default() -> Self {
        Self::Bare(String::new())
    }
}

impl Fold for Statements {
    type Item = One;
    fn take(&mut self, item: One) {
        if self.0.len() >= MOST_FINDINGS {
            return;
        }
        let (Named::Bare(name) | Named::Full { name }) = item.vulnerability;
        let why = [item.justification, item.impact_statement, item.action_statement];
        let why: Vec<String> = why.into_iter().filter(|part| !part.is_empty()).collect();
        self.0.push(Statement {
            vulnerability: clean::short(&name, 60),
            status: clean::short(&item.status, 30),
            why: clean::short(&why.join(": "), 200),
        });
    }
}

/// Reads one.
pub fn read(bytes: &[u8]) -> Option<Vex> {
    let top: Top = serde_json::from_slice(bytes).ok()?;
    let author = clean::short(&top.author, 80);
    Some(Vex { author, made: time(&top.timestamp), statements: top.statements.0.0 })
}
