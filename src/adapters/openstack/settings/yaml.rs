//! Reading YAML as people write it in `clouds.yaml`: values stay text, each with its line.
//!
//! YAML 1.1, as openstackclient reads it, with anchors and merge keys (`<<`, yaml.org/type/merge.html). What YAML would
//! turn into numbers or dates stays text, because ids and passwords may look like them.

use yaml_rust2::{
    Event,
    parser::Parser,
    scanner::{Marker, TScalarStyle},
};

/// Deepest nesting that is read.
const DEEPEST: usize = 40;
/// Most nodes of a file, counting each use of an anchor: a few lines of anchors could otherwise fill the memory.
const MOST: usize = 100_000;

/// A value and the line (from 1) where it begins.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub line: usize,
    pub value: Value,
}

/// A YAML value; scalars stay text.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// An empty value, `~` or `null`.
    Nothing,
    /// A scalar as it is written.
    Text(String),
    /// A sequence of values.
    List(Vec<Node>),
    /// A mapping, in which each key occurs once.
    Map(Vec<(String, Node)>),
}

/// Why a file cannot be read, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct YamlError {
    pub line: usize,
    pub why: String,
}

impl Node {
    /// The value of a key in a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(pairs) => pairs.iter().find(|(known, _)| known == key).map(|(_, node)| node),
            _ => None,
        }
    }
}

/// Reads the first document of a text.
pub(super) fn read(text: &str) -> Result<Node, YamlError> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: Vec::new(), left: MOST };
    loop {
        let (event, marker) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(Node { line: 1, value: Value::Nothing }),
            event => return reader.node(event, marker, 0),
        }
    }
}

struct Reader<'a> {
    parser: Parser<std::str::Chars<'a>>,
    anchors: Vec<(usize, Node)>,
    left: usize,
}

fn wrong(marker: Marker, why: &str) -> YamlError {
    YamlError { line: marker.line().max(1), why: why.to_owned() }
}

impl Reader<'_> {
    fn next(&mut self) -> Result<(Event, Marker), YamlError> {
        self.parser.next_token().map_err(|error| wrong(*error.marker(), error.info()))
    }

    fn count_nodes(&mut self, marker: Marker, count: usize) -> Result<(), YamlError> {
        self.left =
            self.left.checked_sub(count).ok_or_else(|| wrong(marker, "it is larger than any list of clouds"))?;
        Ok(())
    }

    fn node(&mut self, event: Event, marker: Marker, depth: usize) -> Result<Node, YamlError> {
        self.count_nodes(marker, 1)?;
        if depth > DEEPEST {
            return Err(wrong(marker, "it is deeper than any list of clouds"));
        }
        let line = marker.line().max(1);
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => (scalar(text, style), anchor),
            Event::SequenceStart(anchor, _) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, marker) => list.push(self.node(event, marker, depth + 1)?),
                    }
                }
                (Value::List(list), anchor)
            }
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => {
                let named = self.anchors.iter().rev().find(|(known, _)| *known == anchor).map(|(_, node)| node.clone());
                let named = named.ok_or_else(|| wrong(marker, "an anchor is used inside itself"))?;
                self.count_nodes(marker, count(&named))?;
                return Ok(named);
            }
            _ => return Err(wrong(marker, "something ends here that has not begun")),
        };
        let node = Node { line, value };
        if anchor > 0 {
            self.anchors.push((anchor, node.clone()));
        }
        Ok(node)
    }

    fn map(&mut self, depth: usize) -> Result<Value, YamlError> {
        let (mut own, mut merged) = (Vec::new(), Vec::new());
        loop {
            let (event, marker) = self.next()?;
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, anchor, _) => {
                    if anchor > 0 {
                        let value = scalar(text.clone(), style);
                        self.anchors.push((anchor, Node { line: marker.line(), value }));
                    }
                    Some((text, style))
                }
                // A sequence or mapping as a key has no meaning here; its value is skipped.
                event => match self.node(event, marker, depth + 1)?.value {
                    Value::Text(text) => Some((text, TScalarStyle::DoubleQuoted)),
                    _ => None,
                },
            };
            let (event, marker) = self.next()?;
            let node = self.node(event, marker, depth + 1)?;
            match key {
                Some((key, TScalarStyle::Plain)) if key == "<<" => merge(&mut merged, node, marker)?,
                Some((key, _)) => put(&mut own, key, node),
                None => {}
            }
        }
        // Values in the mapping itself take precedence over merged ones.
        for (key, node) in merged {
            if !own.iter().any(|(known, _)| *known == key) {
                own.push((key, node));
            }
        }
        Ok(Value::Map(own))
    }
}

