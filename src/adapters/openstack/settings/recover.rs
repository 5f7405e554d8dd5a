//! Reading a file in which one entry is not valid YAML: the other entries are read nevertheless.

use super::{
    model::SettingsFault,
    yaml::{self, Node, YamlError},
};

/// Reads a file, entry by entry if the whole is not valid YAML; returns what can be read and the faults. `group` is the
/// key that the entries are under.
pub(super) fn read(text: &str, place: &str, group: &str) -> (Option<Node>, Vec<SettingsFault>) {
    let whole = match yaml::read(text) {
        Ok(node) => return (Some(node), Vec::new()),
        Err(wrong) => wrong,
    };
    let lines: Vec<&str> = text.lines().collect();
    let mut kept: Vec<&str> = lines.clone();
    let mut troubles = Vec::new();
    for (name, from, to) in entries(&lines, group) {
        // Empty lines come before it so that line numbers are right; an anchor in another entry is no fault.
        let alone = format!("{}{group}:\n{}\n", "\n".repeat(from.saturating_sub(1)), lines[from..to].join("\n"));
        match yaml::read(&alone) {
            Err(wrong) if !wrong.why.contains("unknown anchor") => {
                troubles.push(trouble(place, &wrong, Some(&name)));
                kept[from..to].fill("");
            }
            _ => {}
        }
    }
    match yaml::read(&kept.join("\n")) {
        Ok(node) if !troubles.is_empty() => (Some(node), troubles),
        _ => (None, vec![trouble(place, &whole, None)]),
    }
}

fn trouble(place: &str, wrong: &YamlError, name: Option<&str>) -> SettingsFault {
    let why = match name {
        Some(name) => format!("the entry '{name}' is not YAML: {}", wrong.why),
        None => format!("it is not YAML: {}", wrong.why),
    };
    SettingsFault { place: format!("{place}, line {}", wrong.line), why, cloud: name.map(str::to_owned) }
}

/// The names and lines (from, to) of the entries under a top-level key, found by their indentation.
fn entries(lines: &[&str], group: &str) -> Vec<(String, usize, usize)> {
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    // A tab is no indentation in YAML, and begins no entry.
    let indent = |line: &str| match line.trim_start_matches(' ') {
        rest if rest.starts_with('\t') => usize::MAX,
        rest => line.len() - rest.len(),
    };
    let Some(head) = lines.iter().position(|line| line.trim_end() == format!("{group}:")) else { return Vec::new() };
    let Some(depth) = lines[head + 1..].iter().find(|line| !is_blank(line)).map(|line| indent(line)) else {
        return Vec::new();
    };
    let mut found: Vec<(String, usize, usize)> = Vec::new();
    for (at, line) in lines.iter().enumerate().skip(head + 1).filter(|(_, line)| !is_blank(line)) {
        if depth == 0 || indent(line) < depth {
            break;
        }
        if indent(line) == depth {
            let name = line.trim().split(':').next().unwrap_or("").trim_matches(['"', '\'']);
            found.push((name.to_owned(), at, at + 1));
        } else if let Some(last) = found.last_mut() {
            last.2 = at + 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_not_yaml_is_named_with_its_line_and_the_others_are_read() {
        let text = "x: &x {a: 1}\nclouds:\n  good:\n    <<: *x\n  bad:\n    auth: {a: 1\n    b: [\n  # note\n  fine:\n    b: 2\n";
        let (node, troubles) = read(text, "clouds.yaml", "clouds");
        let node = node.unwrap_or_else(|| panic!("{troubles:?}"));
        let clouds = node.get("clouds").unwrap();
        assert!(clouds.get("good").and_then(|good| good.get("a")).is_some() && clouds.get("fine").is_some());
        assert_eq!(troubles.len(), 1);
        assert!(troubles[0].why.contains("'bad'"), "{troubles:?}");
        let tab = read("clouds:\n  a:\n    b: 1\n  c:\n\t  d: 1\n", "f", "clouds");
        assert!(tab.0.unwrap().get("clouds").unwrap().get("a").is_some());
        assert!(tab.1[0].why.contains("'c'"), "{:?}", tab.1);
    }

    #[test]
    fn a_file_that_is_wrong_as_a_whole_says_where() {
        let (node, troubles) = read("a: [\nb\n", "f", "clouds");
        assert!(node.is_none() && troubles[0].place.starts_with("f, line"));
    }
}
