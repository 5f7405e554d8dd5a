//! Where the database is and which role signs in, by the rules of PostgreSQL's own programs (its documentation:
//! "Connection Strings", "Environment Variables", "The Password File", "SSL Support"): what an address leaves out comes
//! from PGHOST, PGPORT, PGUSER, …, and a person's role is their login.
//!
//! Two rules are stricter. By default a server on another machine must prove its identity (`sslmode=verify-full`). And
//! passwords are sent to it over TLS only, whatever it asks for.

use std::{
    fs::File,
    io::Read,
    net::IpAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use wharf_core::base::error::{During, Error, Kind, Result};

const WHAT: &str = "read [requests] store";
/// Where a server on this machine listens by default.
const FOLDERS: [&str; 1] = ["/var/run/postgresql"];
/// Largest password file that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;
/// The parameters that an address may have after its question mark.
const KEYS: &str =
    "host, port, dbname, user, sslmode, sslrootcert, sslcert, sslkey, passfile, statement-cache-capacity";

/// What the environment says; tests can give their own.
pub(super) struct Environment<'a> {
    /// The value of an environment variable; `None` if it is unset or empty.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The login of the user that this process runs as, from the system's list of users.
    pub login: Option<String>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
}

/// A parsed address of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The role; `None` if it is not named and the user has no login.
    user: Option<String>,
    host: Host,
    port: u16,
    database: Option<String>,
    tls: Tls,
    /// The file with the authorities for the server; `None` for those that this machine trusts.
    root: Option<PathBuf>,
    /// The client certificate and its key.
    client: Option<(PathBuf, PathBuf)>,
    passwords: Option<PathBuf>,
    statements: Option<usize>,
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// The folder of its socket.
    Folder(PathBuf),
    /// A host name or IP address.
    Named(String),
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tls {
    Off,
    IfOffered,
    Encrypted,
    KnownIssuer,
    Verified,
}

impl Tls {
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "disable" => Self::Off,
            // Connecting in clear text first is never wanted.
            "allow" | "prefer" => Self::IfOffered,
            "require" => Self::Encrypted,
            "verify-ca" => Self::KnownIssuer,
            "verify-full" => Self::Verified,
            _ => return None,
        })
    }

    fn mode(self) -> PgSslMode {
        match self {
            Self::Off => PgSslMode::Disable,
            Self::IfOffered => PgSslMode::Prefer,
            Self::Encrypted => PgSslMode::Require,
            Self::KnownIssuer => PgSslMode::VerifyCa,
            Self::Verified => PgSslMode::VerifyFull,
        }
    }

    /// Whether the connection is encrypted before anything is sent.
    fn is_certain(self) -> bool {
        matches!(self, Self::Encrypted | Self::KnownIssuer | Self::Verified)
    }
}

impl Host {
    /// The socket's folder, if every user may create a socket in it: then anybody might be answering.
    fn open_folder(&self) -> Option<String> {
        let Self::Folder(folder) = self else { return None };
        let everybodys = std::fs::metadata(folder).is_ok_and(|found| found.mode() & 0o002 != 0);
        everybodys.then(|| folder.display().to_string())
    }

