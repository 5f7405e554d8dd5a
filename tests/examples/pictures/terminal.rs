//! Wharf in a terminal, for somebody with a home of their own.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::Parser;

use crate::svg::Shot;

/// Wharf in a terminal.
pub(crate) struct Screen {
    parser: Arc<Mutex<Parser>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

impl Screen {
    pub(crate) fn open(person: &Person, columns: u16, rows: u16) -> Self {
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

    pub(crate) fn type_keys(&mut self, keys: &str) -> &mut Self {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self
    }

    pub(crate) fn until(&mut self, words: &str) -> &mut Self {
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

    pub(crate) fn shot(&self) -> Shot {
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

/// Somebody at the site of the pictures, with a home of their own.
pub(crate) struct Person {
    name: &'static str,
    home: tempfile::TempDir,
    site: PathBuf,
    pub(crate) theme: &'static str,
}

impl Person {
    pub(crate) fn new(name: &'static str, site: &Path) -> Self {
        let home = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir().unwrap();
        // They have seen the first page.
        std::fs::create_dir(home.path().join("state")).unwrap();
        std::fs::write(home.path().join("state/welcome"), "closed\n").unwrap();
        Self { name, home, site: site.to_owned(), theme: "dark" }
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
            ("WHARF_THEME", self.theme.to_owned()),
            ("WHARF_SECRET_FILE", "yes".to_owned()),
            ("TRIVY_CACHE_DIR", own("WHARF_LAB_TRIVY_CACHE")),
            ("TRIVY_SKIP_DB_UPDATE", "true".to_owned()),
            ("TRIVY_OFFLINE_SCAN", "true".to_owned()),
            ("TRIVY_SKIP_VERSION_CHECK", "true".to_owned()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }

    pub(crate) fn run(&self, arguments: &[&str]) {
        let done = Command::new(program()).args(arguments).env_clear().envs(self.environment()).output().unwrap();
        assert!(done.status.success(), "wharf {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
