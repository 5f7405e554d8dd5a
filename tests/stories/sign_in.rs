//! How people sign in to a shared database, as a site's page says: their role is their login, by socket, by password
//! file and by certificate; and what a server receives that is not the intended one.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use wharf::{
    adapters::store::shared::postgres::Postgres,
    core::{base::error::Kind, ports::store::Store},
};

use crate::{
    lab::{self, need},
    stores::{Database, Server},
};

/// A user of this machine, who exists as long as the test runs.
struct Login {
    name: String,
    home: PathBuf,
}

impl Login {
    /// `None` if users cannot be created.
    fn new(word: &str, below: &Path) -> Option<Self> {
        let number = lab::fresh(word).split('-').next_back()?.to_owned();
        let name = format!("w{word}{}", &number[number.len() - 9..]);
        let home = below.join(&name);
        let made =
            Command::new("useradd").args(["-M", "-d"]).arg(&home).args(["-s", "/bin/sh", &name]).output().ok()?;
        if !made.status.success() {
            eprintln!("left out: users of this machine ({})", lab::complained(&made));
            return None;
        }
        let login = Self { name, home };
        std::fs::create_dir(&login.home).unwrap();
        login.owns(&login.home);
        Some(login)
    }

    fn owns(&self, path: &Path) {
        assert!(
            Command::new("chown").args(["-R", &format!("{0}:{0}", self.name)]).arg(path).status().unwrap().success()
        );
    }

    /// A file that only this user can read.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        self.owns(&self.home);
        path
    }

    /// Runs a program as this user, with nothing in the environment that says who they are.
    fn runs(&self, program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        as_user(&self.name, &self.home, program, arguments, variables)
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.name).output();
    }
}

fn as_user(name: &str, home: &Path, program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", name, "--regid", name, "--init-groups", "--"]).arg(program).args(arguments);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home).env("WHARF_DISCOVER", "no");
    // Nothing may depend on the shell's variables: here they lie.
    command.env("USER", "root").env("LOGNAME", "root").current_dir("/").envs(variables.iter().copied());
    command.output().unwrap()
}

fn openssl(folder: &Path, script: &str) {
    let made = Command::new("sh").args(["-ec", script]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", lab::complained(&made));
}

fn fine(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}{}", lab::said(output), lab::complained(output));
}

/// A site with the program, a database, and its own pg_hba.conf.
struct Site {
    server: Server,
    folder: tempfile::TempDir,
    wharf: PathBuf,
}