    /// Whether the server is on this machine, so that nobody in between can listen or answer.
    fn is_here(&self) -> bool {
        match self {
            Self::Folder(_) => true,
            Self::Named(name) => {
                name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

/// The effective user's login from the system's list of users, as PostgreSQL's programs take it; environment variables
/// may be wrong.
pub(super) fn login() -> Option<String> {
    whoami::username().ok().filter(|name| !name.is_empty())
}

/// What is needed to connect.
pub(super) struct ConnectSettings {
    /// The options for the database driver.
    pub options: PgConnectOptions,
    /// Why no password is sent although one might be expected; empty otherwise.
    pub without_password: String,
}

fn wrong(why: impl Into<String>) -> Error {
    Error::usage(WHAT, why)
}

impl Address {
    /// Parses an address, with this process's environment.
    pub(super) fn new(address: &str) -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self::read(address, &Environment { variable: &variable, login: login(), home: std::env::home_dir() })
    }

    /// Parses an address. Nothing is contacted, and no secret is read yet.
    pub(super) fn read(address: &str, around: &Environment<'_>) -> Result<Self> {
        let url = url::Url::parse(address).during(WHAT)?;
        let variable = around.variable;
        let no_password = || {
            wrong("it holds a password, which everybody who reads the file would have")
                .hint("write the password into ~/.pgpass, or let the server know people by certificate or socket")
        };
        if url.password().is_some() {
            return Err(no_password());
        }
        let decoded = |text: &str| percent_decoded(text).ok_or_else(|| wrong("it is no UTF-8"));
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let mut host = some(decoded(url.host_str().unwrap_or(""))?);
        let mut port = url.port().map(|port| port.to_string());
        let mut user = some(decoded(url.username())?);
        let mut database = some(decoded(url.path().trim_start_matches('/'))?);
        let (mut tls, mut root, mut certificate, mut key, mut passwords, mut statements) =
            (None, None, None, None, None, None);
        for (name, value) in url.query_pairs() {
            let place = match &*name {
                "host" => &mut host,
                "port" => &mut port,
                "user" => &mut user,
                "dbname" => &mut database,
                "sslmode" => &mut tls,
                "sslrootcert" => &mut root,
                "sslcert" => &mut certificate,
                "sslkey" => &mut key,
                "passfile" => &mut passwords,
                "statement-cache-capacity" => &mut statements,
                "password" => return Err(no_password()),
                // An unknown parameter might have made the connection safer, so it is refused.
                other => return Err(wrong(format!("'{other}' is not known here")).hint(format!("known: {KEYS}"))),
            };
            *place = some(value.into_owned());
        }
        let file = |given: Option<String>, named: &str, beside: &str| {
            let usual = || around.home.as_ref().map(|home| home.join(beside)).filter(|path| path.is_file());
            given.or_else(|| variable(named)).map(PathBuf::from).or_else(usual)
        };
        let port = port
            .or_else(|| variable("PGPORT"))
            .map_or(Ok(5432), |port| port.parse::<u16>().map_err(|_| wrong(format!("'{port}' is no port"))))?;
        let host = host.or_else(|| variable("PGHOST")).or_else(|| variable("PGHOSTADDR"));
        let host = host.map_or_else(|| usual_host(port), |host| parse_host(&host));
        let word = tls.or_else(|| variable("PGSSLMODE"));
        let tls = match &word {
            Some(word) => Tls::named(word).ok_or_else(|| {
                wrong(format!("'{word}' is no sslmode"))
                    .hint("known: disable, allow, prefer, require, verify-ca, verify-full")
            })?,
            None if host.is_here() => Tls::IfOffered,
            None => Tls::Verified,
        };
        let root = file(root, "PGSSLROOTCERT", ".postgresql/root.crt").filter(|root| root != Path::new("system"));
        let tls = match (&host, tls) {
            (Host::Folder(_), _) => Tls::Off,
            // If an issuer is named, the server must be certified by it.
            (_, Tls::Encrypted) if root.is_some() => Tls::KnownIssuer,
            (_, tls) => tls,
        };
        let certificate = file(certificate, "PGSSLCERT", ".postgresql/postgresql.crt");
        let key = file(key, "PGSSLKEY", ".postgresql/postgresql.key");
        let user = user.or_else(|| variable("PGUSER")).or_else(|| around.login.clone());
        Ok(Self {
            database: database.or_else(|| variable("PGDATABASE")).or_else(|| user.clone()),
            user,
            host,
            port,
            tls,
            root,
            client: certificate.zip(key),
            passwords: passwords
                .or_else(|| variable("PGPASSFILE"))
                .map(PathBuf::from)
                .or_else(|| around.home.as_ref().map(|home| home.join(".pgpass"))),
            statements: statements
                .map(|number| number.parse().map_err(|_| wrong(format!("'{number}' is no number"))))
                .transpose()?,
        })
    }

    /// The database and where it is, for messages: `wharf on db.example.org`, `wharf in /var/run/postgresql`.
    pub(super) fn describe(&self) -> String {
        let database = self.database.as_deref().unwrap_or("(unnamed)");
        let port = if self.port == 5432 { String::new() } else { format!(":{}", self.port) };
        match &self.host {
            Host::Folder(folder) if port.is_empty() => format!("{database} in {}", folder.display()),
            Host::Folder(folder) => format!("{database} in {}/.s.PGSQL.{}", folder.display(), self.port),
            Host::Named(name) if name.contains(':') => format!("{database} on [{name}]{port}"),
            Host::Named(name) => format!("{database} on {name}{port}"),
        }
    }

    /// The options for the driver. Password file and certificates are read each time, because they may have changed.
    pub(super) fn ready(&self) -> Result<ConnectSettings> {
        let what = format!("sign in to PostgreSQL {}", self.describe());
        let user = self.user.as_deref().ok_or_else(|| {
            Error::new(Kind::NotAllowed, &what, "this user has no login name that a role could be called by")
                .hint("name the role: PGUSER, or user=NAME in the address")
        })?;
        let mut options =
            PgConnectOptions::new_without_pgpass().username(user).port(self.port).ssl_mode(self.tls.mode());
        options = match &self.host {
            Host::Folder(folder) => options.host("localhost").socket(folder),
            Host::Named(name) => options.host(name),
        };
        if let Some(database) = &self.database {
            options = options.database(database);
        }
        if let Some(statements) = self.statements {
            options = options.statement_cache_capacity(statements);
        }
        if self.tls != Tls::Off {
            options = self.certified(options, &what)?;
        }
        let mut without_password = String::new();
        if !self.host.is_here() && !self.tls.is_certain() {
            // The server chooses how it asks for a password, and might want it in clear text.
            options = options.password("");
            "no password is sent, since the connection may not be encrypted: take sslmode=verify-full"
                .clone_into(&mut without_password);
        } else if let Some(open) = self.host.open_folder() {
            options = options.password("");
            without_password = format!("no password is sent, since anybody may have made a socket in {open}");
        } else if std::env::var_os("PGPASSWORD").is_none() {
            match self.password(user) {
                Ok(Some(password)) => options = options.password(&password),
                Ok(None) => {}
                Err(why) => without_password = why,
            }
        }
        Ok(ConnectSettings { options, without_password })
    }

    fn certified(&self, mut options: PgConnectOptions, what: &str) -> Result<PgConnectOptions> {
        let readable = |path: &Path| {
            File::open(path).map(|_| ()).map_err(|error| Error::usage(what, format!("{}: {error}", path.display())))
        };
        if let Some(root) = &self.root {
            readable(root)?;
            options = options.ssl_root_cert(root);
        } else if matches!(self.tls, Tls::Verified | Tls::KnownIssuer) {
            options = options.ssl_root_cert_from_pem(trusted_here());
        }
        if let Some((certificate, key)) = &self.client {
            readable(certificate)?;
            let known =
                std::fs::metadata(key).map_err(|error| Error::usage(what, format!("{}: {error}", key.display())))?;
            // A site may keep keys that a group of root's may read.
            let allowed = if known.uid() == 0 { 0o037 } else { 0o077 };
            if known.mode() & allowed != 0 {
                return Err(Error::usage(what, format!("others can read the key {}", key.display())).hint("chmod 600"));
            }
            options = options.ssl_client_cert(certificate).ssl_client_key(key);
        }
        Ok(options)
    }

    /// The password for this place in the password file; the error says why the file is not used.
    fn password(&self, user: &str) -> std::result::Result<Option<String>, String> {
        let Some(path) = &self.passwords else { return Ok(None) };
        let Ok(file) = File::open(path) else { return Ok(None) };
        let unread = |why: &str| format!("{} is not read: {why}", path.display());
        let known = file.metadata().map_err(|error| unread(&error.to_string()))?;
        if !known.is_file() || known.len() > LONGEST {
            return Err(unread("it is no short file"));
        }
        if known.mode() & 0o077 != 0 {
            return Err(unread("others can read it, too: chmod 600"));
        }
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text).map_err(|error| unread(&error.to_string()))?;
        let host = match &self.host {
            Host::Folder(folder) if FOLDERS.iter().any(|usual| folder == Path::new(usual)) => "localhost".to_owned(),
            Host::Folder(folder) => folder.display().to_string(),
            Host::Named(name) => name.clone(),
        };
        let database = self.database.as_deref().unwrap_or(user);
        Ok(in_file(&text, &[&host, &self.port.to_string(), database, user]))
    }
}

fn parse_host(host: &str) -> Host {
    if host.starts_with('/') {
        return Host::Folder(host.into());
    }
    Host::Named(host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

/// The socket of a server on this machine if there is one, else `localhost`.
fn usual_host(port: u16) -> Host {
    let there = FOLDERS.iter().find(|folder| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists());
    there.map_or_else(|| Host::Named("localhost".to_owned()), |folder| Host::Folder(folder.into()))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..)?;
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// The password in the first matching line of a password file: `host:port:database:user:password`, where `*` matches
/// everything and a backslash escapes `:` and itself.
fn in_file(text: &str, wanted: &[&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut fields = vec![(String::new(), false)];
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            let count = fields.len();
            let field = fields.last_mut()?;
            match letter {
                '\\' => {
                    field.0.extend(letters.next());
                    field.1 = true;
                }
                ':' if count < 5 => fields.push((String::new(), false)),
                other => field.0.push(other),
            }
        }
        let (password, _) = fields.get(4)?;
        let fits =
            |((field, escaped), wanted): (&(String, bool), &&str)| field == *wanted || (field == "*" && !escaped);
        fields.iter().zip(wanted).all(fits).then(|| password.clone())
    })
}

/// The certificates that this machine trusts, as PEM. Those that the driver cannot read are left out: it would refuse
/// all.
fn trusted_here() -> Vec<u8> {
    let mut pem = String::new();
    for certificate in rustls_native_certs::load_native_certs().certs {
        if rustls::RootCertStore::empty().add(certificate.clone()).is_ok() {
            let body = STANDARD.encode(&certificate);
            pem.push_str("-----BEGIN CERTIFICATE-----\n");
            for line in body.as_bytes().chunks(64) {
                pem.push_str(&String::from_utf8_lossy(line));
                pem.push('\n');
            }
            pem.push_str("-----END CERTIFICATE-----\n");
        }
    }
    pem.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn with(address: &str, variables: &[(&str, &str)], home: &Path) -> Result<Address> {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Address::read(
            address,
            &Environment { variable: &variable, login: Some("ada".into()), home: Some(home.to_owned()) },
        )
    }

    fn read(address: &str) -> Address {
        with(address, &[], Path::new("/nowhere")).unwrap()
    }

    #[test]
    fn the_role_is_the_login_unless_somebody_says_otherwise() {
        assert_eq!(read("postgres:///wharf?host=/run/db&port=5433").user.as_deref(), Some("ada"));
        assert_eq!(read("postgres://db.example/wharf").user.as_deref(), Some("ada"));
        assert_eq!(read("postgresql://carol@db.example/wharf").user.as_deref(), Some("carol"));
        assert_eq!(read("postgres:///wharf?user=dora").user.as_deref(), Some("dora"));
        let by_variable = with("postgres://db.example/wharf", &[("PGUSER", "bob")], Path::new("/nowhere")).unwrap();
        assert_eq!(by_variable.user.as_deref(), Some("bob"));
        assert_eq!(read("postgres://db.example").database.as_deref(), Some("ada"), "the database too");
        // The shell's variables are not used: another user may have set them.
        let shell = with("postgres://db.example/w", &[("USER", "root"), ("LOGNAME", "root")], Path::new("/nowhere"));
        assert_eq!(shell.unwrap().user.as_deref(), Some("ada"));
    }

    #[test]
    fn a_place_is_called_by_its_socket_or_its_host() {
        assert_eq!(read("postgres:///wharf?host=/run/db&port=5433").describe(), "wharf in /run/db/.s.PGSQL.5433");
        assert_eq!(read("postgres://%2Frun%2Fdb/wharf").describe(), "wharf in /run/db");
        assert_eq!(read("postgres://db.example/wharf").describe(), "wharf on db.example");
        assert_eq!(read("postgres://[::1]:6000/wharf").describe(), "wharf on [::1]:6000");
        let variables = [("PGHOST", "/run/other"), ("PGPORT", "6001")];
        let elsewhere = with("postgres:///wharf", &variables, Path::new("/nowhere")).unwrap();
        assert_eq!(elsewhere.describe(), "wharf in /run/other/.s.PGSQL.6001");
        let named = with("postgres://db.example:7000/wharf", &variables, Path::new("/nowhere")).unwrap();
        assert_eq!(named.describe(), "wharf on db.example:7000", "what the address says comes first");
    }

    #[test]
    fn a_host_that_is_not_this_machine_proves_who_it_is_unless_the_address_says_otherwise() {
        for address in ["postgres://db.example/wharf", "postgres://192.0.2.1/wharf", "postgres://127.evil.example/w"] {
            assert_eq!(read(address).tls, Tls::Verified, "{address}");
        }
        for address in ["postgres://localhost/w", "postgres://127.0.0.1/w", "postgres://[::1]/w"] {
            assert_eq!(read(address).tls, Tls::IfOffered, "{address}");
        }
        assert_eq!(read("postgres:///w?host=/run/db&sslmode=verify-full").tls, Tls::Off, "sockets have none");
        assert_eq!(read("postgres://db.example/w?sslmode=disable").tls, Tls::Off);
        let by_variable = with("postgres://db.example/w", &[("PGSSLMODE", "require")], Path::new("/nowhere")).unwrap();
        assert_eq!(by_variable.tls, Tls::Encrypted);
        assert_eq!(read("postgres://db.example/w?sslmode=require&sslrootcert=/ca").tls, Tls::KnownIssuer);
    }

    #[test]
    fn what_is_not_understood_or_holds_a_password_is_refused() {
        for (address, why) in [
            ("postgres://ada:secret@db.example/w", "password"),
            ("postgres:///w?password=secret", "password"),
            ("postgres:///w?ssl_mode=verify-full", "ssl_mode"),
            ("postgres:///w?sslmode=sometimes", "sometimes"),
            ("postgres:///w?port=99999", "99999"),
        ] {
            let refused = with(address, &[], Path::new("/nowhere")).unwrap_err();
            assert!(refused.why.contains(why) && !refused.to_string().contains("secret"), "{refused}");
        }
    }

    fn password_at(address: &str, file: &str, mode: u32) -> std::result::Result<Option<String>, String> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".pgpass");
        std::fs::write(&path, file).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let address = with(address, &[], home.path()).unwrap();
        address.password(address.user.as_deref().unwrap())
    }