/// Adds the value of `<<`: a mapping, or a sequence of mappings of which earlier ones take precedence.
fn merge(merged: &mut Vec<(String, Node)>, node: Node, marker: Marker) -> Result<(), YamlError> {
    match node.value {
        Value::Map(pairs) => pairs.into_iter().for_each(|(key, node)| {
            if !merged.iter().any(|(known, _)| *known == key) {
                merged.push((key, node));
            }
        }),
        Value::List(list) => {
            for node in list {
                merge(merged, node, marker)?;
            }
        }
        Value::Nothing => {}
        Value::Text(_) => return Err(wrong(marker, "'<<' wants what an anchor holds, not a text")),
    }
    Ok(())
}

/// The last of equal keys counts, as in openstackclient's reader.
fn put(pairs: &mut Vec<(String, Node)>, key: String, node: Node) {
    match pairs.iter_mut().find(|(known, _)| *known == key) {
        Some((_, old)) => *old = node,
        None => pairs.push((key, node)),
    }
}

fn count(node: &Node) -> usize {
    match &node.value {
        Value::List(list) => 1 + list.iter().map(count).sum::<usize>(),
        Value::Map(pairs) => 1 + pairs.iter().map(|(_, node)| count(node)).sum::<usize>(),
        _ => 1,
    }
}

fn scalar(text: String, style: TScalarStyle) -> Value {
    let nothing = style == TScalarStyle::Plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
    if nothing { Value::Nothing } else { Value::Text(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(node: &'a Node, path: &str) -> &'a Value {
        &path.split('.').fold(node, |node, key| node.get(key).unwrap_or_else(|| panic!("no {key} of {path}"))).value
    }

    fn text(node: &Node, path: &str) -> String {
        match at(node, path) {
            Value::Text(text) => text.clone(),
            _ => panic!("{path} is no text"),
        }
    }

    #[test]
    fn words_stay_as_they_are_written() {
        for word in ["1e3", "0012", "1_000", "yes", "No", "0x1F", "0b11", "12:30:45", "2024-01-01", "1.10", ".5", "+1"]
        {
            assert_eq!(text(&read(&format!("a: {word}")).unwrap(), "a"), word);
        }
        let quoted = read("a: 'null'\nb: \"~\"\nc: 'it''s'\nd: \"\\u0041\"\ne: |\n  two\n  lines\n").unwrap();
        let all: Vec<String> = ["a", "b", "c", "d", "e"].map(|key| text(&quoted, key)).into();
        assert_eq!(all, ["null", "~", "it's", "A", "two\nlines\n"]);
        for nothing in ["a:", "a: ~", "a: null", "a: NULL"] {
            assert!(matches!(at(&read(nothing).unwrap(), "a"), Value::Nothing), "{nothing}");
        }
    }

    #[test]
    fn merge_keys_bring_what_is_not_written_and_the_earlier_of_several_counts() {
        let read =
            read("one: &one {a: 1, b: 1}\ntwo: &two {b: 2, c: 2}\nof: {<<: [*one, *two], c: 3, <<: *two}\n").unwrap();
        assert_eq!(["of.a", "of.b", "of.c"].map(|path| text(&read, path)), ["1", "1", "3"]);
        assert!(super::read("a: {<<: text}").is_err());
        assert_eq!(text(&super::read("a: {'<<': text}").unwrap(), "a.<<"), "text");
    }

    #[test]
    fn what_cannot_be_read_says_its_line() {
        for (text, line) in [("a: 1\nb: [1\nc: 2\n", 3), ("a: 1\nb: *nobody\n", 2)] {
            assert_eq!(read(text).err().map(|wrong| wrong.line), Some(line), "{text}");
        }
    }

    #[test]
    fn anchors_that_multiply_are_an_error_before_they_fill_the_memory() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let uses = vec![format!("*a{}", n - 1); 10].join(", ");
            text += &format!("a{n}: &a{n} [{uses}]\n");
        }
        assert!(read(&text).is_err_and(|wrong| wrong.why.contains("larger")));
        assert!(read(&"[".repeat(5000)).is_err());
        assert!(read("a: &a [*a]").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[-\\[\\]{}:,&*<>~|'\"# \n\ta-c]{0,60}") { let _ = read(&text); }
    }
}
