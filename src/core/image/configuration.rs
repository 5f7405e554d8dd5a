//! The configuration of a container image (OCI image specification 1.1, config.md; Docker image 1.2), read as far as
//! possible.
//!
//! In published images, fields may be null, missing or of another type. `null` counts as absent; fields that cannot be
//! read are named, so that they do not look absent: an image with an unreadable user is not an image without one.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    document,
    model::{Foreign, RunConfig},
    platform::Platform,
};
use crate::base::{clean, digest::Digest, text};

/// Most labels, ports, volumes and steps that are read.
const MOST: usize = 500;

/// The content of an image's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// The platform that it is built for, if it says so.
    pub platform: Option<Platform>,
    /// When it was built, in seconds since 1970.
    pub created: Option<i64>,
    /// How it is run: user, command, environment and the like.
    pub run: RunConfig,
    /// The steps of the build, and whether a step made no layer.
    pub history: Vec<(String, bool)>,
    /// The digests of its uncompressed layers, in order.
    pub diff_ids: Vec<Digest>,
}

/// Reads fields one by one and keeps the names of those that cannot be read.
struct Reader {
    unread: Vec<String>,
}

impl Reader {
    /// A field of this type; `None` if it is absent, `null`, or of another type.
    fn field<'a, T>(
        &mut self,
        of: &'a Map<String, Value>,
        (within, name): (&str, &str),
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = of.get(name).filter(|value| !value.is_null())?;
        let found = read(value);
        if found.is_none() {
            self.unread.push(format!("{within}{name}"));
        }
        found
    }

    fn text<'a>(&mut self, of: &'a Map<String, Value>, name: (&str, &str)) -> &'a str {
        self.field(of, name, Value::as_str).unwrap_or_default()
    }

    /// A list of texts. A single text is a list of one, as in Docker's own reader.
    fn list(&mut self, of: &Map<String, Value>, name: (&str, &str)) -> Vec<Foreign> {
        let texts = |value: &Value| match value {
            Value::String(one) => Some(vec![Foreign::new(one)]),
            Value::Array(all) => all.iter().map(|one| one.as_str().map(Foreign::new)).collect(),
            _ => None,
        };
        self.field(of, name, texts).unwrap_or_default()
    }

    /// The names in a set like `{"80/tcp": {}}`, whatever their values are.
    fn names(&mut self, of: &Map<String, Value>, name: (&str, &str)) -> Vec<String> {
        let keys = |value: &Value| {
            value.as_object().map(|all| all.keys().take(MOST).map(|key| clean::short(key, 400)).collect())
        };
        self.field(of, name, keys).unwrap_or_default()
    }

    fn labels(&mut self, of: &Map<String, Value>, name: (&str, &str)) -> BTreeMap<String, String> {
        let Some(all) = self.field(of, name, Value::as_object) else { return BTreeMap::new() };
        let mut labels = BTreeMap::new();
        for (key, value) in all.iter().take(MOST) {
            match value {
                Value::Null => labels.insert(clean::short(key, 200), String::new()),
                Value::String(value) => labels.insert(clean::short(key, 200), clean::short(value, 4000)),
                _ => {
                    self.unread.push(format!("{}{}.{}", name.0, name.1, clean::short(key, 60)));
                    continue;
                }
            };
        }
        labels
    }

    fn run(&mut self, config: &Map<String, Value>) -> RunConfig {
        let within = "config.";
        RunConfig {
            entrypoint: self.list(config, (within, "Entrypoint")),
            command: self.list(config, (within, "Cmd")),
            user: Foreign::new(self.text(config, (within, "User"))),
            environment: self.list(config, (within, "Env")),
            ports: self.names(config, (within, "ExposedPorts")),
            volumes: self.names(config, (within, "Volumes")),
            working_dir: Foreign::new(self.text(config, (within, "WorkingDir"))),
            labels: self.labels(config, (within, "Labels")),
            unread: Vec::new(),
        }
    }

    fn steps(&mut self, whole: &Map<String, Value>) -> Vec<(String, bool)> {
        let all = self.field(whole, ("", "history"), Value::as_array).map_or(&[][..], Vec::as_slice);
        all.iter()
            .take(MOST)
            .map(|step| {
                let said = |name: &str| step.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
                let words = said("created_by").or_else(|| said("comment")).unwrap_or_default();
                let empty = step.get("empty_layer").and_then(Value::as_bool).unwrap_or(false);
                (clean::short(words, 2000), empty)
            })
            .collect()
    }
}

