//! An image means the same files to Wharf and to podman, whatever its layers change. `WHARF_TEST_IMAGES=200` tries that
//! many other images.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::Path,
};

use proptest::{prelude::*, test_runner::*};
use wharf::core::base::digest::Digest;

use crate::{
    lab::{self, Home},
    layers::{self, Entry, Kind, Packed},
    podman::Podman,
};

/// A step of a layer: path, kind, content.
#[derive(Debug, Clone)]
struct Step {
    path: Vec<usize>,
    what: u8,
    mode: usize,
    time: usize,
    size: usize,
    other: usize,
    pax: bool,
}

/// The steps of a layer, its compression, and whether its archive has an entry for each parent folder.
type Plan = (Vec<Step>, Packed, bool);

fn names() -> Vec<Vec<u8>> {
    let names = ["a", "b", "folder", "ü", "with space", ".hidden"].map(|name| name.as_bytes().to_vec());
    let odd = [b"na\xefve\xff".to_vec(), [&[b'l'; 120][..], b"\xe9"].concat(), vec![b'm'; 200], b"new\nline".to_vec()];
    [names.to_vec(), odd.to_vec()].concat()
}

const MODES: [u32; 10] = [0o755, 0o644, 0o777, 0o1777, 0o700, 0o2755, 0o4711, 0o6755, 0, 0o555];
const TIMES: [(i64, u32); 5] =
    [(1_700_000_000, 0), (0, 0), (1_234_567_890, 123_456_789), (8_589_934_591, 0), (1_600_000_000, 999_999_999)];

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let path = prop::collection::vec(0..names().len(), 1..4);
    let step = (path, 0..14_u8, 0..MODES.len(), 0..TIMES.len(), 0..4_usize, 0..64_usize, any::<bool>())
        .prop_map(|(path, what, mode, time, size, other, pax)| Step { path, what, mode, time, size, other, pax });
    let packed = prop_oneof![Just(Packed::Plain), Just(Packed::Gzip), Just(Packed::Zstd)];
    let plan = (prop::collection::vec(step, 1..24), packed, prop::bool::weighted(0.8));
    prop::collection::vec(plan, 2..5)
}

/// An image that is made step by step. Left out is what engines refuse or do not agree on: a layer with a path twice or
/// that removes its own files, a whiteout in a folder without an entry, links to files of lower layers, and folders
/// without an entry in place of something else.
#[derive(Default)]
struct Made {
    entries: Vec<Entry>,
    /// Paths of this layer, and whether each is a folder.
    own: HashMap<Vec<u8>, bool>,
    hidden: HashSet<Vec<u8>>,
    /// Paths of lower layers that may be no folders.
    lower: HashSet<Vec<u8>>,
    /// Folders without an entry that states mode and time.
    implied: HashSet<Vec<u8>>,
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

impl Made {
    fn add(&mut self, path: &[u8], kind: Kind, step: &Step) {
        let modified = TIMES[step.time];
        let path = if path.is_empty() { b"./".to_vec() } else { path.to_vec() };
        // Only records have fractions of a second.
        let pax = step.pax || modified.1 > 0;
        self.entries.push(Entry { path, kind, mode: MODES[step.mode], modified, pax });
    }

    /// Makes a folder and its parents.
    fn folder(&mut self, path: &[Vec<u8>], step: &Step, named: bool) -> Option<Vec<u8>> {
        let way: Vec<Vec<u8>> = (0..=path.len()).map(|count| path[..count].join(&b"/"[..])).collect();
        let barred = |at: &Vec<u8>| match self.own.get(at) {
            Some(folder) => !folder,
            None => self.hidden.contains(at) || (!named && self.lower.contains(at)),
        };
        if way.iter().any(barred) {
            return None;
        }
        for at in &way {
            let has = self.own.insert(at.clone(), true).is_some();
            if !named && !has {
                self.implied.insert(at.clone());
            }
            if !named || (has && !self.implied.contains(at)) || (has && at.is_empty()) {
                continue;
            }
            // Podman ignores the root's own entry, and gives all roots the same mode.
            if !at.is_empty() {
                self.implied.remove(at);
            }
            self.add(at, Kind::Folder, step);
        }
        way.last().cloned()
    }

