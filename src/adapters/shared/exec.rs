//! Running programs: with argument lists and never a shell, with limits for output and time; killed when dropped.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::Command,
};

use wharf_core::base::{
    clean,
    context::timed_out,
    error::{During, Error, Kind, Result},
};

/// The result of a program that has ended.
#[derive(Debug)]
pub struct Output {
    /// The exit code; -1 if a signal ended the program.
    pub code: i32,
    /// Standard output, cut at the limit.
    pub stdout: Vec<u8>,
    /// Standard error, cleaned and cut.
    pub stderr: String,
}

impl Output {
    /// All that a command said, its errors last, and its exit code.
    pub fn together(self) -> (Vec<u8>, i64) {
        let mut all = self.stdout;
        all.extend_from_slice(self.stderr.as_bytes());
        (all, i64::from(self.code))
    }
}

/// Runs `argv` with `input` on standard input, in Wharf's own environment.
pub async fn run(argv: &[&str], input: &[u8], limit: usize, deadline: Duration) -> Result<Output> {
    run_in(argv, None, input, limit, deadline).await
}

/// Like [`run`], with the environment `NAME=value` if one is given.
pub async fn run_in(
    argv: &[&str],
    environment: Option<&[String]>,
    input: &[u8],
    limit: usize,
    deadline: Duration,
) -> Result<Output> {
    run_at(argv, environment, None, input, limit, deadline).await
}

/// Like [`run_in`], in the working folder if one is given.
pub async fn run_at(
    argv: &[&str],
    environment: Option<&[String]>,
    folder: Option<&Path>,
    input: &[u8],
    limit: usize,
    deadline: Duration,
) -> Result<Output> {
    let what = format!("run {}", argv.first().copied().unwrap_or("nothing"));
    let (program, arguments) = argv.split_first().ok_or_else(|| Error::failed(&what, "no program"))?;
    let mut command = Command::new(program);
    if let Some(environment) = environment {
        command.env_clear().envs(environment.iter().filter_map(|pair| pair.split_once('=')));
    }
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let mut child = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(|error| {
            Error::new(Kind::Failed, &what, error.to_string())
                .hint(format!("check that '{program}' is installed and on the path"))
        })?;
    let work = async {
        if let Some(mut stdin) = child.stdin.take() {
            // It is no failure if the program does not read its input.
            let _ = stdin.write_all(input).await;
        }
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (stdout, stderr, status) = tokio::join!(read(stdout, limit), read(stderr, 64 << 10), child.wait());
        let status = status.during(&what)?;
        Ok(Output {
            code: status.code().unwrap_or(-1),
            stdout,
            stderr: clean::short(&String::from_utf8_lossy(&stderr), 1000),
        })
    };
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| Err(timed_out(&what, deadline)))
}

async fn read(pipe: Option<impl AsyncRead + Unpin>, limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = (&mut pipe).take(limit as u64).read_to_end(&mut bytes).await;
        // The rest is read too, so that the program does not wait at a full pipe.
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
    bytes
}

/// An environment with nothing of this session but the path.
pub fn path_alone() -> Vec<String> {
    std::env::var("PATH").map(|path| format!("PATH={path}")).into_iter().collect()
}

/// The path of a program in `PATH`, if it is there and executable.
pub fn on_path(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| is_executable(file))
}

/// Why other users could change what a program does, if they could: they may write to it, or to a folder above it.
pub fn changed_by_others(program: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let real = match program.canonicalize() {
        Ok(real) => real,
        Err(error) => return Some(format!("{}: {error}", program.display())),
    };
    let (own, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    for (at, place) in real.ancestors().enumerate() {
        let meta = match place.symlink_metadata() {
            Ok(meta) => meta,
            Err(error) => return Some(format!("{}: {error}", place.display())),
        };
        if meta.uid() != 0 && meta.uid() != own {
            return Some(format!("{} belongs to another user", place.display()));
        }
        // In a sticky folder like /tmp everybody may write, but not replace files of others. A person's own group,
        // which many systems create, has the same number as the person.
        let sticky = at > 0 && meta.mode() & 0o1000 != 0;
        let private = meta.gid() == 0 || (meta.gid() == group && group == own);
        let open = meta.mode() & 0o002 != 0 || (meta.mode() & 0o020 != 0 && !private);
        if open && !sticky {
            return Some(format!("others may write to {}", place.display()));
        }
    }
    None
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_program_that_others_may_change_is_told_from_one_that_they_may_not() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        let inner = folder.path().join("bin");
        std::fs::create_dir(&inner).unwrap();
        mode(&inner, 0o755);
        let program = inner.join("tool");
        std::fs::write(&program, "").unwrap();
        mode(&program, 0o755);
        assert_eq!(changed_by_others(&program), None);
        mode(&program, 0o757);
        assert!(changed_by_others(&program).unwrap().contains("tool"));
        mode(&program, 0o755);
        mode(&inner, 0o777);
        assert!(changed_by_others(&program).unwrap().contains("bin"));
        mode(&inner, 0o1777);
        assert_eq!(changed_by_others(&program), None, "as /tmp is");
        // A link is as safe as its target.
        mode(&inner, 0o777);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&program, &link).unwrap();
        assert!(changed_by_others(&link).is_some());
        assert!(changed_by_others(&folder.path().join("none/tool")).is_some());
    }
}
