//! One configuration file: its format, and how it is applied over what was read before.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use super::{entries::entries, tilde};
use wharf_core::{
    base::{
        clean,
        error::{Error, Kind, Result},
        mistakes::{self, Mistake},
        small_file,
        text::line_of,
    },
    config::{
        ChartSetting, Config, ConfigEntry, EntryKinds, GlyphSetting, KnownFetch, List, MirrorSettings, Notify,
        Requests, Supplier, TransferSettings,
    },
    launch::{preset::Preset, rules::FormRules},
    policy::Policy,
};

/// A configuration file as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    person: Option<String>,
    theme: Option<String>,
    keymap: Option<PathBuf>,
    mouse: Option<bool>,
    glyphs: Option<GlyphSetting>,
    plain: Option<bool>,
    charts: Option<ChartSetting>,
    discover: Option<bool>,
    secret_file: Option<bool>,
    image_folders: Option<Vec<PathBuf>>,
    cache_dir: Option<PathBuf>,
    state_dir: Option<PathBuf>,
    filters: BTreeMap<String, String>,
    source: Vec<toml::Table>,
    backend: Vec<toml::Table>,
    policy: Option<Policy>,
    requests: Option<Requests>,
    transfers: Option<TransferSettings>,
    mirror: Option<MirrorSettings>,
    notify: Option<Notify>,
    supplier: Vec<Supplier>,
    form: Vec<Spanned<FormRules>>,
    preset: Vec<Spanned<Preset>>,
    fetch: Vec<Spanned<KnownFetch>>,
    mail: Option<String>,
    link_key: Option<String>,
}

/// A whole file, with its source and backend entries, whose settings the adapters read.
struct WholeFile {
    file: File,
    sources: Vec<ConfigEntry>,
    backends: Vec<ConfigEntry>,
}

/// Parses a file, or reports all mistakes in it at once.
fn parse(text: &str, path: &Path, kinds: &EntryKinds) -> Result<WholeFile> {
    let (file, mut wrong) = mistakes::parse::<File>(text);
    let (sources, of_sources) = entries(text, path, List::Source, kinds);
    let (backends, of_backends) = entries(text, path, List::Backend, kinds);
    wrong.extend(of_sources.into_iter().chain(of_backends));
    wrong.extend(tilde::mistakes(text));
    wrong.extend(file.iter().flat_map(|file| launch_mistakes(file, text)));
    wrong.sort_by_key(|mistake| mistake.line);
    let Some(first) = wrong.first() else {
        return Ok(WholeFile { file: file.unwrap_or_default(), sources, backends });
    };
    let left = wrong.len().saturating_sub(mistakes::MOST);
    let more =
        wrong.iter().take(mistakes::MOST).skip(1).map(|mistake| format!("; line {}: {}", mistake.line, mistake.words));
    let rest = if left > 0 { format!("; and {left} more") } else { String::new() };
    let why = format!("{}{}{rest}", first.words, more.collect::<String>());
    let lines = if wrong.len() == 1 { "correct that line" } else { "correct these lines" };
    Err(Error::new(Kind::Usage, format!("{}:{}", path.display(), first.line), why)
        .hint(format!("{lines}; 'wharf --help' names the manual page with all settings")))
}

/// What is wrong with the entries about launches, each with the line of its entry.
fn launch_mistakes(file: &File, text: &str) -> Vec<Mistake> {
    let mistake = |at: usize, words: String| Mistake { line: line_of(text, Some(at)), words };
    let mut wrong = Vec::new();
    for rules in &file.form {
        let (at, rules) = (rules.span().start, rules.get_ref());
        if rules.backend.is_empty() {
            wrong.push(mistake(at, "form: backend is empty".to_owned()));
        }
        let contradictions = rules.field.iter().filter_map(|(key, rule)| Some((key, rule.mistake()?)));
        wrong.extend(
            contradictions.map(|(key, why)| mistake(at, format!("form: field {}: {why}", clean::short(key, 40)))),
        );
    }
    for known in &file.fetch {
        let (at, known) = (known.span().start, known.get_ref());
        if known.name.is_empty() || known.name.contains(char::is_whitespace) || known.name.contains("://") {
            wrong.push(mistake(at, "fetch: name is one word".to_owned()));
        }
        if !known.url.contains("://") {
            wrong.push(mistake(at, "fetch: url is the address of a file".to_owned()));
        }
    }
    for preset in &file.preset {
        wrong.extend(preset.get_ref().mistake().map(|why| mistake(preset.span().start, format!("preset: {why}"))));
    }
    wrong
}

