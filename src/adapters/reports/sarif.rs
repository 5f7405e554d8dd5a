//! SARIF 2.1.0: findings as results, their severity in the rule's `security-severity` (a CVSS score) or the level.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Each, Fold, Packages, Raw, Report};
use crate::core::{clean, findings::Tally};

/// Rules and results that are held until both are known.
const MOST: usize = 200_000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top {
    runs: Each<Runs>,
}

#[derive(Default)]
struct Runs {
    tool: String,
    tally: Tally,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Run {
    tool: Tool,
    results: Each<Results>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    driver: Driver,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Driver {
    name: String,
    rules: Each<Rules>,
}

#[derive(Default)]
struct Rules(BTreeMap<String, f64>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rule {
    id: String,
    properties: Properties,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Properties {
    #[serde(rename = "security-severity")]
    score: serde_json::Value,
}

#[derive(Default)]
struct Results(Vec<Result>);

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Result {
    rule_id: String,
    level: String,
    message: Message,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    text: String,
}

impl Fold for Rules {
    type Item = Rule;
    fn take(&mut self, item: Rule) {
        let score = match &item.properties.score {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        };
        if let Some(score) = score.filter(|_| self.0.len() < MOST) {
            self.0.insert(clean::short(&item.id, 60), score);
        }
    }
}

impl Fold for Results {
    type Item = Result;
    fn take(&mut self, mut item: Result) {
        if self.0.len() < MOST {
            item.message.text = clean::short(&item.message.text, 160);
            self.0.push(item);
        }
    }
}

impl Fold for Runs {
    type Item = Run;
    fn take(&mut self, item: Run) {
        self.tool = clean::short(&item.tool.driver.name, 40);
        let Each(Rules(rules)) = item.tool.driver.rules;
        for result in item.results.0.0 {
            let id = clean::short(&result.rule_id, 60);
            let severity = match rules.get(&id) {
                Some(score) if *score >= 9.0 => "critical",
                Some(score) if *score >= 7.0 => "high",
                Some(score) if *score >= 4.0 => "medium",
                Some(_) => "low",
                None => &result.level,
            };
            let raw = Raw { severity, id: &id, source: "report", title: &result.message.text, ..Raw::default() };
            self.tally.add(raw.cleaned());
        }
    }
}

/// Reads one.
pub fn read(bytes: &[u8]) -> Option<Report> {
    let top: Top = serde_json::from_slice(bytes).ok()?;
    let Each(Runs { tool, tally }) = top.runs;
    Some(Report {
        tool: format!("SARIF of {tool}"),
        scanned: None,
        database: None,
        tally,
        packages: Packages::default(),
        counted: false,
    })
}
