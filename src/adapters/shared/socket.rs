//! Sockets in folders with paths of any length. An address of a socket has at most 107 bytes (unix(7)); a folder that is
//! open has a short name.

use std::{
    io::Result,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixListener,
    },
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Mode, OFlags, openat};
use tokio::net::UnixStream;

fn open(folder: &Path) -> Result<OwnedFd> {
    Ok(openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn short(folder: impl AsFd, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_fd().as_raw_fd())).join(name)
}

/// Connects to the socket of this name in a folder.
///
/// # Errors
/// What the system says.
pub async fn connect(folder: &Path, name: &str) -> Result<UnixStream> {
    let folder = open(folder)?;
    UnixStream::connect(short(&folder, name)).await
}

/// Listens at a socket of this name in a folder, in the place of one that was left there.
///
/// # Errors
/// What the system says.
pub fn listen(folder: &Path, name: &str) -> Result<UnixListener> {
    let folder = open(folder)?;
    let path = short(&folder, name);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_in_a_folder_of_a_long_path_is_reached() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("long".repeat(40));
        std::fs::create_dir(&folder).unwrap();
        assert!(connect(&folder, "x").await.is_err());
        drop(listen(&folder, "x").unwrap());
        let _listener = listen(&folder, "x").unwrap();
        connect(&folder, "x").await.unwrap();
    }
}