impl Configuration {
    /// Reads a configuration; `None` if the bytes are none: an artifact (a chart, an SBOM, a signature) has a document
    /// of its own there, or nothing.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let Ok(Value::Object(whole)) = document::parse::<Value>(bytes) else { return None };
        let has = |name: &str| whole.contains_key(name);
        let of_image = has("rootfs") || (has("os") && has("architecture")) || (has("config") && has("history"));
        if !of_image {
            return None;
        }
        let mut reader = Reader { unread: Vec::new() };
        let variant = reader.text(&whole, ("", "variant")).to_owned();
        let os = clean::short(reader.text(&whole, ("", "os")), 32);
        let architecture = clean::short(reader.text(&whole, ("", "architecture")), 32);
        let variant = Some(clean::short(&variant, 16)).filter(|variant| !variant.is_empty());
        let platform =
            (!os.is_empty() && !architecture.is_empty()).then(|| Platform::new(&os, &architecture, variant.as_deref()));
        let created = reader.field(&whole, ("", "created"), Value::as_str).and_then(text::parse_timestamp);
        let empty = Map::new();
        let config = reader.field(&whole, ("", "config"), Value::as_object).unwrap_or(&empty);
        let mut run = reader.run(config);
        let history = reader.steps(&whole);
        let rootfs = reader.field(&whole, ("", "rootfs"), Value::as_object).unwrap_or(&empty);
        let ids = |value: &Value| {
            let all = value.as_array()?.iter();
            all.map(|id| id.as_str().and_then(|id| id.parse::<Digest>().ok())).collect::<Option<Vec<_>>>()
        };
        let diff_ids = reader.field(rootfs, ("rootfs.", "diff_ids"), ids).unwrap_or_default();
        run.unread = reader.unread;
        Some(Self { platform, created, run, history, diff_ids })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn whole() -> Value {
        json!({
            "architecture": "arm64", "os": "linux", "variant": "v8", "created": "2020-01-02T03:04:05Z",
            "config": {
                "User": "7:8", "Cmd": ["a", "b"], "Entrypoint": ["/e"], "Env": ["A=1"], "WorkingDir": "/w",
                "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "Labels": {"l": "1"}, "StopSignal": "SIGTERM"
            },
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(b"x").to_string()]},
            "history": [{"created_by": "step"}, {"created_by": "none", "empty_layer": true}]
        })
    }

    fn parse(value: &Value) -> Configuration {
        Configuration::parse(value.to_string().as_bytes()).unwrap()
    }

    /// All optional fields of the specification: how each is found, and what else may change with it.
    const FIELDS: [&str; 16] = [
        "/created",
        "/variant",
        "/config",
        "/config/User",
        "/config/Cmd",
        "/config/Entrypoint",
        "/config/Env",
        "/config/WorkingDir",
        "/config/ExposedPorts",
        "/config/Volumes",
        "/config/Labels",
        "/config/StopSignal",
        "/rootfs",
        "/rootfs/type",
        "/rootfs/diff_ids",
        "/history",
    ];

    #[test]
    fn a_field_that_is_null_is_absent_and_changes_no_other() {
        let good = parse(&whole());
        assert!(good.run.unread.is_empty() && good.diff_ids.len() == 1, "{good:?}");
        for field in FIELDS {
            let mut odd = whole();
            *odd.pointer_mut(field).unwrap() = Value::Null;
            let said = parse(&odd);
            assert!(said.run.unread.is_empty(), "{field}: {:?}", said.run.unread);
            if !["/config", "/config/User"].contains(&field) {
                assert_eq!(said.run.user, good.run.user, "{field}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_field_of_another_type_is_named_and_changes_no_other(
            at in 0..FIELDS.len(),
            other in prop_oneof![Just(json!(7)), Just(json!(true)), Just(json!([1])), Just(json!([[]]))],
        ) {
            let field = FIELDS[at];
            let mut odd = whole();
            *odd.pointer_mut(field).unwrap() = other;
            let (good, said) = (parse(&whole()), parse(&odd));
            let name = field.trim_start_matches('/').replace('/', ".");
            // Fields that are not used may have any value, and steps are words for people.
            if !["config.StopSignal", "rootfs.type", "history"].contains(&name.as_str()) {
                prop_assert_eq!(&said.run.unread, &vec![name.clone()]);
            }
            if !name.starts_with("config") {
                let run = RunConfig { unread: Vec::new(), ..said.run.clone() };
                prop_assert_eq!(run, good.run);
            } else if name != "config" && name != "config.User" {
                prop_assert_eq!(said.run.user, good.run.user);
            }
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Configuration::parse(&bytes);
        }
    }

    #[test]
    fn one_text_is_a_list_of_one_and_values_of_sets_are_nothing() {
        let mut odd = whole();
        odd["config"]["Entrypoint"] = json!("/bin/id");
        odd["config"]["Volumes"] = json!({"/data": null});
        odd["config"]["Labels"] = json!({"a": null, "b": 1, "c": "2"});
        let said = parse(&odd);
        assert_eq!(said.run.entrypoint, [Foreign::new("/bin/id")]);
        assert_eq!(said.run.volumes, ["/data"]);
        assert_eq!(said.run.labels.len(), 2);
        assert_eq!(said.run.unread, ["config.Labels.b"]);
    }

    #[test]
    fn what_artifacts_have_instead_is_no_configuration() {
        for other in ["{}", r#"{"name":"chart","version":"1"}"#, "[]", "", "null", r#"{"mediaType":"x"}"#] {
            assert_eq!(Configuration::parse(other.as_bytes()), None, "{other}");
        }
    }
}