    fn step(&mut self, step: &Step, named: bool) -> Option<()> {
        let names = names();
        let words: Vec<Vec<u8>> = step.path.iter().map(|at| names[*at].clone()).collect();
        let (name, above) = words.split_last()?;
        let whole = words.join(&b"/"[..]);
        if step.what == 10 {
            // Opaque: nothing of lower layers is left in it.
            let folder = self.folder(&words, step, true)?;
            if !self.hidden.insert(join(&folder, b".wh..wh..opq")) {
                return None;
            }
            self.add(&join(&folder, b".wh..wh..opq"), Kind::File(Vec::new()), step);
            return Some(());
        }
        if step.what >= 11 {
            let used = self.own.keys().any(|own| own == &whole || own.starts_with(&join(&whole, b"")));
            if used || !self.hidden.insert(whole.clone()) {
                return None;
            }
            let folder = self.folder(above, step, true)?;
            self.add(&join(&folder, &[b".wh.", name.as_slice()].concat()), Kind::File(Vec::new()), step);
            return Some(());
        }
        if self.hidden.contains(&whole) || self.own.contains_key(&whole) {
            return None;
        }
        let data = |size: usize| (0..size).map(|at| (at * 7 + step.other) as u8).collect::<Vec<u8>>();
        let size = [0, 1, 511, 70_000][step.size];
        let kind = match step.what {
            0..=2 => Kind::File(data(size)),
            3 => Kind::Holes(vec![(4096, data(1024)), (1 << 20, data(size))], (2 << 20) + step.other as u64),
            4 | 5 => Kind::Folder,
            6 => Kind::Link(names[step.other % names.len()].clone()),
            7 => {
                let targets = self.entries.iter().filter(|entry| matches!(entry.kind, Kind::File(_) | Kind::Link(_)));
                let target = targets
                    .filter(|entry| self.own.get(&entry.path) == Some(&false) && entry.path != whole)
                    .nth(step.other % 8)?
                    .clone();
                self.folder(above, step, named)?;
                self.own.insert(whole.clone(), false);
                self.entries.push(Entry { path: whole, kind: Kind::Hard(target.path.clone()), ..target });
                return Some(());
            }
            8 => Kind::Pipe,
            _ => Kind::Device,
        };
        self.folder(above, step, named)?;
        self.own.insert(whole.clone(), matches!(kind, Kind::Folder));
        self.implied.remove(&whole);
        self.add(&whole, kind, step);
        Some(())
    }

    /// Ends a layer; gives its entries.
    fn end(&mut self) -> Vec<Entry> {
        self.hidden.clear();
        self.lower.extend(self.own.drain().filter(|(_, folder)| !folder).map(|(path, _)| path));
        std::mem::take(&mut self.entries)
    }
}

/// What is compared of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    kind: char,
    mode: u32,
    /// The length of a file in bytes.
    size: u64,
    /// A file's digest, or a link's target.
    content: String,
    /// The first of the names of a file with several.
    first: Vec<u8>,
    modified: (i64, i64),
}

fn tree(root: &Path) -> BTreeMap<Vec<u8>, Seen> {
    let mut all = BTreeMap::new();
    let mut folders = vec![(Vec::new(), root.to_owned())];
    let mut found = vec![(Vec::new(), root.to_owned())];
    while let Some((path, folder)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = join(&path, entry.file_name().as_bytes());
            // The kernel lists a whiteout where there is nothing to hide, and does not find it.
            if entry.metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push((path.clone(), entry.path()));
            }
            found.push((path, entry.path()));
        }
    }
    found.sort();
    let mut firsts = HashMap::new();
    for (path, file) in found {
        let meta = file.symlink_metadata().unwrap();
        let kind = meta.file_type();
        let first = firsts.entry(meta.ino()).or_insert_with(|| path.clone()).clone();
        let (kind, size, content) = match () {
            () if kind.is_dir() => ('d', 0, String::new()),
            () if kind.is_symlink() => ('l', 0, format!("{:?}", file.read_link().unwrap())),
            () if kind.is_file() => ('f', meta.len(), Digest::of(&std::fs::read(&file).unwrap()).to_string()),
            () if kind.is_fifo() => ('p', 0, String::new()),
            () => ('c', 0, String::new()),
        };
        let mode = if kind == 'l' { 0 } else { meta.mode() & 0o7777 };
        all.insert(path, Seen { kind, mode, size, content, first, modified: (meta.mtime(), meta.mtime_nsec()) });
    }
    all
}

