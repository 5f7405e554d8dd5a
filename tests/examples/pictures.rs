//! Makes the pictures of the README anew, from real runs: `cargo run --example pictures` while the lab is up (see
//! `tests/lab/up`; its `env` must be in the environment). It starts Wharf in a terminal, types keys, waits for words,
//! and writes what is on the screen as `assets/*.svg`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a tool that fails should say so"
)]

use std::{
    fmt::Write as _,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::{Cell, Color, Parser};

/// The size of a cell and of its letters, in pixels.
const WIDE: f32 = 8.4;
const HIGH: f32 = 17.0;
const LETTER: f32 = 14.0;
/// The space between two screens of one picture, in lines.
const BETWEEN: f32 = 0.6;
/// The colours of a terminal: the default ones, and the sixteen that have names.
const FRONT: &str = "#d4d4d8";
const BACK: &str = "#14151b";
const NAMED: [&str; 16] = [
    "#14151b", "#fb7185", "#4ade80", "#fbbf24", "#7dd3fc", "#c4b5fd", "#22d3ee", "#d4d4d8", "#8b8b96", "#fb7185",
    "#4ade80", "#fbbf24", "#7dd3fc", "#c4b5fd", "#22d3ee", "#ffffff",
];

/// One screen of a picture: cells by line and column.
type Shot = Vec<Vec<Cell>>;

/// Wharf in a terminal.
struct Screen {
    parser: Arc<Mutex<Parser>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

impl Screen {
    fn open(person: &Person, columns: u16, rows: u16) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program());
        command.env_clear();
        for (name, value) in person.environment() {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        let parser = Arc::new(Mutex::new(Parser::new(rows, columns, 0)));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let screen = parser.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                screen.lock().unwrap().process(&buffer[..count]);
            }
        });
        Self { parser, keys: pair.master.take_writer().unwrap(), child, _master: pair.master }
    }

    fn type_keys(&mut self, keys: &str) -> &mut Self {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self
    }

    fn until(&mut self, words: &str) -> &mut Self {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let text = self.parser.lock().unwrap().screen().contents();
            if text.contains(words) {
                return self;
            }
            assert!(Instant::now() < end, "'{words}' did not come:\n{text}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn shot(&self) -> Shot {
        let parser = self.parser.lock().unwrap();
        let (rows, columns) = parser.screen().size();
        let line = |row| (0..columns).map(|column| parser.screen().cell(row, column).unwrap().clone()).collect();
        (0..rows).map(line).collect()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> PathBuf {
    // Examples lie beside the program, in a folder of their own.
    std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("wharf")
}

fn colour(colour: Color, otherwise: &str) -> String {
    match colour {
        Color::Default => otherwise.to_owned(),
        Color::Idx(number @ 0..16) => NAMED[usize::from(number)].to_owned(),
        Color::Idx(number @ 232..) => format!("#{0:02x}{0:02x}{0:02x}", 8 + (number - 232) * 10),
        Color::Idx(number) => {
            let part = |of: u8| [0, 95, 135, 175, 215, 255][usize::from(of % 6)];
            let number = number - 16;
            format!("#{:02x}{:02x}{:02x}", part(number / 36), part(number / 6), part(number))
        }
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
    }
}

/// The colours of letters and ground, and whether the letters are bold.
fn look(cell: &Cell) -> (String, String, bool) {
    let (front, back) = (colour(cell.fgcolor(), FRONT), colour(cell.bgcolor(), BACK));
    let (front, back) = if cell.inverse() { (back, front) } else { (front, back) };
    (front, back, cell.bold())
}

/// The screens below each other as an SVG. Each run of cells that look alike is one text of a fixed length, so that it
/// fits whatever font is there.
fn svg(title: &str, shots: &[Shot]) -> String {
    let columns = shots.iter().flatten().map(Vec::len).max().unwrap_or(0);
    let lines = shots.iter().map(Vec::len).sum::<usize>() as f32 + BETWEEN * (shots.len() as f32 - 1.0);
    let (width, height) = (columns as f32 * WIDE + 16.0, lines * HIGH + 16.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"{LETTER}\">\n\
         <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BACK}\"/>\n"
    );
    let mut top = 8.0;
    for (number, shot) in shots.iter().enumerate() {
        if number > 0 {
            let at = top + BETWEEN * HIGH / 2.0;
            let _ = writeln!(out, "<rect y=\"{at:.1}\" width=\"100%\" height=\"1\" fill=\"#3f3f46\"/>");
            top += BETWEEN * HIGH;
        }
        for line in shot {
            runs(&mut out, line, top);
            top += HIGH;
        }
    }
    out.push_str("</svg>\n");
    out
}

fn runs(out: &mut String, line: &[Cell], top: f32) {
    let mut begin = 0;
    while begin < line.len() {
        let (front, back, bold) = look(&line[begin]);
        let alike = line[begin..].iter().take_while(|cell| look(cell) == (front.clone(), back.clone(), bold)).count();
        let (left, width) = (8.0 + begin as f32 * WIDE, alike as f32 * WIDE);
        if back != BACK {
            let _ = writeln!(
                out,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{HIGH}\" fill=\"{back}\"/>"
            );
        }
        let cells = &line[begin..begin + alike];
        let blank = |cell: &Cell| cell.contents().trim().is_empty();
        let last = cells.iter().rposition(|cell| !blank(cell)).map_or(0, |at| at + 1);
        let first = cells.iter().position(|cell| !blank(cell)).unwrap_or(0);
        if last > first {
            let shown: String = cells[first..last]
                .iter()
                .map(|cell| if cell.contents().is_empty() { " " } else { cell.contents() })
                .collect();
            let (left, length) = (left + first as f32 * WIDE, shown.chars().count() as f32 * WIDE);
            let words = shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let weight = if bold { " font-weight=\"bold\"" } else { "" };
            let _ = writeln!(
                out,
                "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
                 fill=\"{front}\"{weight} xml:space=\"preserve\">{words}</text>",
                top + HIGH - 4.5
            );
        }
        begin += alike;
    }
}

/// Somebody at the site of the pictures, with a home of their own.
struct Person {
    name: &'static str,
    home: tempfile::TempDir,
    site: PathBuf,
}

impl Person {
    fn new(name: &'static str, site: &Path) -> Self {
        let home = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir().unwrap();
        Self { name, home, site: site.to_owned() }
    }

    fn environment(&self) -> Vec<(String, String)> {
        let home = self.home.path();
        let text = |path: PathBuf| path.display().to_string();
        let own = |name: &str| std::env::var(name).unwrap_or_default();
        let path = format!("{}:{}", own("WHARF_LAB_TRIVY"), own("PATH"));
        let pairs = [
            ("PATH", path),
            ("TERM", "xterm-256color".to_owned()),
            ("HOME", text(home.to_owned())),
            ("WHARF_SITE", text(self.site.clone())),
            ("WHARF_PERSON", self.name.to_owned()),
            ("WHARF_CACHE_DIR", text(home.join("cache"))),
            ("WHARF_STATE_DIR", text(home.join("state"))),
            ("WHARF_DISCOVER", "no".to_owned()),
            ("WHARF_THEME", "dark".to_owned()),
            ("WHARF_SECRET_FILE", "yes".to_owned()),
            ("TRIVY_CACHE_DIR", own("WHARF_LAB_TRIVY_CACHE")),
            ("TRIVY_SKIP_DB_UPDATE", "true".to_owned()),
            ("TRIVY_OFFLINE_SCAN", "true".to_owned()),
            ("TRIVY_SKIP_VERSION_CHECK", "true".to_owned()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn run(&self, arguments: &[&str]) {
        let done = Command::new(program()).args(arguments).env_clear().envs(self.environment()).output().unwrap();
        assert!(done.status.success(), "wharf {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

/// A site with one registry, a key of its own, and a policy that wants every image signed. Gives its file.
fn site(folder: &Path, registry: &str) -> PathBuf {
    let text = format!(
        "[[source]]\nname = \"site\"\ntype = \"oci\"\nurl = \"http://{registry}\"\n\
         [requests]\nstore = \"{}\"\nadmitted = \"{registry}/admitted\"\nquarantine = \"{registry}/quarantine\"\n\
         approvers = [\"grace\"]\nkey = \"{}\"\n\
         [policy]\nname = \"our site\"\nenforce = true\n[policy.scan]\nfresh_days = 3650\nstale_days = 3650\n[policy.signature]\nkeys = [\"site.key.pub\"]\n",
        folder.join("requests.db").display(),
        folder.join("site.key").display(),
    );
    let file = folder.join("site.toml");
    std::fs::write(&file, text).unwrap();
    file
}

fn main() {
    let registry = std::env::var("WHARF_LAB_OPEN").expect("the lab is not up: tests/lab/up STATE; . STATE/env");
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("site.key").display().to_string();
    std::fs::write(folder.path().join("none.toml"), "").unwrap();
    Person::new("ada", &folder.path().join("none.toml")).run(&["key", "new", &key]);
    let file = site(folder.path(), &registry);
    let (ada, grace) = (Person::new("ada", &file), Person::new("grace", &file));

    let mut screen = Screen::open(&ada, 106, 12);
    screen.until("just now").type_keys("/physics grom").until("1 of");
    let list = screen.shot();
    drop(screen);
    let mut screen = Screen::open(&ada, 106, 30);
    screen.until("alpine").type_keys("/physics grom").until("1 of").type_keys("\r").type_keys("l").until("launch now");
    let launch = screen.until("What will be sent").shot();
    drop(screen);
    picture("wharf", "The list of images, and the launch of one", &[list, launch]);

    let signed = format!("{registry}/biology/samtools:latest");
    grace.run(&["sign", &signed, "--key", &key]);
    let mut screen = Screen::open(&ada, 106, 22);
    screen
        .until("alpine")
        .type_keys("/biology sam -admitted")
        .until("1 of")
        .type_keys("\r")
        .type_keys("\r")
        .until("Overview");
    screen.type_keys("\t\t\t").until("verified").type_keys("v").until("✓ scanned");
    picture("trust", "What is known of a signed image", &[screen.shot()]);
    drop(screen);

    for (by, image) in
        [(&ada, "library/busybox:1.35"), (&ada, "physics/lammps:stable"), (&ada, "biology/samtools:latest")]
    {
        by.run(&["request", &format!("{registry}/{image}"), "--reason", "for the thesis"]);
    }
    grace.run(&["steward", "--once"]);
    let mut screen = Screen::open(&grace, 106, 18);
    screen.until("alpine").type_keys("6").until("Requests").type_keys("\t").until("[to decide]").until("busybox");
    let queue = screen.shot();
    drop(screen);
    let mut screen = Screen::open(&ada, 106, 12);
    screen.until("alpine").type_keys("7").until("Inbox").until("admitted");
    picture("requests", "The queue of requests, and the inbox of whoever asked", &[queue, screen.shot()]);
}

fn picture(name: &str, title: &str, shots: &[Shot]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(format!("{name}.svg"));
    std::fs::write(&file, svg(title, shots)).unwrap();
    println!("{}", file.display());
}
