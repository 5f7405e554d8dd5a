//! The questions of machines, and the risks of their answers.

use std::path::{Path, PathBuf};

use super::{
    acceleration::Acceleration,
    ask::{self, Network},
    firmware,
    forward::SSH,
    kernel, seed,
};
use crate::shared::{private, room};
use wharf_core::{
    base::{
        blocking::blocking,
        error::{During, Error, Result},
        small_file, text,
    },
    image::model::{DiskFacts, Image},
    launch::{
        form::{Answers, Field, FieldKind, Form, Section},
        isolation::Isolation,
        plan::Risk,
        published::Published,
        questions,
    },
};

/// The memory of a machine unless the image needs more.
const MEMORY: u64 = 1 << 30;
/// The files with the public keys that are offered, the best first.
const KEYS: [&str; 3] = ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"];

/// The person's own public key, if there is one in the usual place.
fn public_key() -> String {
    let folder = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".ssh"));
    let found = folder.and_then(|folder| KEYS.iter().find_map(|name| small_file::text(folder.join(name)).ok()));
    let line = found.unwrap_or_default();
    let line = line.lines().next().unwrap_or_default().trim();
    if line.contains(char::is_control) { String::new() } else { line.to_owned() }
}

/// The name by which this person signs in to machines: their own one, where it can be one of a machine.
fn user() -> String {
    let own = whoami::username().unwrap_or_default();
    if seed::is_user(&own) && own != "root" { own } else { String::new() }
}

/// The form for an image; `launches` is the folder below which machines have theirs.
///
/// # Errors
/// Where this person's public key cannot be looked for.
pub async fn form(image: &Image, launches: &Path) -> Result<Form> {
    let (sections, room) = (asked(image).await?, room::room(launches).await);
    Ok(Form { isolation: Isolation::OwnKernel, privileged: private::is_root(), room, ..Form::new(sections) })
}

/// The sections of the form, with this person's own public key.
pub async fn asked(image: &Image) -> Result<Vec<Section>> {
    let looked_up = image.clone();
    let look = blocking(move || (public_key(), firmware::question(&looked_up)));
    let (key, firmware) = look.await.during("look for your public key")?;
    Ok(questions(image, &key, firmware))
}

/// The sections of the form.
fn questions(image: &Image, key: &str, firmware: Option<Field>) -> Vec<Section> {
    let disk = image.disk.clone().unwrap_or_default();
    if let Some(protocol) = disk.boots {
        return kernel::questions(image, protocol);
    }
    let account = "who signs in: cloud-init makes this account; empty for the image's own one";
    let public = "your public key, with which you sign in by ssh";
    let basics = vec![
        questions::name("what the machine is called, and its host name", &ask::name(image)),
        Field::new("user", "Account", account, FieldKind::Text, user()),
        Field::new("key", "Public key", public, FieldKind::Text, key),
    ];
    let memory = MEMORY.max(disk.least_memory);
    let grown = "how large its disk is to be; empty as in the image. It takes up what is written";
    let needs_more = disk.least_disk > disk.virtual_size.unwrap_or(0);
    let size = if needs_more { format!("{}M", disk.least_disk.div_ceil(1 << 20)) } else { String::new() };
    let resources = vec![
        questions::memory("how much it has", &format!("{}M", memory >> 20)),
        ask::processors(),
        Field::new("disk", "Disk", grown, FieldKind::Bytes, size),
    ];
    let own = "cloud-init's user-data in place of the account above";
    let mut advanced = vec![Field::new("user-data", "User data", own, FieldKind::Lines, "")];
    advanced.extend(firmware);
    vec![
        questions::basics(basics),
        questions::resources(resources),
        ask::network(&SSH.to_string()),
        questions::advanced(advanced),
    ]
}

/// Fails if a disk of this size does not hold the image.
///
/// # Errors
/// `Usage`, with the size of the image's disk.
pub fn fits(image: &Image, size: Option<u64>) -> Result<()> {
    let least = image.disk.as_ref().and_then(|disk| disk.virtual_size).unwrap_or(0);
    if size.is_some_and(|size| size < least) {
        return Err(Error::usage("give the machine a disk", format!("the image's has {}", text::size(least)))
            .hint("a disk can be larger than that, and not smaller"));
    }
    Ok(())
}

/// The bytes of memory that are asked for.
pub fn memory(answers: &Answers) -> u64 {
    answers.bytes("memory").unwrap_or(MEMORY)
}

/// The risk lines of a machine; `by` is what isolates it.
pub fn risks(image: &Image, answers: &Answers, acceleration: Acceleration, ports: &[Published], by: &str) -> Vec<Risk> {
    let disk = image.disk.clone().unwrap_or_default();
    let mut risks = vec![questions::isolated(Isolation::OwnKernel, by)];
    risks.push(match acceleration {
        Acceleration::Kvm => Risk::harmless("it runs on this machine's processor (KVM)"),
        Acceleration::Software(why) => Risk::caution(format!("it runs in software, many times slower: {why}")),
    });
    risks.push(match Network::from_word(answers.get("network")) {
        Network::None => questions::no_network(),
        Network::Restricted => Risk::harmless("it reaches nothing: it answers at its ports alone"),
        Network::User => Risk::danger(
            "it reaches whatever this machine reaches, and what listens on this machine for itself (10.0.2.2)",
        ),
    });
    if !ports.is_empty() && answers.get("network") != "none" {
        let named = ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        risks.push(Risk::caution(format!("everybody on this machine reaches its ports: {named}")));
    }
    if disk.boots.is_some() {
        risks.extend(kernel::risks(answers));
    } else {
        risks.extend(disk_risks(answers, &disk));
        risks.extend(firmware::risk(image, answers));
    }
    risks.push(Risk::harmless(format!("{} of memory at most", text::size(memory(answers)))));
    risks.extend(disk.warnings.iter().map(|warning| Risk::caution(format!("the image: {warning}"))));
    if private::is_root() {
        risks.push(Risk::danger("you are root: QEMU runs as root of this machine"));
    }
    risks
}

/// The risk lines of a machine with a disk.
fn disk_risks(answers: &Answers, disk: &DiskFacts) -> Vec<Risk> {
    let mut risks = Vec::new();
    if answers.get("user-data").is_empty() && answers.get("key").is_empty() {
        risks
            .push(Risk::caution("there is no public key: nobody signs in, unless the image has a password of its own"));
    }
    risks.push(questions::nothing_mounted());
    risks.push(Risk::harmless("the image is not changed: the machine has a disk of its own above it"));
    let whole = answers.bytes("disk").or(disk.virtual_size);
    risks.push(match whole {
        Some(size) => Risk::caution(format!("what it writes may take {} of your disk", text::size(size))),
        None => Risk::caution("how much of your disk it may take is unknown"),
    });
    risks
}