impl Site {
    fn new() -> Option<Self> {
        let mut server = Server::new()?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let wharf = folder.path().join("wharf");
        std::fs::copy(env!("CARGO_BIN_EXE_wharf"), &wharf).unwrap();
        std::fs::set_permissions(&wharf, std::fs::Permissions::from_mode(0o755)).unwrap();
        openssl(
            folder.path(),
            "openssl req -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN=site-ca -keyout ca.key -out ca.crt
             openssl req -newkey rsa:2048 -nodes -subj /CN=db -keyout server.key -out server.csr
             printf 'subjectAltName=IP:127.0.0.1,DNS:localhost' >names
             openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3 -out server.crt -extfile names",
        );
        let data = PathBuf::from(server.data());
        std::fs::write(
            data.join("pg_hba.conf"),
            "local all all peer\nhostssl all +by_certificate 127.0.0.1/32 cert\nhost all all 127.0.0.1/32 scram-sha-256\n",
        )
        .unwrap();
        for file in ["server.crt", "server.key", "ca.crt"] {
            std::fs::copy(folder.path().join(file), data.join(file)).unwrap();
            std::fs::set_permissions(data.join(file), std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(Command::new("chown").arg("postgres:").arg(data.join(file)).status().unwrap().success());
        }
        for setting in ["ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key", "ssl_ca_file=ca.crt"] {
            server.settings.push(setting.to_owned());
        }
        server.start();
        Some(Self { server, folder, wharf })
    }

    /// The site's file with this store.
    fn file(&self, store: &str) -> String {
        let path = self.folder.path().join(format!("{}.toml", lab::fresh("site")));
        std::fs::write(&path, format!("[requests]\nstore = \"{store}\"\n")).unwrap();
        path.display().to_string()
    }

    fn by_socket(&self) -> String {
        format!("postgres:///wharf?host={}&port={}", self.server.socket().display(), self.server.port())
    }

    /// Runs a script as the database's owner: the commands of the README.
    fn as_owner(&self, script: &str, site: &str) -> Output {
        let port = self.server.port().to_string();
        let socket = self.server.socket().display().to_string();
        let home = self.folder.path().join("owner");
        std::fs::create_dir_all(&home).unwrap();
        assert!(Command::new("chown").arg("postgres:").arg(&home).status().unwrap().success());
        let path = format!("{}:{}", self.folder.path().display(), std::env::var("PATH").unwrap());
        let variables = [("PGPORT", port.as_str()), ("PGHOST", &socket), ("WHARF_SITE", site), ("PATH", &path)];
        as_user("postgres", &home, Path::new("/bin/sh"), &["-ec", script], &variables)
    }
}

#[test]
fn a_role_is_a_login_by_socket_by_password_file_and_by_certificate() {
    let Some(site) = Site::new() else { return };
    let people: Vec<Login> =
        ["ada", "bob", "carol", "dora"].into_iter().map_while(|name| Login::new(name, site.folder.path())).collect();
    let [ada, bob, carol, dora] = people.as_slice() else { return };
    let by_socket = site.file(&site.by_socket());
    fine(&site.as_owner("createdb wharf && wharf steward --set-up", &by_socket));
    let roles = format!(
        "psql wharf -c 'CREATE ROLE {ada} LOGIN IN ROLE wharf_user'
         psql wharf -c \"CREATE ROLE {bob} LOGIN PASSWORD 'bob:s \\\\word' IN ROLE wharf_user\"
         psql wharf -c 'CREATE ROLE by_certificate'
         psql wharf -c 'CREATE ROLE {carol} LOGIN IN ROLE wharf_user, wharf_approver, by_certificate'",
        ada = ada.name,
        bob = bob.name,
        carol = carol.name,
    );
    fine(&site.as_owner(&roles, &by_socket));
    let asks = |who: &Login, file: &str, more: &[(&str, &str)]| {
        who.runs(&site.wharf, &["requests"], &[&[("WHARF_SITE", file)], more].concat())
    };
    // By socket and peer: the server compares the role with the user of the process.
    fine(&asks(ada, &by_socket, &[]));
    let as_another = asks(ada, &by_socket, &[("PGUSER", carol.name.as_str())]);
    assert_eq!(as_another.status.code(), Some(7), "{}", lab::complained(&as_another));
    let unknown = asks(dora, &by_socket, &[]);
    assert_eq!(unknown.status.code(), Some(7));
    let (said, name) = (lab::complained(&unknown), &dora.name);
    assert!(said.contains(name.as_str()) && said.contains(&site.server.socket().display().to_string()), "{said}");
    // By network and password, from ~/.pgpass or the file that is named.
    let port = site.server.port();
    let by_network = site.file(&format!("postgres://localhost:{port}/wharf"));
    let without = asks(bob, &by_network, &[]);
    assert_eq!(without.status.code(), Some(7), "{}", lab::complained(&without));
    let line = format!("localhost:{port}:wharf:{}:bob\\:s \\\\word\n", bob.name);
    let elsewhere = bob.file("passwords", &line);
    fine(&asks(bob, &by_network, &[("PGPASSFILE", elsewhere.to_str().unwrap())]));
    let own = bob.file(".pgpass", &line);
    fine(&asks(bob, &by_network, &[]));
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o640)).unwrap();
    let open = asks(bob, &by_network, &[]);
    assert!(lab::complained(&open).contains("chmod 600"), "{}", lab::complained(&open));
    // By certificate: the name in it is the login.
    let ca = site.folder.path().join("ca.crt").display().to_string();
    let certified = site.file(&format!("postgres://127.0.0.1:{port}/wharf?sslmode=verify-full&sslrootcert={ca}"));
    openssl(
        site.folder.path(),
        &format!(
            "openssl req -newkey rsa:2048 -nodes -subj /CN={} -keyout person.key -out person.csr
             openssl x509 -req -in person.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3 -out person.crt -extfile names",
            carol.name
        ),
    );
    let text = |name: &str| std::fs::read_to_string(site.folder.path().join(name)).unwrap();
    assert_eq!(asks(carol, &certified, &[]).status.code(), Some(7), "not without it");
    carol.file(".postgresql/postgresql.crt", &text("person.crt"));
    carol.file(".postgresql/postgresql.key", &text("person.key"));
    fine(&asks(carol, &certified, &[]));
    let (crt, key) = (bob.file("own.crt", &text("person.crt")), bob.file("own.key", &text("person.key")));
    let named = [("PGSSLCERT", crt.to_str().unwrap()), ("PGSSLKEY", key.to_str().unwrap())];
    fine(&asks(bob, &certified, &[&[("PGUSER", carol.name.as_str())], &named[..]].concat()));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = asks(bob, &certified, &named);
    assert!(lab::complained(&open).contains("others can read the key"), "{}", lab::complained(&open));
    // A server whose certificate nobody trusts gets no connection.
    let unknown = site.file(&format!("postgres://127.0.0.1:{port}/wharf?sslmode=verify-full"));
    let refused = asks(carol, &unknown, &[]);
    assert_eq!(refused.status.code(), Some(8));
    assert!(lab::complained(&refused).contains("certificate is not trusted"), "{}", lab::complained(&refused));
}

