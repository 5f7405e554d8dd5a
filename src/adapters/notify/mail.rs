//! Notices by mail, sent by SMTP or with the machine's own `sendmail`.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::Error as SmtpError,
};

use crate::shared::exec;
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{During, Error, Kind, Result},
    },
    config::{Config, Notify, Supplier},
    ports::{Notifier, store::DueNotice},
    request::notice::APPROVERS,
    sharing::letter::Letter,
};

/// How long the mail server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Sendmail,
}

/// Sends notices by mail.
pub struct Mail {
    transport: Transport,
    from: Mailbox,
    rules: Notify,
    suppliers: Vec<Supplier>,
}

impl Mail {
    /// The mail that the configuration wants; `None` if it wants none.
    pub fn from_config(config: &Config) -> Result<Option<Self>> {
        let rules = config.notify.clone();
        if rules.mail.is_empty() {
            return Ok(None);
        }
        let what = "read [notify]";
        let from = if rules.from.is_empty() { format!("wharf@{}", host()) } else { rules.from.clone() };
        let from = from.parse().map_err(|error| Error::usage(what, format!("from = \"{from}\": {error}")))?;
        let transport = if rules.mail == "sendmail" {
            Transport::Sendmail
        } else {
            let url = url::Url::parse(&rules.mail).map_err(|error| Error::usage(what, format!("mail: {error}")))?;
            if url.password().is_some() {
                return Err(Error::usage(what, "mail holds a password, which everybody who reads the file would have")
                    .hint(
                        "use a server that takes letters from this machine, or 'sendmail', which knows how to sign in",
                    ));
            }
            let host = url.host_str().unwrap_or("localhost");
            let builder = match url.scheme() {
                "smtp" => Ok(AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)),
                "smtps" => AsyncSmtpTransport::<Tokio1Executor>::relay(host),
                "smtp+starttls" => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host),
                other => {
                    return Err(Error::usage(what, format!("mail: '{other}' is none of smtp, smtps, smtp+starttls")));
                }
            }
            .during(what)?;
            let builder = url.port().map_or(builder.clone(), |port| builder.port(port));
            Transport::Smtp(builder.timeout(Some(PATIENCE)).build())
        };
        Ok(Some(Self { transport, from, rules, suppliers: config.suppliers.clone() }))
    }

    /// The address for a notice's receiver: named by the site, given by the person, or made from their name.
    fn address(&self, due: &DueNotice) -> Option<String> {
        let to = due.notice.to.as_str();
        if to == APPROVERS {
            return Some(self.rules.approvers.clone()).filter(|address| !address.is_empty());
        }
        let supplier = self.suppliers.iter().find(|one| one.person == to && !one.mail.is_empty());
        let by_name = (!self.rules.domain.is_empty()).then(|| format!("{to}@{}", self.rules.domain));
        supplier.map(|one| one.mail.clone()).or_else(|| due.mail.clone()).or(by_name)
    }
}

/// The machine's `sendmail`, which often is not in the search path of users.
fn sendmail_program() -> Option<PathBuf> {
    let places = ["/usr/sbin/sendmail", "/usr/lib/sendmail"].map(PathBuf::from);
    exec::on_path("sendmail").or_else(|| places.into_iter().find(|place| place.is_file()))
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A refused address is an error that is not tried again; everything else may be.
fn smtp_error(error: &SmtpError, what: &str) -> Error {
    let words = clean::short(&error.to_string(), 300);
    if error.is_permanent() {
        return Error::usage(what, words).hint("check the address");
    }
    Error::new(Kind::Unavailable, what, words).hint("it is sent when the server answers")
}

#[async_trait]
impl Notifier for Mail {
    fn name(&self) -> &'static str {
        "mail"
    }

    async fn ready(&self, _cx: &Context) -> Result<String> {
        let what = "try the mail server";
        let place = &self.rules.mail;
        match &self.transport {
            Transport::Smtp(smtp) => match smtp.test_connection().await {
                Ok(true) => Ok(format!("{place} greets")),
                Ok(false) => Err(Error::new(Kind::Unavailable, what, format!("{place}: it does not greet"))),
                Err(error) => {
                    let why = format!("{place}: {}", clean::short(&error.to_string(), 300));
                    Err(Error::new(Kind::Unavailable, what, why)
                        .hint("check [notify] mail, and that the server takes letters from here"))
                }
            },
            Transport::Sendmail => match sendmail_program() {
                Some(program) => Ok(program.display().to_string()),
                None => Err(Error::not_found(what, "there is no sendmail here")
                    .hint("install one, or name a server: mail = \"smtp://HOST\"")),
            },
        }
    }

    async fn deliver(&self, _cx: &Context, due: &DueNotice) -> Result<bool> {
        let what = format!("send a letter to {}", due.notice.to);
        let Some(address) = self.address(due) else { return Ok(false) };
        let to: Mailbox = address.parse().map_err(|error| Error::usage(&what, format!("'{address}': {error}")))?;
        let (subject, body) = due.notice.letter();
        // A notice has the same Message-ID each time, so that a server that gets it twice can notice.
        let id = format!("<wharf-notice-{}-{}@{}>", due.notice.id, due.notice.at, host());
        let letter = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(format!("[wharf] {}", clean::short(&subject, 150)))
            .message_id(Some(id))
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .during(&what)?;
        self.hand_on(letter, &what).await.map(|()| true)
    }

    async fn send(&self, _cx: &Context, letter: &Letter) -> Result<bool> {
        let what = format!("send a letter to {}", clean::short(&letter.to, 100));
        if letter.to.is_empty() {
            return Ok(false);
        }
        let mailbox = |address: &str| -> Result<Mailbox> {
            let hint = "write it like ada@example.org";
            address.parse().map_err(|error| Error::usage(&what, format!("'{address}': {error}")).hint(hint))
        };
        let mut made = Message::builder()
            .from(self.from.clone())
            .to(mailbox(&letter.to)?)
            .subject(clean::short(&letter.subject, 150))
            .header(ContentType::TEXT_PLAIN);
        if !letter.answers.is_empty() {
            made = made.reply_to(mailbox(&letter.answers)?);
        }
        let made = made.body(letter.text.clone()).during(&what)?;
        self.hand_on(made, &what).await.map(|()| true)
    }
}

impl Mail {
    /// Hands a letter to the server, or to `sendmail`.
    async fn hand_on(&self, letter: Message, what: &str) -> Result<()> {
        match &self.transport {
            Transport::Smtp(smtp) => smtp.send(letter).await.map_err(|error| smtp_error(&error, what)).map(|_| ()),
            Transport::Sendmail => sendmail(&letter, what).await,
        }
    }
}

/// Sends a mail with the machine's `sendmail` (sendmail(8)), which is killed if it takes too long.
async fn sendmail(letter: &Message, what: &str) -> Result<()> {
    let envelope = letter.envelope();
    let from = envelope.from().map_or("<>", AsRef::as_ref);
    let program = sendmail_program().map_or_else(|| "sendmail".to_owned(), |program| program.display().to_string());
    let mut argv = vec![program.as_str(), "-i", "-f", from, "--"];
    argv.extend(envelope.to().iter().map(AsRef::<str>::as_ref));
    let away = |why: &str| Error::new(Kind::Unavailable, what, clean::short(why, 300)).hint("it is tried again");
    let said = exec::run(&argv, &letter.formatted(), 4096, PATIENCE).await.map_err(|error| away(&error.why))?;
    if said.code == 0 { Ok(()) } else { Err(away(&format!("it ended with {}: {}", said.code, said.stderr.trim()))) }
}