/// Applies a file over what was read before.
///
/// # Errors
/// [`Kind::Usage`] where it cannot be read, or with all mistakes in it, each with its line.
pub(super) fn apply(config: &mut Config, path: &Path, kinds: &EntryKinds) -> Result<()> {
    let what = format!("read {}", path.display());
    let text = small_file::text(path)
        .map_err(|error| Error::new(Kind::Usage, &what, error.to_string()).hint("check the path and its rights"))?;
    let WholeFile { file, sources, backends } = parse(&text, path, kinds)?;
    let base = path.parent().unwrap_or(Path::new("."));
    let absolute = |relative: PathBuf| if relative.is_absolute() { relative } else { base.join(relative) };
    set(&mut config.person, file.person);
    set(&mut config.theme, file.theme);
    set(&mut config.mouse, file.mouse);
    set(&mut config.glyphs, file.glyphs);
    set(&mut config.plain, file.plain);
    set(&mut config.charts, file.charts);
    set(&mut config.discover, file.discover);
    set(&mut config.secret_file, file.secret_file);
    set(&mut config.image_folders, file.image_folders.map(|folders| folders.into_iter().map(absolute).collect()));
    set(&mut config.cache_dir, file.cache_dir.map(absolute));
    set(&mut config.state_dir, file.state_dir.map(absolute));
    config.keymap = file.keymap.map(absolute).or(config.keymap.take());
    set(&mut config.mail, file.mail);
    let in_file =
        |key: String| if key.contains(':') { key } else { absolute(PathBuf::from(key)).display().to_string() };
    set(&mut config.link_key, file.link_key.map(in_file));
    if let Some(mut requests) = file.requests {
        if !requests.store.is_empty() && !requests.store.contains("://") {
            requests.store = absolute(PathBuf::from(&requests.store)).display().to_string();
        }
        for key in [&mut requests.key, &mut requests.disk_key, &mut requests.approver_key] {
            if !key.is_empty() && !key.contains(':') {
                *key = absolute(PathBuf::from(&*key)).display().to_string();
            }
        }
        merge(&mut config.requests, requests);
    }
    if let Some(transfers) = file.transfers {
        config.transfers.rate = transfers.rate.or(config.transfers.rate);
        config.transfers.hours = transfers.hours.or(config.transfers.hours);
    }
    if let Some(list) = file.mirror.and_then(|mirror| mirror.list) {
        config.mirror.list = Some(absolute(list));
    }
    if let Some(mut notify) = file.notify {
        notify.webhook_secret = notify.webhook_secret.map(absolute);
        config.notify = notify;
    }
    config.suppliers.extend(file.supplier);
    for rules in file.form {
        let origin = format!("{}:{}", path.display(), line_of(&text, Some(rules.span().start)));
        config.forms.push(FormRules { origin, ..rules.into_inner() });
    }
    for preset in file.preset.into_iter().map(Spanned::into_inner) {
        // The user's preset replaces the site's of the same name.
        config.presets.retain(|other| other.name != preset.name);
        config.presets.push(preset);
    }
    for known in file.fetch.into_iter().map(Spanned::into_inner) {
        // The user's entry replaces the site's of the same name.
        config.fetches.retain(|other| other.name != known.name);
        config.fetches.push(known);
    }
    config.filters.extend(file.filters);
    for (known, entries) in [(&mut config.sources, sources), (&mut config.backends, backends)] {
        for written in entries {
            // The user's entry replaces the site's entry of the same name.
            known.retain(|other| other.name != written.name);
            known.push(written);
        }
    }
    if let Some(mut policy) = file.policy {
        policy.signature.keys = policy.signature.keys.into_iter().map(absolute).collect();
        policy.signature.admission_keys = policy.signature.admission_keys.into_iter().map(absolute).collect();
        policy.signature.authorities = policy.signature.authorities.into_iter().map(absolute).collect();
        for named in &mut policy.signature.certificate {
            named.file = absolute(std::mem::take(&mut named.file));
        }
        policy.signature.trusted_root = policy.signature.trusted_root.map(absolute);
        policy.scan.exploited_lists = policy.scan.exploited_lists.into_iter().map(absolute).collect();
        policy.check(&format!("{}: policy", path.display()))?;
        // The first file is the site's, if there is one: the second can only make it stricter.
        let before = config.policy_written.then(|| config.policy.clone());
        config.policy = before.map_or(policy.clone(), |site| site.tightened_by(&policy));
        config.policy_written = true;
    }
    config.files.push(path.to_owned());
    Ok(())
}

