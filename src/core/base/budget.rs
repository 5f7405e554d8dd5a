//! The limits of a piece of work that is done for others: time, bytes, and the lowest speed of streams.
//!
//! A [`Context`](super::context::Context) carries the budget to where bytes arrive. [`Budget::run`] ends the work as
//! soon as a limit is reached, wherever that was noticed and whatever error it became there. Time is measured with a
//! monotonic clock: setting the machine's date changes nothing.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{TryStreamExt, stream};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::bytes::ByteStream;
use super::{
    error::{Error, Kind, Result},
    text,
};

/// How many times its largest size an image may transfer in all: it is fetched, inspected and copied.
const TIMES: u64 = 4;

/// The limits of a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest time that the whole work may take.
    pub time: Duration,
    /// The largest size of the image, in bytes.
    pub largest: u64,
    /// The lowest speed of each stream in bytes per second, measured over each `grace`.
    pub slowest: u64,
    /// How long a stream may be slower than that.
    pub grace: Duration,
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// It took too long.
    Time,
    /// The image is too large, which trying again will not change.
    Size,
    /// A stream was too slow.
    Rate,
}

/// The budget of a piece of work; by default without limits. Clones share the same budget.
#[derive(Debug, Clone, Default)]
pub struct Budget(Option<Arc<Account>>);

#[derive(Debug)]
struct Account {
    limits: Limits,
    arrived: AtomicU64,
    over: CancellationToken,
    why: OnceLock<(Exceeded, Error)>,
}

impl Account {
    /// Ends the work; if several limits are reached, the first reason counts.
    fn exceed(&self, how: Exceeded, what: &str, why: String) -> Error {
        let hint = match how {
            Exceeded::Size => {
                "ask for a smaller one, or ask the administrators of the site for more ([requests] largest_mib)"
            }
            Exceeded::Rate => "ask again when the place that it comes from is faster",
            Exceeded::Time => "ask the administrators of the site for more time ([requests] request_seconds)",
        };
        let (_, error) = self.why.get_or_init(|| (how, Error::new(Kind::Failed, what, why).hint(hint)));
        self.over.cancel();
        error.clone()
    }
}

impl Budget {
    /// A budget with these limits, of which nothing is used yet.
    pub fn new(limits: Limits) -> Self {
        let account =
            Account { limits, arrived: AtomicU64::new(0), over: CancellationToken::new(), why: OnceLock::new() };
        Self(Some(Arc::new(account)))
    }

    /// The limit that was reached, if one was.
    pub fn exceeded(&self) -> Option<Exceeded> {
        self.0.as_ref().and_then(|account| account.why.get()).map(|(how, _)| *how)
    }

    /// Does `work` until it is done or a limit is reached.
    pub async fn run<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(account) = &self.0 else { return work.await };
        let limit = account.limits.time;
        tokio::select! {
            biased;
            () = account.over.cancelled() => {}
            done = timeout(limit, work) => match done {
                // The reason counts, whatever error it became on its way.
                Ok(done) if account.why.get().is_none() => return done,
                Ok(_) => {}
                Err(_) => {
                    let took = text::duration(i64::try_from(limit.as_secs().max(1)).unwrap_or(i64::MAX));
                    return Err(account.exceed(Exceeded::Time, what, format!("it takes longer than {took}")));
                }
            },
        }
        let why = account.why.get().map(|(_, error)| error.clone());
        Err(why.unwrap_or_else(|| Error::cancelled(what)))
    }

    /// Fails if something of this size may not be fetched; called before its first byte.
    pub fn expects(&self, what: &str, bytes: u64) -> Result<()> {
        let Some(account) = self.0.as_ref().filter(|account| bytes > account.limits.largest) else { return Ok(()) };
        let why =
            format!("it has {}, and more than {} are not taken", text::size(bytes), text::size(account.limits.largest));
        Err(account.exceed(Exceeded::Size, what, why))
    }

    /// Counts bytes that have arrived; fails if there are too many.
    fn arrived(&self, what: &str, bytes: u64) -> Result<()> {
        let Some(account) = &self.0 else { return Ok(()) };
        let all = account.arrived.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let most = account.limits.largest.saturating_mul(TIMES);
        if all <= most {
            return Ok(());
        }
        let why = format!("more than {} came, {TIMES} times what is taken", text::size(most));
        Err(account.exceed(Exceeded::Size, what, why))
    }

    /// A stream that fails if it is slower, or longer, than the budget allows.
    ///
    /// Only the time spent waiting for the stream counts, not that of a slow reader.
    pub fn paced(&self, stream: ByteStream, what: &str) -> ByteStream {
        let Some(account) = self.0.clone() else { return stream };
        let window = Window { budget: self.clone(), account, what: what.to_owned(), bytes: 0, waited: Duration::ZERO };
        Box::pin(stream::try_unfold((stream, window), |(mut stream, mut window)| async move {
            let begin = Instant::now();
            let Ok(next) = timeout(window.account.limits.grace, stream.try_next()).await else {
                return Err(window.too_slow());
            };
            match next? {
                Some(chunk) => {
                    window.count(chunk.len() as u64, begin.elapsed())?;
                    Ok(Some((chunk, (stream, window))))
                }
                None => Ok(None),
            }
        }))
    }
}

