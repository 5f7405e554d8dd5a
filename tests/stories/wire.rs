//! A connection between Wharf and a real server that can be cut or slowed down.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What happens to the bytes that Wharf sends.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// The connection is cut after so many bytes, for the first `times` connections that send as much.
    Cut { after: u64, times: usize },
    /// The same for the bytes that the server sends.
    CutBack { after: u64, times: usize },
    /// This many bytes per millisecond.
    Slow(u64),
}

pub(crate) struct Wire {
    /// The address to connect to.
    pub address: String,
    /// The number of bytes that Wharf has sent to the server.
    pub sent: Arc<AtomicU64>,
    /// How many connections were cut.
    pub cuts: Arc<AtomicUsize>,
}

/// Opens a connection to `target` with this fault.
pub(crate) async fn to(target: &str, fault: Fault) -> Wire {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wire = Wire { address: listener.local_addr().unwrap().to_string(), sent: Arc::default(), cuts: Arc::default() };
    let (target, sent, cuts) = (target.to_owned(), wire.sent.clone(), wire.cuts.clone());
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(&target).await else { return };
            tokio::spawn(carry(near, far, fault, sent.clone(), cuts.clone()));
        }
    });
    wire
}

/// Whether one more connection is to be cut.
fn one_more(cuts: &AtomicUsize, times: usize) -> bool {
    cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < times).then_some(n + 1)).is_ok()
}

async fn carry(near: TcpStream, far: TcpStream, fault: Fault, sent: Arc<AtomicU64>, cuts: Arc<AtomicUsize>) {
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    let (back_cuts, mut came) = (cuts.clone(), 0);
    let back = tokio::spawn(async move {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(count @ 1..) = far_read.read(&mut buffer).await {
            came += count as u64;
            if let Fault::CutBack { after, times } = fault {
                if came > after && one_more(&back_cuts, times) {
                    return;
                }
            }
            if near_write.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    });
    let mut here = 0;
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = near_read.read(&mut buffer).await {
        if let Fault::Slow(rate) = fault {
            tokio::time::sleep(Duration::from_millis(count as u64 / rate)).await;
        }
        if far_write.write_all(&buffer[..count]).await.is_err() {
            break;
        }
        here += count as u64;
        sent.fetch_add(count as u64, Ordering::SeqCst);
        if let Fault::Cut { after, times } = fault {
            if here > after && one_more(&cuts, times) {
                back.abort();
                return;
            }
        }
    }
    let _ = far_write.shutdown().await;
    let _ = back.await;
}