/// Merges the requests settings of a later file over the site's, key by key. Where the site is stricter, it stays so.
fn merge(below: &mut Requests, above: Requests) {
    let text = |below: &mut String, above: String| {
        if !above.is_empty() {
            *below = above;
        }
    };
    text(&mut below.store, above.store);
    text(&mut below.admitted, above.admitted);
    text(&mut below.quarantine, above.quarantine);
    text(&mut below.cloud, above.cloud);
    text(&mut below.cloud_project, above.cloud_project);
    text(&mut below.visibility, above.visibility);
    text(&mut below.disk_key, above.disk_key);
    text(&mut below.certificate, above.certificate);
    text(&mut below.key, above.key);
    text(&mut below.approver_key, above.approver_key);
    below.projects.extend(above.projects);
    if below.approvers.is_empty() {
        below.approvers = above.approvers;
    }
    below.self_approval = below.self_approval.or(above.self_approval);
    below.signed_decisions |= above.signed_decisions;
    below.web.extend(above.web);
    for (below, above) in [
        (&mut below.watch_hours, above.watch_hours),
        (&mut below.parallel, above.parallel),
        (&mut below.per_person, above.per_person),
        (&mut below.request_seconds, above.request_seconds),
        (&mut below.watch_seconds, above.watch_seconds),
        (&mut below.largest_mib, above.largest_mib),
        (&mut below.slowest_kib, above.slowest_kib),
        (&mut below.grace_seconds, above.grace_seconds),
    ] {
        *below = above.or(*below);
    }
}

