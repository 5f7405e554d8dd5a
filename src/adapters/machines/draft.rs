//! The plan of a machine, as far as it is the same whoever starts it: its disk, seed, network and ports.

use std::path::{Path, PathBuf};

use super::{
    ask::Network,
    disk::{Disks, WantedDisk},
    firmware::Firmware,
    form, forward,
    kernel::Kernel,
    overlay, seed,
};
use crate::shared::private;
use wharf_core::{
    base::error::{Error, Result},
    image::model::{Image, Pinned},
    launch::{
        form::{Answers, Form},
        isolation::Isolation,
        plan::{Plan, Risk, Step, key},
        published::Published,
    },
};

/// A machine to be planned.
pub struct Draft {
    /// The pinned image.
    pub image: Pinned,
    /// The checked answers.
    pub answers: Answers,
    /// The key of the launch.
    pub key: String,
    /// The folder of the launch.
    pub folder: PathBuf,
    /// The disk of the image, as it has to be fetched.
    pub wanted: WantedDisk,
    /// Where that disk is, or will be.
    pub place: PathBuf,
    /// What the machine can reach.
    pub network: Network,
    /// The ports that lead to it.
    pub ports: Vec<Published>,
    /// The account that is made in it; empty for none.
    pub user: String,
    /// The kernel, where the image is one and no disk.
    pub kernel: Option<Kernel>,
    /// The UEFI firmware that starts its disk; `None` for the machine's own.
    pub firmware: Option<Firmware>,
    user_data: String,
    /// The size of its disk in bytes, where one is asked for.
    size: Option<u64>,
}

impl Draft {
    /// A machine from an image with these answers, whose folder will be below `launches`.
    ///
    /// # Errors
    /// `Unsupported` for an image from which none starts, `Usage` for answers that do not fit.
    pub async fn new(image: &Image, answers: &Answers, disks: &Disks, launches: &Path, what: &str) -> Result<Self> {
        let wanted = WantedDisk::of(image, what)?;
        let pinned = image.pinned.clone().ok_or_else(|| Error::unsupported(what, "the image has no digest"))?;
        let answers = Form::new(form::asked(image).await?).check(answers)?;
        let size = answers.bytes("disk");
        form::fits(image, size)?;
        let network = Network::from_word(answers.get("network"));
        let words = if network == Network::None { Vec::new() } else { answers.split_words("ports") };
        let account = seed::Account { user: answers.get("user").trim(), key: answers.get("key") };
        let (key, place) = (key(), disks.place(&wanted.digest, &wanted.format));
        let boots = image.disk.as_ref().and_then(|disk| disk.boots);
        Ok(Self {
            firmware: Firmware::asked(&answers, what)?,
            kernel: boots.map(|protocol| Kernel::new(&place, protocol, &answers)).transpose()?,
            ports: forward::forwards(&words)?,
            user_data: seed::user_data(answers.get("user-data"), &account)?,
            user: if answers.get("user-data").is_empty() { account.user.to_owned() } else { String::new() },
            place,
            folder: launches.join(&key),
            image: pinned,
            answers,
            key,
            wanted,
            network,
            size,
        })
    }

    /// The name of the file of the image's disk.
    pub fn disk_file(&self) -> String {
        self.place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// How many processors it has.
    pub fn processors(&self) -> u64 {
        self.answers.get("cpus").parse().unwrap_or(1)
    }

    /// The folder of its seed.
    pub fn seeds(&self) -> PathBuf {
        self.folder.join(seed::FOLDER)
    }

    /// The first steps: the image's disk, the seed for a machine with this host name, and the machine's own disk; for a
    /// kernel, nothing but its file.
    pub fn first_steps(&self, disks: &Disks, host: &str) -> Vec<Step> {
        let seeded = |name: &str| self.seeds().join(name).display().to_string();
        let own = self.folder.join(overlay::OVERLAY);
        let kind = if self.kernel.is_some() { "kernel" } else { "disk" };
        let image = Step::Prepare {
            what: format!("the {kind} {}", self.wanted.digest.short()),
            to: self.place.display().to_string(),
            bytes: Some(if disks.has(&self.wanted) { 0 } else { self.wanted.size }),
            by: Vec::new(),
        };
        if self.kernel.is_some() {
            return vec![image];
        }
        vec![
            image,
            Step::write(seeded("meta-data"), seed::meta_data(&format!("wharf-{}", self.key), host)),
            Step::write(seeded("user-data"), self.user_data.clone()),
            overlay::step(overlay::own_disk(&own, &self.place, &self.wanted.format, self.size)),
        ]
    }

    /// The plan of these steps and risks.
    pub fn plan(self, backend: &str, steps: Vec<Step>, risks: Vec<Risk>) -> Plan {
        Plan {
            backend: backend.to_owned(),
            steps,
            risks,
            privileged: private::is_root(),
            isolation: Isolation::OwnKernel,
            image: self.image,
            answers: self.answers,
            idempotency_key: self.key,
        }
    }
}