    #[test]
    fn the_password_file_is_read_as_psql_reads_it_and_only_where_it_is_ones_own() {
        let file = "# mine\nother:*:*:*:no\ndb.example:5432:wharf:ada:se\\:cr\\\\et\n/run/db:*:*:*:socket\nlocalhost:*:*:*:here\n";
        let found = |address| password_at(address, file, 0o600).unwrap();
        assert_eq!(found("postgres://db.example/wharf").as_deref(), Some("se:cr\\et"));
        assert_eq!(found("postgres://db.example/else"), None);
        assert_eq!(found("postgres:///wharf?host=/run/db").as_deref(), Some("socket"));
        assert_eq!(found("postgres:///wharf?host=/var/run/postgresql").as_deref(), Some("here"));
        assert!(password_at("postgres://db.example/wharf", file, 0o644).unwrap_err().contains("chmod 600"));
    }

    #[test]
    fn no_password_is_ready_for_a_host_that_may_ask_for_it_in_clear_text() {
        let home = tempfile::tempdir().unwrap();
        let said = |address: &str| with(address, &[], home.path()).unwrap().ready().unwrap().without_password;
        for mode in ["disable", "allow", "prefer"] {
            assert!(said(&format!("postgres://db.example/w?sslmode={mode}")).contains("no password"), "{mode}");
        }
        for mode in ["require", "verify-ca", "verify-full"] {
            assert_eq!(said(&format!("postgres://db.example/w?sslmode={mode}")), "", "{mode}");
        }
        assert_eq!(said("postgres://127.0.0.1/w"), "");
        // Nor is it sent to a socket that any user may have created.
        let folder = home.path().join("sockets");
        std::fs::create_dir(&folder).unwrap();
        for (mode, refused) in [(0o755, false), (0o1777, true)] {
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
            let said = said(&format!("postgres:///w?host={}", folder.display()));
            assert_eq!(said.contains("no password"), refused, "{said}");
        }
    }
}