/// The bytes of a stream in the present period of measuring.
struct Window {
    budget: Budget,
    account: Arc<Account>,
    what: String,
    bytes: u64,
    waited: Duration,
}

impl Window {
    fn count(&mut self, bytes: u64, waited: Duration) -> Result<()> {
        self.budget.arrived(&self.what, bytes)?;
        self.bytes += bytes;
        self.waited += waited;
        if self.waited < self.account.limits.grace {
            return Ok(());
        }
        let wanted = self.waited.as_millis().saturating_mul(u128::from(self.account.limits.slowest)) / 1000;
        if u128::from(self.bytes) < wanted {
            return Err(self.too_slow());
        }
        (self.bytes, self.waited) = (0, Duration::ZERO);
        Ok(())
    }

    fn too_slow(&self) -> Error {
        let least = text::size(self.account.limits.slowest);
        let why = format!("its bytes come too slowly, with less than {least} a second");
        self.account.exceed(Exceeded::Rate, &self.what, why)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::StreamExt;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(5);

    fn limits() -> Limits {
        Limits { time: Duration::from_secs(60), largest: 1000, slowest: 2000, grace: Duration::from_millis(200) }
    }

    /// A stream of `count` pieces of `size` bytes, one after each `pause`.
    fn pieces(count: usize, size: usize, pause: Duration) -> ByteStream {
        Box::pin(stream::try_unfold(count, move |left| async move {
            if left == 0 {
                return Ok(None);
            }
            tokio::time::sleep(pause).await;
            Ok(Some((Bytes::from(vec![0; size]), left - 1)))
        }))
    }

    async fn read(budget: &Budget, stream: ByteStream) -> Result<u64> {
        let mut stream = budget.paced(stream, "read");
        let mut all = 0;
        while let Some(chunk) = stream.try_next().await? {
            all += chunk.len() as u64;
        }
        Ok(all)
    }

    async fn fetch(stream: ByteStream) -> (Option<Exceeded>, Result<u64>) {
        let budget = Budget::new(limits());
        let fetched = budget.run("fetch", read(&budget, stream)).await;
        (budget.exceeded(), fetched)
    }

    #[tokio::test]
    async fn bytes_that_drip_end_the_work_and_so_does_silence() {
        let (exceeded, dripped) = fetch(pieces(100_000, 1, MOMENT)).await;
        let dripped = dripped.unwrap_err();
        assert_eq!((exceeded, dripped.kind), (Some(Exceeded::Rate), Kind::Failed));
        assert!(dripped.to_string().contains("too slowly"), "{dripped}");
        assert_eq!(fetch(Box::pin(stream::pending())).await.0, Some(Exceeded::Rate));
        // Fast at first, then slow.
        let later = pieces(2, 900, Duration::ZERO).chain(pieces(100_000, 1, MOMENT));
        assert_eq!(fetch(Box::pin(later)).await.0, Some(Exceeded::Rate));
    }

    #[tokio::test]
    async fn bytes_that_come_fast_enough_arrive_and_a_slow_reader_is_nobodys_fault() {
        assert_eq!(fetch(pieces(20, 100, MOMENT)).await.1.unwrap(), 2000);
        let mut stream = Budget::new(limits()).paced(pieces(3, 1, Duration::ZERO), "read");
        for _ in 0..3 {
            tokio::time::sleep(limits().grace).await;
            assert!(stream.try_next().await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn what_is_too_large_ends_the_work_even_where_the_error_was_swallowed() {
        let budget = Budget::new(limits());
        assert!(budget.expects("fetch", 1000).is_ok());
        let swallowed = budget.run("fetch", async { Ok(budget.expects("fetch", 1001).is_err()) }).await;
        assert_eq!(budget.exceeded(), Some(Exceeded::Size));
        assert!(swallowed.unwrap_err().to_string().contains("are not taken"));
        assert_eq!(fetch(pieces(5, 1000, Duration::ZERO)).await.0, Some(Exceeded::Size));
    }

    #[tokio::test]
    async fn work_that_takes_too_long_ends_and_work_without_a_budget_does_not() {
        let budget = Budget::new(Limits { time: MOMENT, ..limits() });
        let late = budget.run("fetch", std::future::pending::<Result<()>>()).await.unwrap_err();
        assert_eq!(budget.exceeded(), Some(Exceeded::Time));
        assert!(late.to_string().contains("takes longer than"), "{late}");
        assert!(Budget::default().run("x", async { Ok(()) }).await.is_ok());
    }
}
