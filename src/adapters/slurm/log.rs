//! The output of a job: the file that Slurm writes on the shared file system.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use tokio::{fs, io::AsyncReadExt};

use super::{cluster::Slurm, list::Found, queue::Row};
use crate::shared::file_end;
use wharf_core::{
    base::error::{During, Error, Result},
    launch::logs::LogRange,
    ports::ByteStream,
};

/// The pause between two looks at a file that is followed.
const LOOK: Duration = Duration::from_millis(300);
/// How long what a node wrote last may take to be seen on a network file system.
const LATE: Duration = Duration::from_secs(3);

/// What Slurm has to know of a job to name its output.
struct Marks<'a> {
    job: &'a str,
    whole: &'a str,
    task: &'a str,
    name: &'a str,
    user: &'a str,
}

/// The path in which Slurm's marks are replaced (sbatch(1), "filename pattern"); `None` for a mark that only the node
/// knows.
fn expanded(pattern: &str, marks: &Marks<'_>) -> Option<String> {
    let mut path = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            path.push(c);
            continue;
        }
        path.push_str(match chars.next()? {
            '%' => "%",
            'j' => marks.job,
            'A' => marks.whole,
            'a' => marks.task,
            'x' => marks.name,
            'u' => marks.user,
            _ => return None,
        });
    }
    Some(path)
}

/// The file of a job's output.
///
/// # Errors
/// `Unsupported` where it is not known.
pub(super) fn file(found: &Found, what: &str) -> Result<PathBuf> {
    let row = found.row();
    let of = |field: fn(&Row) -> &String| row.map(|row| field(row).as_str()).unwrap_or_default();
    let (whole, task) = (found.known.workload.id.as_str(), found.task.as_deref());
    let (pattern, name) = match &found.known.launched {
        Some(launched) => (launched.record.output.as_str(), launched.record.name.as_str()),
        None => (of(|row| &row.output), of(|row| &row.name)),
    };
    // A task's own number is known while it has a row; the marks of our own paths do without.
    let job = row.map_or(whole, |row| row.raw.as_str());
    let marks = Marks { job, whole, task: task.unwrap_or("4294967294"), name, user: of(|row| &row.user) };
    let path = expanded(pattern, &marks).filter(|path| path.starts_with('/')).map(PathBuf::from);
    path.ok_or_else(|| {
        Error::unsupported(what, "Slurm does not tell where its output is")
            .hint("'scontrol show job' may; jobs that Wharf launches have theirs in a known place")
    })
}

/// Reads a file to its end; if it is to be followed, until the job is over.
struct Reader {
    slurm: Arc<Slurm>,
    id: String,
    what: String,
    path: PathBuf,
    file: Option<fs::File>,
    wanted: LogRange,
    /// When the job was seen to be over; what was written before may still arrive.
    over: Option<Instant>,
    asked: Instant,
}

/// The output so far, and more as it is written if it is to be followed.
pub(super) fn read(
    slurm: Arc<Slurm>,
    id: &str,
    what: String,
    path: PathBuf,
    wanted: LogRange,
    over: bool,
) -> ByteStream {
    let now = Instant::now();
    let over = over.then_some(now);
    let reader = Reader { slurm, id: id.to_owned(), what, path, file: None, wanted, over, asked: now };
    Box::pin(stream::try_unfold(reader, Reader::next))
}

impl Reader {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        loop {
            if self.file.is_none() {
                match file_end::open(&self.path, self.wanted.last).await {
                    Ok(file) => self.file = Some(file),
                    // It is made when the job starts.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(Error::failed(self.what, error)),
                }
            }
            if let Some(file) = &mut self.file {
                let mut buffer = vec![0; 64 << 10];
                let count = file.read(&mut buffer).await.during(&self.what)?;
                if count > 0 {
                    buffer.truncate(count);
                    return Ok(Some((Bytes::from(buffer), self)));
                }
            }
            let late = if self.file.is_some() { LOOK } else { LATE };
            if !self.wanted.follow || self.over.is_some_and(|when| when.elapsed() >= late) {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
            if self.over.is_none() && self.asked.elapsed() >= self.slurm.lists.pace().min(LATE) {
                self.asked = Instant::now();
                let found = self.slurm.find(&self.id).await?;
                self.over = found.is_over().then(Instant::now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_of_a_path_are_replaced() {
        let marks = Marks { job: "64", whole: "62", task: "2", name: "blast", user: "ada" };
        let path = |pattern: &str| expanded(pattern, &marks);
        assert_eq!(path("/o/%A_%a.log").as_deref(), Some("/o/62_2.log"));
        assert_eq!(path("/o/%x-%j-%u-100%%").as_deref(), Some("/o/blast-64-ada-100%"));
        for unknown in ["/o/%N", "/o/%5j", "/o/%"] {
            assert_eq!(path(unknown), None, "{unknown}");
        }
    }
}
