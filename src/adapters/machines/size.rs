//! The size of a machine that is stopped: memory, processors, and its own disk, which can only grow.

use std::path::Path;

use serde::Deserialize;

use super::{ask, overlay, snapshots::images};
use wharf_core::{
    base::{
        error::{During, Error, Result},
        text,
    },
    launch::{
        form::{Answers, Field, FieldKind, Form},
        questions,
    },
};

/// The bytes of a sector.
const SECTOR: u64 = 512;

/// What a machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Its memory in bytes.
    pub memory: u64,
    /// Its processors.
    pub processors: u64,
    /// Its own disk in bytes; `None` where it has none.
    pub disk: Option<u64>,
}

impl Size {
    /// The questions for another size, with this one as the defaults.
    pub fn form(self) -> Form {
        let mut fields = vec![
            questions::memory("how much it has", &format!("{}M", self.memory >> 20)),
            Field { default: self.processors.to_string(), ..ask::processors() },
        ];
        if let Some(disk) = self.disk {
            let help = "how large its disk is; it can grow, and not shrink";
            fields.push(Field::new("disk", "Disk", help, FieldKind::Bytes, format!("{}M", disk.div_ceil(1 << 20))));
        }
        Form::new(vec![questions::resources(fields)])
    }

    /// The size that is asked for.
    ///
    /// # Errors
    /// `Usage` for a disk that would shrink.
    pub fn asked(self, answers: &Answers, what: &str) -> Result<Self> {
        // Disks have whole sectors.
        let wanted = answers.bytes("disk").map(|bytes| bytes.next_multiple_of(SECTOR));
        let disk = self.disk.map(|disk| wanted.unwrap_or(disk));
        if self.disk.zip(disk).is_some_and(|(now, asked)| asked < now) {
            let has = text::size(self.disk.unwrap_or(0));
            return Err(Error::usage(what, format!("its disk has {has}, and cannot shrink"))
                .hint("what is in it may reach to its end: make a new machine with a smaller disk"));
        }
        Ok(Self {
            memory: answers.bytes("memory").unwrap_or(self.memory),
            processors: answers.get("cpus").parse().unwrap_or(self.processors),
            disk,
        })
    }
}

/// The size of the disk of the machine whose launch is in `folder`, in bytes.
///
/// # Errors
/// What `qemu-img` says.
pub async fn of_disk(folder: &Path, what: &str) -> Result<u64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Info {
        virtual_size: u64,
    }
    let own = folder.join(overlay::OVERLAY).display().to_string();
    let told = images(&["info", "--output=json", "--force-share", "-f", "qcow2", &own], what).await?;
    Ok(serde_json::from_slice::<Info>(&told).during(what)?.virtual_size)
}

/// Grows that disk, where it is smaller than that. The machine must not run.
///
/// # Errors
/// What `qemu-img` says, also that the disk is in use.
pub async fn grow_disk(folder: &Path, now: Option<u64>, asked: Option<u64>, what: &str) -> Result<()> {
    let Some((_, asked)) = now.zip(asked).filter(|(now, asked)| asked > now) else { return Ok(()) };
    let own = folder.join(overlay::OVERLAY).display().to_string();
    let grown = images(&["resize", "-q", "-f", "qcow2", &own, &asked.to_string()], what).await;
    grown.map(|_| ()).map_err(|error| error.hint("it must not run, and there must be space left"))
}

/// The error where a machine has to be stopped first.
pub fn runs(what: &str) -> Error {
    Error::usage(what, "it runs: a machine gets another size while it is stopped")
        .hint("stop it, resize it, and start it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { memory: 256 << 20, processors: 1, disk: Some((1 << 30) + 512) };

    fn asked(given: &[(&str, &str)]) -> Result<Size> {
        let given = Answers(given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
        SIZE.form().check(&given)?;
        SIZE.asked(&given, "resize it")
    }

    #[test]
    fn what_is_not_asked_for_stays_and_a_disk_never_shrinks() {
        assert_eq!(asked(&[]).unwrap(), SIZE);
        assert_eq!(asked(&[("memory", "")]).unwrap(), SIZE);
        let grown = asked(&[("memory", "512M"), ("disk", "2G")]).unwrap();
        assert_eq!((grown.memory, grown.disk), (512 << 20, Some(2 << 30)));
        assert!(asked(&[("disk", "1G")]).unwrap_err().why.contains("cannot shrink"));
        assert!(asked(&[("network", "user")]).is_err() && asked(&[("cpus", "0")]).is_err());
    }
}
