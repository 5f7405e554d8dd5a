//! The page on this machine to which a browser brings the token of its sign-in. It takes one form, from a program of
//! this user only.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    form::{self, Form, Refusal},
    peer,
};
use wharf_core::base::{
    blocking::blocking,
    clean,
    error::{Error, Kind, Result},
    secret::Secret,
};

/// How long a browser may take to send its form.
const VISIT: Duration = Duration::from_secs(10);
/// Most connections at the same time; others are closed.
const MOST: usize = 16;

/// The open page, which listens on this machine.
pub(super) struct LandingPage {
    listeners: Vec<TcpListener>,
    form: Form,
    visits: JoinSet<std::result::Result<Secret, Option<String>>>,
    /// Why the last token was not accepted.
    pub refused: Option<String>,
}

impl LandingPage {
    /// Opens the page at a port of this machine, for a form from pages at the origin `from`.
    pub(super) async fn open(what: &str, port: u16, from: String) -> Result<Self> {
        let mut listeners = Vec::new();
        // "localhost" means both addresses: another program on one of them would be sent the token.
        for host in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            match TcpListener::bind(SocketAddr::new(host, port)).await {
                Ok(listener) => listeners.push(listener),
                // Not every machine has IPv6.
                Err(error) if host.is_ipv6() && error.kind() != ErrorKind::AddrInUse => {}
                Err(error) => return Err(held(what, port, &error)),
            }
        }
        Ok(Self { listeners, form: Form { port, from }, visits: JoinSet::new(), refused: None })
    }

    /// The next token. All other requests are answered and ignored.
    pub(super) async fn next(&mut self) -> Secret {
        loop {
            tokio::select! {
                accepted = accepted(&self.listeners) => match accepted {
                    Some((stream, peer, own)) if self.visits.len() < MOST => {
                        self.visits.spawn(visit(stream, peer, own, self.form.clone()));
                    }
                    Some(_) => {}
                    // The machine lacks some resource: the next try waits a little.
                    None => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(done) = self.visits.join_next() => match done {
                    Ok(Ok(token)) => return token,
                    Ok(Err(why)) => self.refused = why.or(self.refused.take()),
                    Err(_) => {}
                },
            }
        }
    }
}

fn held(what: &str, port: u16, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::AddrInUse => Error::new(
            Kind::Unavailable,
            what,
            format!("the browser comes back to port {port} of this machine, which another program holds"),
        )
        .hint(format!(
            "end that program ('ss -ltnp sport = :{port}' shows one of yours: openstackclient or another Wharf that waits for \
             its sign-in); if it is somebody else's, name another redirect_port in clouds.yaml, which the cloud must know \
             (trusted_dashboard)"
        )),
        _ => Error::new(
            Kind::Unavailable,
            what,
            format!("the browser comes back to port {port} of this machine, which cannot be opened: {error}"),
        )
        .hint("name another redirect_port in clouds.yaml, which the cloud must know (trusted_dashboard)"),
    }
}

/// The next connection to any of the addresses.
async fn accepted(listeners: &[TcpListener]) -> Option<(TcpStream, SocketAddr, SocketAddr)> {
    let all = listeners.iter().map(|listener| Box::pin(listener.accept()));
    let (first, _, _) = futures_util::future::select_all(all).await;
    let (stream, peer) = first.ok()?;
    let own = stream.local_addr().ok()?;
    Some((stream, peer, own))
}

/// Handles a connection: returns the token that it brings, or why one was refused.
async fn visit(
    mut stream: TcpStream,
    peer: SocketAddr,
    own: SocketAddr,
    form: Form,
) -> std::result::Result<Secret, Option<String>> {
    let heard = tokio::time::timeout(VISIT, heard(&mut stream, peer, own, &form)).await;
    let heard = heard.unwrap_or(Err(Refusal { status: "408 Request Timeout", told: None }));
    let page = form::page(heard.as_ref().err().map(|refusal| refusal.status));
    let told = async {
        stream.write_all(page.as_bytes()).await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(VISIT, told).await;
    heard.map_err(|refusal| refusal.told)
}

async fn heard(
    stream: &mut TcpStream,
    peer: SocketAddr,
    own: SocketAddr,
    form: &Form,
) -> std::result::Result<Secret, Refusal> {
    // Otherwise another user of this machine could sign this person in with their own account.
    let is_own = blocking(move || peer::is_own(peer, own)).await.unwrap_or(false);
    if !is_own {
        let told = "a program of another user of this machine has sent something".to_owned();
        return Err(Refusal { status: "403 Forbidden", told: Some(told) });
    }
    let mut bytes = Vec::new();
    let (head, body) = loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break (end, end + 4);
        }
        if bytes.len() > form::LONGEST_HEAD {
            return Err(Refusal { status: "431 Request Header Fields Too Large", told: None });
        }
        more(stream, &mut bytes).await?;
    };
    let length = form
        .length(&bytes[..head])
        .map_err(|refusal| Refusal { told: refusal.told.map(|told| clean::short(&told, 200)), ..refusal })?;
    while bytes.len() < body + length {
        more(stream, &mut bytes).await?;
    }
    form::token(&bytes[body..body + length])
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> std::result::Result<(), Refusal> {
    match stream.read_buf(bytes).await {
        Ok(1..) => Ok(()),
        _ => Err(Refusal { status: "400 Bad Request", told: None }),
    }
}
