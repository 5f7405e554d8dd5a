//! SARIF 2.1.0: findings are results; their severity is the rule's `security-severity` (a CVSS score), or the level.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    lax::{Fold, Lenient, LenientArray, StreamedArray, Text},
    model::{Packages, Raw, Report, word_of_score},
};
use wharf_core::{base::clean, evidence::findings::Tally};

/// Most rules and results that are kept until both are known.
const MOST: usize = 200_000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top {
    runs: StreamedArray<Runs>,
}

#[derive(Default)]
struct Runs {
    tool: String,
    tally: Tally,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Run {
    tool: Lenient<Tool>,
    results: StreamedArray<Results>,
}

/// The scanner and its extensions (sections 3.18, 3.19).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    driver: Lenient<Component>,
    extensions: LenientArray<Extensions>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Component {
    name: Text,
    rules: StreamedArray<Rules>,
}

#[derive(Default)]
struct Extensions(Vec<Rules>);

/// The rules in their order, and their positions by id.
#[derive(Default)]
struct Rules {
    all: Vec<Known>,
    by_id: BTreeMap<String, usize>,
}

/// What is kept of a rule.
#[derive(Default)]
struct Known {
    id: String,
    score: Option<f64>,
    level: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Rule {
    id: Text,
    properties: Lenient<Properties>,
    default_configuration: Lenient<Configuration>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Properties {
    #[serde(rename = "security-severity")]
    score: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Configuration {
    level: Text,
}

#[derive(Default)]
struct Results(Vec<Finding>);

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Finding {
    rule_id: Text,
    rule_index: Option<serde_json::Value>,
    rule: Lenient<Pointer>,
    kind: Text,
    level: Text,
    baseline_state: Text,
    message: Lenient<Message>,
    suppressions: LenientArray<Suppressions>,
}

/// A reference to a result's rule (section 3.52).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Pointer {
    id: Text,
    index: Option<serde_json::Value>,
    tool_component: Lenient<Extension>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extension {
    index: Option<serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    text: Text,
}

/// The number of suppressions, and how many of them are not accepted.
#[derive(Default)]
struct Suppressions {
    all: usize,
    open: usize,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Suppression {
    status: Text,
}

impl Fold for Rules {
    type Item = Rule;
    fn add(&mut self, item: Rule) {
        if self.all.len() < MOST {
            let id = clean::short(&item.id, 60);
            self.by_id.entry(id.clone()).or_insert(self.all.len());
            let score = item.properties.score.parse().ok().filter(|score: &f64| score.is_finite());
            self.all.push(Known { id, score, level: clean::short(&item.default_configuration.level, 20) });
        }
    }
}

impl Fold for Extensions {
    type Item = Component;
    fn add(&mut self, item: Component) {
        if self.0.len() < 100 {
            self.0.push(item.rules.0);
        }
    }
}

impl Fold for Results {
    type Item = Finding;
    fn add(&mut self, mut item: Finding) {
        if self.0.len() < MOST {
            item.message.0.text = Text(clean::short(&item.message.text, 160));
            self.0.push(item);
        }
    }
}

impl Fold for Suppressions {
    type Item = Suppression;
    fn add(&mut self, item: Suppression) {
        self.all += 1;
        // A suppression without a status is accepted (section 3.35.3).
        self.open += usize::from(!matches!(&*item.status, "" | "accepted"));
    }
}

impl Finding {
    /// Whether the result is a weakness: not one that passed, is gone, or was suppressed (sections 3.27.9, 3.27.23,
    /// 3.27.24).
    fn counts(&self) -> bool {
        let suppressed = self.suppressions.0.all > 0 && self.suppressions.0.open == 0;
        !suppressed
            && &*self.baseline_state != "absent"
            && !matches!(&*self.kind, "pass" | "notApplicable" | "informational")
    }

    /// The result's rule, by its position, else by its id, which may continue after that of its rule (section 3.27.5).
    fn rule<'a>(&self, driver: &'a Rules, extensions: &'a [Rules]) -> Option<&'a Known> {
        let number = |value: &Option<serde_json::Value>| {
            value.as_ref().and_then(serde_json::Value::as_u64).and_then(|number| usize::try_from(number).ok())
        };
        let rules = match number(&self.rule.tool_component.index) {
            Some(index) => extensions.get(index)?,
            None => driver,
        };
        let index = number(&self.rule_index).or_else(|| number(&self.rule.index));
        let known = index.and_then(|index| rules.all.get(index));
        known.or_else(|| {
            let mut id = self.name();
            loop {
                let found = std::iter::once(rules)
                    .chain(extensions)
                    .find_map(|rules| rules.by_id.get(&clean::short(id, 60)).and_then(|index| rules.all.get(*index)));
                match (found, id.rsplit_once('/')) {
                    (None, Some((before, _))) => id = before,
                    (found, _) => return found,
                }
            }
        })
    }

    fn name(&self) -> &str {
        if self.rule_id.is_empty() { &self.rule.id } else { &self.rule_id }
    }
}

impl Fold for Runs {
    type Item = Run;
    fn add(&mut self, item: Run) {
        let Lenient(Tool { driver: Lenient(driver), extensions }) = item.tool;
        self.tool = clean::short(&driver.name, 40);
        let (rules, extensions) = (driver.rules.0, extensions.0.0);
        for result in item.results.0.0.iter().filter(|result| result.counts()) {
            let rule = result.rule(&rules, &extensions);
            let severity = match rule.and_then(|rule| rule.score) {
                Some(score) => word_of_score(score),
                None if !result.level.is_empty() => &result.level,
                // A rule without a level means a warning (section 3.27.10). Without a rule, nothing is known.
                None => rule.map_or("", |rule| if rule.level.is_empty() { "warning" } else { &rule.level }),
            };
            let id = if result.name().is_empty() { rule.map_or("", |rule| &rule.id) } else { result.name() };
            let raw = Raw { severity, id, source: "report", title: &result.message.text, ..Raw::default() };
            self.tally.add(raw.cleaned());
        }
    }
}

/// Reads a report; `None` if it is none.
pub(super) fn read(bytes: &[u8]) -> Option<Report> {
    let top: Top = serde_json::from_slice(bytes).ok()?;
    let StreamedArray(Runs { tool, tally }) = top.runs;
    Some(Report {
        tool: format!("SARIF of {tool}"),
        scanned: None,
        database: None,
        tally,
        packages: Packages::default(),
        counted: false,
    })
}
