//! OpenVEX: what somebody says of vulnerabilities in this image.

use serde::Deserialize;
use serde_json::Value;

use super::{Each, Fold, Text, Vex, time};
use crate::core::{clean, findings::MOST_FINDINGS, record::Statement};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top {
    author: Text,
    timestamp: Text,
    statements: Each<Statements>,
}

#[derive(Default)]
struct Statements(Vec<Statement>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct One {
    vulnerability: Value,
    status: Text,
    justification: Text,
    impact_statement: Text,
    action_statement: Text,
}

/// A name alone in OpenVEX 0.0, an object with one since; without one, its identifier is a name.
fn name_of(vulnerability: &Value) -> &str {
    let names = [Some(vulnerability), vulnerability.get("name"), vulnerability.get("@id")];
    names.into_iter().flatten().filter_map(Value::as_str).find(|name| !name.is_empty()).unwrap_or_default()
}

impl Fold for Statements {
    type Item = One;
    fn take(&mut self, item: One) {
        if self.0.len() >= MOST_FINDINGS {
            return;
        }
        let why = [&*item.justification, &*item.impact_statement, &*item.action_statement];
        let why: Vec<&str> = why.into_iter().filter(|part| !part.is_empty()).collect();
        self.0.push(Statement {
            vulnerability: clean::short(name_of(&item.vulnerability), 60),
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