/// Where Wharf unpacks differently on purpose.
fn deliberately(seen: &mut BTreeMap<Vec<u8>, Seen>) {
    // Only the machine's root makes devices; a sandbox has its own in /dev.
    seen.retain(|_, seen| seen.kind != 'c');
    for seen in seen.values_mut() {
        // All files belong to the user who unpacks: to run as their owner is to run as oneself.
        seen.mode &= !0o6000;
        // Root in a container can read and enter everything; in a sandbox it has no such right over the person's files,
        // and gets the owner's permission instead.
        seen.mode |= match seen.kind {
            'd' => 0o700,
            'f' => 0o400,
            _ => 0,
        };
    }
}

#[test]
fn any_image_is_unpacked_to_the_files_that_podman_has_of_it() {
    if wharf::adapters::local::SandboxProgram::find().is_none() {
        return eprintln!("left out: neither bwrap nor unshare");
    }
    let Some(podman) = Podman::start() else { return };
    let home = Home::new();
    // Podman makes an image name of the path, and allows no capital letters in names.
    let layouts = tempfile::Builder::new().prefix(&lab::fresh("layouts")).rand_bytes(0).tempdir().unwrap();
    let starter = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/starter/layout/blobs/sha256");
    let look = std::fs::read(starter.join("661aa7ccc780ca249e8664952a582b3418dd61bad234f13ed8d314fd6c603186")).unwrap();
    let number: Option<u32> = std::env::var("WHARF_TEST_IMAGES").ok().map(|number| number.parse().unwrap());
    let config = Config { cases: number.unwrap_or(12), failure_persistence: None, ..Config::default() };
    // The same images in every run, unless more are asked for.
    let mut runner = match number {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let result = runner.run(&plans(), |plans| {
        let mut made = Made::default();
        let mut all = vec![(look.clone(), Packed::Plain)];
        // Folders that a sandbox has in every image.
        let folders = ["proc", "dev", "tmp", "run", "etc"].map(|name| Entry::new(name, Kind::Folder, 0o755));
        let files = ["etc/hosts", "etc/hostname", "etc/resolv.conf"]
            .map(|name| Entry::new(name, Kind::File(Vec::new()), 0o644));
        all.push((layers::archive(&[folders.as_slice(), &files].concat()), Packed::Plain));
        made.implied.insert(Vec::new());
        for (steps, packed, named) in &plans {
            for step in steps {
                made.step(step, *named);
            }
            all.push((layers::archive(&made.end()), *packed));
        }
        let layout = layouts.path().join(lab::fresh("layout"));
        let digest = layers::layout(&layout, &all, &serde_json::json!({"Entrypoint": ["/look"]}));
        let image = podman.run(&["pull", "-q", &format!("oci:{}:1", layout.display())]);
        let mut expected = tree(&podman.mount(&image));
        deliberately(&mut expected);
        let launch = home.run(&["launch", &format!("file:{}:1", layout.display()), "--on", "local", "--follow"]);
        prop_assert_eq!(launch.status.code(), Some(0), "{}", lab::complained(&launch));
        let mut found = tree(&home.path("cache/roots").join(digest.hex()).join("root"));
        for path in &made.implied {
            for tree in [&mut expected, &mut found] {
                tree.entry(path.clone()).and_modify(|seen| (seen.mode, seen.modified) = (0, (0, 0)));
            }
        }
        for (path, seen) in &expected {
            prop_assert_eq!(Some(seen), found.get(path), "{}: podman's, and Wharf's", path.escape_ascii());
        }
        for path in found.keys() {
            prop_assert!(expected.contains_key(path), "{} is Wharf's alone", path.escape_ascii());
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