/// Replaces the target if there is a value.
pub(super) fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::config::{EntryKind as Adapter, Hosts};

    #[derive(Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Registry {
        url: String,
        storage: Vec<String>,
    }

    fn kinds() -> EntryKinds {
        let read = |written: &ConfigEntry| -> Result<Hosts, Vec<Mistake>> {
            written.parse::<Registry>().map(|_| Hosts::default())
        };
        EntryKinds(vec![
            Adapter { name: "oci", source: Some(read), ..Adapter::default() },
            Adapter { name: "local", backend: Some(read), ..Adapter::default() },
        ])
    }

    fn layers(texts: &[&str]) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wharf.toml");
        let mut config = Config::default();
        for text in texts {
            std::fs::write(&path, text).unwrap();
            apply(&mut config, &path, &kinds())?;
        }
        Ok(config)
    }

    fn configured(text: &str) -> Result<Config> {
        layers(&[text])
    }

    fn names(entries: &[ConfigEntry]) -> Vec<(&str, &str)> {
        entries.iter().map(|entry| (entry.name.as_str(), entry.text("url").unwrap_or_default())).collect()
    }

    #[test]
    fn a_wrong_key_is_named_with_file_and_line() {
        let error = configured("theme = \"light\"\ncolour = 3\n").unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
        assert!(error.what.ends_with("wharf.toml:2") && error.why.contains("colour"), "{error}");
        let error = configured("[[source]]\nname = \"lab\"\ntype = \"oci\"\nurI = \"x\"\n").unwrap_err();
        assert!(error.what.ends_with(":4") && error.why.contains("urI"), "{error}");
    }

    #[test]
    fn sources_keep_their_order_and_a_later_file_replaces_by_name() {
        let site = "[[source]]\nname=\"a\"\ntype=\"oci\"\nurl=\"1\"\n[[source]]\nname=\"b\"\ntype=\"oci\"\n\
                    [[backend]]\nname=\"a\"\ntype=\"local\"\nurl=\"3\"\n";
        let config = layers(&[site, "[[source]]\nname=\"a\"\ntype=\"oci\"\nurl=\"2\"\n"]).unwrap();
        assert_eq!(names(&config.sources), [("b", ""), ("a", "2")]);
        assert_eq!(names(&config.backends), [("a", "3")], "a source replaces no backend");
    }

    #[test]
    fn every_mistake_of_a_file_is_told_at_once() {
        let error = configured("theme = \"light\"\ncolour = 3\nmouse = \"maybe\"\n").unwrap_err();
        assert!(error.what.ends_with(":2") && error.why.contains("colour"), "{error}");
        assert!(error.why.contains("line 3"), "{error}");
        let text = "[[source]]\nname = \"a\"\ntype = \"oci\"\nurl = 3\nurI = \"x\"\n\n[[backend]]\ntype = \"locl\"\n";
        let error = configured(&format!("colour = 1\n{text}")).unwrap_err();
        assert!(error.what.ends_with(":1"), "{error}");
        for told in ["line 5: url", "line 6: unknown field `urI`", "line 8: missing field `name`", "line 9: 'locl'"] {
            assert!(error.why.contains(told), "{told}: {error}");
        }
    }

    #[test]
    fn an_entry_remembers_where_its_settings_are() {
        let config = configured("mouse = true\nsource = [{ name = \"a\", type = \"oci\", url = \"x\" }]\n").unwrap();
        let written = config.sources.first().unwrap();
        assert_eq!((written.mistake("url", "").line, written.mistake("none", "").line), (2, 2));
        assert!(written.path(Path::new("ca.pem")).is_absolute(), "a path is relative to its file");
    }

    #[test]
    fn a_name_stands_once_in_a_list_and_can_be_seen() {
        let twice = configured("[[source]]\nname=\"a\"\ntype=\"oci\"\n[[source]]\nname=\"a\"\ntype=\"oci\"\n");
        let error = twice.unwrap_err();
        assert!(error.what.ends_with(":5") && error.why.contains("in line 1 already"), "{error}");
        for name in ["a b", "a/b", "u@h", "--help", "a\u{202e}b", "a\u{200b}", &"x".repeat(61)] {
            let error = configured(&format!("[[source]]\nname=\"{name}\"\ntype=\"oci\"\n")).unwrap_err();
            assert!(error.what.ends_with(":2") && error.why.contains("a name has no spaces"), "{name}: {error}");
        }
    }

    #[test]
    fn entries_about_launches_are_refused_by_line() {
        let text = "[[form]]\nbackend = \"slurm\"\nfield.partition = { fixed = \"debug\" }\n\n[[preset]]\nname = \"quick\"\nanswers = { time = \"10m\", cpus = 2 }\n";
        let config = layers(&[text, "[[preset]]\nname = \"quick\"\nanswers = { time = \"5m\" }\n"]).unwrap();
        assert!(config.forms.len() == 1 && config.forms[0].origin.ends_with(":1"), "{:?}", config.forms);
        assert!(config.presets.len() == 1 && config.presets[0].answers().get("time") == "5m", "{:?}", config.presets);
        for (text, line, why) in [
            ("mouse = true\n[[form]]\nbackend = \"\"\n[form.field]\n", ":2", "backend is empty"),
            ("[[form]]\nbackend = \"a\"\nfield.x = { fixed = \"1\", most = 2 }\n", ":1", "no bounds"),
            ("[[form]]\nbackend = \"a\"\nfield.x = { fixd = \"1\" }\n", ":3", "fixd"),
            ("[[preset]]\nname = \"a b\"\n", ":1", "no spaces"),
        ] {
            let error = configured(text).unwrap_err();
            assert!(error.what.ends_with(line) && error.why.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn of_many_mistakes_the_first_are_told() {
        let entry = "[[source]]\nname=\"s\"\ntype=\"oci\"\nodd=1\n";
        let many: String = (0..5000).map(|at| entry.replace("\"s\"", &format!("\"s{at}\""))).collect();
        let error = configured(&many).unwrap_err();
        assert!(error.why.len() < 4000 && error.why.contains(" more"), "{}", error.why);
    }
}
