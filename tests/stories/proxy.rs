//! A proxy before a real server that answers some requests itself, or breaks them, as a test says.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// A request as the proxy sees it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// How many bytes its body says to have.
    pub length: u64,
    /// How many requests with this method and path there were before.
    pub before: usize,
    /// How many bytes of bodies have gone up and come down through the proxy so far.
    pub moved: u64,
}

/// What becomes of a request.
pub(crate) enum Action {
    Pass,
    /// The server never sees it: this status line and these headers are the answer.
    Answer(String),
    /// The connection ends after so many bytes of the request's body.
    CutRequest(u64),
    /// It passes; the connection ends after so many bytes of the answer's body.
    CutAnswer(u64),
    /// It passes; this byte of the answer's body is another one.
    Corrupt(u64),
    /// It passes, after this time.
    Delay(Duration),
}

pub(crate) struct Proxy {
    pub address: String,
    /// Bytes of bodies that went to the server, and that came from it.
    pub up: Arc<AtomicU64>,
    pub down: Arc<AtomicU64>,
    pub seen: Arc<Mutex<Vec<Request>>>,
}

impl Proxy {
    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|one| one.method == method && one.path.contains(part)).count()
    }
}

type Rule = Arc<dyn Fn(&Request) -> Action + Send + Sync>;

struct Shared {
    target: String,
    rule: Rule,
    up: Arc<AtomicU64>,
    down: Arc<AtomicU64>,
    seen: Arc<Mutex<Vec<Request>>>,
}

pub(crate) async fn before(target: &str, rule: impl Fn(&Request) -> Action + Send + Sync + 'static) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shared = Arc::new(Shared {
        target: target.to_owned(),
        rule: Arc::new(rule),
        up: Arc::default(),
        down: Arc::default(),
        seen: Arc::default(),
    });
    let proxy = Proxy { address, up: shared.up.clone(), down: shared.down.clone(), seen: shared.seen.clone() };
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let shared = shared.clone();
            tokio::spawn(async move { serve(near, &shared).await });
        }
    });
    proxy
}

/// Serves one request; each connection has one.
async fn serve(near: TcpStream, shared: &Shared) -> Option<()> {
    let mut near = BufReader::new(near);
    let head = head(&mut near).await?;
    let mut words = head.first()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let length = value(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    assert!(value(&head, "transfer-encoding").is_none(), "uploads tell their length: {head:?}");
    let request = {
        let mut seen = shared.seen.lock().unwrap();
        let before = seen.iter().filter(|one| one.method == method && one.path == path).count();
        let moved = shared.up.load(Ordering::SeqCst) + shared.down.load(Ordering::SeqCst);
        let request = Request { method, path, length, before, moved };
        seen.push(request.clone());
        request
    };
    let action = (shared.rule)(&request);
    if let Action::Answer(answer) = &action {
        let mut body = vec![0; usize::try_from(length).unwrap()];
        near.read_exact(&mut body).await.ok()?;
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        near.get_mut().write_all(answer.as_bytes()).await.ok()?;
        return near.get_mut().shutdown().await.ok();
    }
    if let Action::Delay(time) = action {
        tokio::time::sleep(time).await;
    }
    let mut far = TcpStream::connect(&shared.target).await.ok()?;
    let sent: Vec<&String> = head.iter().filter(|line| !line.to_lowercase().starts_with("connection:")).collect();
    let sent: String = sent.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect();
    far.write_all(format!("{sent}Connection: close\r\n\r\n").as_bytes()).await.ok()?;
    let most = if let Action::CutRequest(most) = action { most.min(length) } else { length };
    let went = carry(&mut near, &mut far, most, None, &shared.up).await;
    if matches!(action, Action::CutRequest(_)) || went < length {
        return None;
    }
    answer(near, far, (&request, &action), shared).await
}

/// Carries the answer back.
async fn answer(
    mut near: BufReader<TcpStream>,
    far: TcpStream,
    (request, action): (&Request, &Action),
    shared: &Shared,
) -> Option<()> {
    let mut far = BufReader::new(far);
    let head = head(&mut far).await?;
    let whole: String = head.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect();
    near.get_mut().write_all(format!("{whole}\r\n").as_bytes()).await.ok()?;
    let promised = value(&head, "content-length").and_then(|length| length.parse().ok());
    let length = if request.method == "HEAD" { 0 } else { promised.unwrap_or(u64::MAX) };
    let most = if let Action::CutAnswer(most) = action { *most } else { length };
    let changed = if let Action::Corrupt(at) = action { Some(*at) } else { None };
    carry(&mut far, near.get_mut(), most.min(length), changed, &shared.down).await;
    if matches!(action, Action::CutAnswer(_)) { None } else { near.get_mut().shutdown().await.ok() }
}

async fn head(from: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            return Some(head);
        }
        head.push(line.trim_end().to_owned());
    }
}

fn value(head: &[String], name: &str) -> Option<String> {
    head.iter().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Carries at most `most` bytes; gives how many it were.
async fn carry(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    most: u64,
    changed: Option<u64>,
    count: &AtomicU64,
) -> u64 {
    let mut buffer = vec![0; 64 << 10];
    let mut went = 0;
    while went < most {
        let room = usize::try_from(most - went).unwrap_or(usize::MAX).min(buffer.len());
        let Ok(read @ 1..) = from.read(&mut buffer[..room]).await else { break };
        if let Some(at) = changed.filter(|at| (went..went + read as u64).contains(at)) {
            buffer[usize::try_from(at - went).unwrap()] ^= 1;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
        went += read as u64;
        count.fetch_add(read as u64, Ordering::SeqCst);
    }
    went
}