/// A server without TLS that requests the password in clear text or hashed; gives what it received.
fn greedy(how: u32) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = heard.clone();
    let serve = move |mut stream: TcpStream| {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            let part = &buffer[..length];
            kept.lock().unwrap().extend_from_slice(part);
            let asks_for_tls = part.len() == 8 && part[4..8] == 80_877_103_u32.to_be_bytes();
            let answer = if asks_for_tls {
                b"N".to_vec()
            } else {
                let body = [how.to_be_bytes().as_slice(), if how == 5 { b"salt" } else { b"" }].concat();
                [b"R".as_slice(), &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), &body].concat()
            };
            let _ = stream.write_all(&answer);
        }
    };
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    (port, heard)
}

#[tokio::test]
async fn no_password_leaves_this_machine_but_through_tls_whatever_the_server_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passwords");
    std::fs::write(&file, "*:*:*:*:my-ldap-password\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    for how in [3, 5] {
        let (port, heard) = greedy(how);
        // An address that is this machine's without saying so.
        for mode in
            ["", "&sslmode=verify-full", "&sslmode=require", "&sslmode=prefer", "&sslmode=allow", "&sslmode=disable"]
        {
            let address = format!("postgres://ada@0.0.0.0:{port}/wharf?passfile={}{mode}", file.display());
            let store = Postgres::new(&address, "w".into()).unwrap();
            let failed = tokio::time::timeout(Duration::from_secs(3), store.standing()).await.unwrap().unwrap_err();
            if mode.is_empty() {
                assert!(failed.why.contains("TLS") && failed.hint.contains("sslmode"), "{failed}");
            }
            let heard = std::mem::take(&mut *heard.lock().unwrap());
            let words = String::from_utf8_lossy(&heard);
            assert!(!words.contains("my-ldap-password"), "{mode}: {words:?}");
            assert!(!words.contains("md5") || !mode.ends_with("full") && !mode.is_empty(), "{mode}: {words:?}");
            if matches!(mode, "" | "&sslmode=verify-full" | "&sslmode=require") {
                assert_eq!(heard.len(), 8, "{mode}: not even a name is said: {words:?}");
            }
        }
        // On this machine it connects like PostgreSQL's own programs.
        let store =
            Postgres::new(&format!("postgres://ada@127.0.0.1:{port}/w?passfile={}", file.display()), "w".into());
        let _ = store.unwrap().standing().await;
        assert_eq!(how == 3, String::from_utf8_lossy(&heard.lock().unwrap()).contains("my-ldap-password"));
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told_at_once_with_the_reason() {
    let port = crate::site::free_port();
    let gone = Postgres::new(&format!("postgres://ada@127.0.0.1:{port}/wharf"), "w".into()).unwrap();
    let begun = Instant::now();
    for failed in
        [gone.caller().await.unwrap_err(), gone.standing().await.unwrap_err(), gone.unread().await.unwrap_err()]
    {
        assert_eq!((failed.kind, failed.why.as_str()), (Kind::Unavailable, "connection refused"), "{failed}");
        assert!(failed.what.contains(&format!("wharf on 127.0.0.1:{port}")), "{failed}");
    }
    let folder = tempfile::tempdir().unwrap();
    let address = format!("postgres://ada@/wharf?host={}", folder.path().display()).replace("//ada@/", "///");
    let no_socket = Postgres::new(&address, "w".into()).unwrap().caller().await.unwrap_err();
    assert!(no_socket.what.contains(&folder.path().display().to_string()), "{no_socket}");
    assert!(no_socket.why.contains("no socket"), "{no_socket}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // A server that accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let silent_store = Postgres::new(&format!("postgres://ada@127.0.0.1:{port}/wharf"), "w".into()).unwrap();
    let begun = Instant::now();
    let failed = silent_store.standing().await.unwrap_err();
    assert!(failed.why.contains("did not answer") && begun.elapsed() < Duration::from_secs(3), "{failed}");
    // A server that was there a moment ago.
    let Some(mut server) = Server::new() else { return };
    server.start();
    let database = Database::new(&server.host()).await;
    let store = database.store("postgres", "w");
    store.caller().await.unwrap();
    server.stop();
    let begun = Instant::now();
    while store.unread().await.is_ok() {}
    let failed = store.unread().await.unwrap_err();
    assert_eq!((failed.kind, failed.why.as_str()), (Kind::Unavailable, "connection refused"), "{failed}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_store_says_who_one_is_its_version_and_which_stewards_live() {
    let host = need!("WHARF_LAB_POSTGRES");
    let empty = Postgres::new(&format!("postgres://postgres@{host}/postgres"), "w".into()).unwrap();
    let standing = empty.standing().await.unwrap();
    assert_eq!((standing.layout, standing.me.person.as_str()), (Some(0), "postgres"));
    assert!(standing.why_unusable().is_some_and(|(why, hint)| why.contains("not set up") && hint.contains("--set-up")));
    let database = Database::new(&host).await;
    let (ada, carol) = (database.store("ada", "w"), database.store("carol", "w"));
    assert_eq!(ada.standing().await.unwrap().groups(), ["wharf_user"]);
    let standing = carol.standing().await.unwrap();
    assert_eq!(standing.groups(), ["wharf_user", "wharf_approver"]);
    assert_eq!(standing.why_unusable(), None);
    let stranger = database.store("nobody", "w").standing().await.unwrap();
    assert!(stranger.groups().is_empty() && stranger.why_unusable().is_some_and(|(_, hint)| hint.contains("GRANT")));
    // No steward is listed until it reports itself; nobody else can, and nobody for another.
    assert!(ada.stewards().await.unwrap().is_empty());
    assert_eq!(ada.alive("k", "1").await.unwrap_err().kind, Kind::NotAllowed);
    let (one, two) = (database.store("steward", "one"), database.store("steward", "two"));
    one.alive("key-1", "0.1.0").await.unwrap();
    two.alive("", "0.1.0").await.unwrap();
    one.alive("key-2", "0.1.0").await.unwrap();
    let all = ada.stewards().await.unwrap();
    let mut told: Vec<_> = all.iter().map(|one| (one.worker.as_str(), one.key.as_str(), one.person.as_str())).collect();
    told.sort_unstable();
    assert_eq!(told, [("one", "key-2", "steward"), ("two", "", "steward")]);
    assert!(all.iter().all(|one| one.is_alive() && !one.host.is_empty()));
    // A steward that floods the table keeps only the latest of its own rows.
    let flood = "SELECT count(wharf.alive(n::text, 'h', 'k', 'v')) FROM generate_series(1, 200) AS n";
    let (went, said) = database.psql("steward", &database.name, flood);
    assert!(went, "{said}");
    assert!(ada.stewards().await.unwrap().len() <= 50);
    let long = "SELECT wharf.alive(repeat('x', 2000), 'h', 'k', 'v')";
    assert!(!database.psql("steward", &database.name, long).0);
    for sql in ["INSERT INTO wharf.steward VALUES ('ada', 'w', 'h', 'k', 'v', 1)", "DELETE FROM wharf.steward"] {
        assert!(
            !database.psql("steward", &database.name, sql).0 && !database.psql("ada", &database.name, sql).0,
            "{sql}"
        );
    }
}
