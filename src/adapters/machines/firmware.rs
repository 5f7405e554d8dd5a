//! UEFI firmware, as this machine's packages describe it (QEMU `docs/interop/firmware.json`).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::overlay::IMAGES;
use wharf_core::{
    base::{
        error::{Error, Result},
        small_file,
    },
    image::{lineage::DiskNeeds, model::Image},
    launch::{
        form::{Answers, Field},
        plan::Risk,
        questions,
    },
};

/// Where firmware is described; of two files of one name the first counts.
const FOLDERS: [&str; 2] = ["/etc/qemu/firmware", "/usr/share/qemu/firmware"];
/// The most descriptions that are read.
const MOST: usize = 100;
/// Features with which a usual disk may not start.
const SPECIAL: [&str; 2] = ["enrolled-keys", "requires-smm"];
/// The word for a machine's own old firmware, and for UEFI, in answers and descriptions.
const BIOS: &str = "bios";
const UEFI: &str = "uefi";
/// The key of the question.
const KEY: &str = "firmware";
/// The copy of the variables in the folder of a launch.
pub const VARIABLES: &str = "firmware.fd";

/// UEFI firmware that a machine can start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firmware {
    /// Its code, which is not changed.
    pub code: PathBuf,
    /// The template of its variables, of which each machine has a copy.
    pub variables: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Description {
    #[serde(default)]
    interface_types: Vec<String>,
    mapping: Mapping,
    #[serde(default)]
    targets: Vec<Target>,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    executable: Option<File>,
    nvram_template: Option<File>,
}

#[derive(Deserialize)]
struct File {
    filename: PathBuf,
    format: String,
}

#[derive(Deserialize)]
struct Target {
    architecture: String,
    #[serde(default)]
    machines: Vec<String>,
}

impl Firmware {
    /// The firmware of this machine; `None` if none is described.
    pub fn here() -> Option<Self> {
        Self::among(&FOLDERS.map(Path::new))
    }

    /// The firmware that is asked for; `None` for the machine's own.
    ///
    /// # Errors
    /// `Unsupported` where it is not here any more.
    pub fn asked(answers: &Answers, what: &str) -> Result<Option<Self>> {
        if answers.get(KEY) != UEFI {
            return Ok(None);
        }
        let found = Self::here();
        found.map(Some).ok_or_else(|| Error::unsupported(what, "there is no UEFI firmware here").hint("install ovmf"))
    }

    /// The words that copy the variables into the folder of a launch.
    pub fn copy_of_variables(&self, folder: &Path) -> Vec<String> {
        let (from, to) = (self.variables.display().to_string(), folder.join(VARIABLES).display().to_string());
        [IMAGES, "convert", "-q", "-f", "raw", "-O", "raw", &from, &to].map(str::to_owned).to_vec()
    }

    fn among(folders: &[&Path]) -> Option<Self> {
        let mut files: Vec<PathBuf> = Vec::new();
        for folder in folders {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(MOST);
            let described =
                entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "json"));
            let new: Vec<PathBuf> =
                described.filter(|path| !files.iter().any(|known| known.file_name() == path.file_name())).collect();
            files.extend(new);
        }
        // They are to be tried in the order of their names.
        files.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
        files.iter().find_map(|path| fitting(serde_json::from_slice(&small_file::bytes(path).ok()?).ok()?))
    }
}

/// Whether an image says that it needs UEFI, in whichever place it is.
fn is_needed(image: &Image) -> bool {
    says_uefi(&image.annotations)
}

fn says_uefi(annotations: &BTreeMap<String, String>) -> bool {
    DiskNeeds::told(annotations).firmware == UEFI
}

/// The question for the firmware, where there is a choice.
pub(super) fn question(image: &Image) -> Option<Field> {
    Firmware::here()?;
    let help = "what starts the disk: the old kind, or UEFI, which some disks need";
    let default = if is_needed(image) { UEFI } else { BIOS };
    Some(Field::new(KEY, "Firmware", help, questions::choice(&[BIOS, UEFI]), default))
}

/// The risk line where an image needs other firmware than it gets.
pub(super) fn risk(image: &Image, answers: &Answers) -> Option<Risk> {
    let lacks = is_needed(image) && answers.get(KEY) != UEFI;
    lacks.then(|| Risk::caution("the image says that it needs UEFI: without it, it may not start (install ovmf)"))
}

/// The firmware of a description, where a usual machine starts with it.
fn fitting(told: Description) -> Option<Firmware> {
    let is_usual = told.interface_types.iter().any(|kind| kind == UEFI)
        && told.mapping.device == "flash"
        && !told.features.iter().any(|feature| SPECIAL.contains(&feature.as_str()))
        && told.targets.iter().any(|target| {
            target.architecture == "x86_64" && target.machines.iter().any(|one| one.starts_with("pc-q35"))
        });
    let raw = |file: Option<File>| file.filter(|file| file.format == "raw" && file.filename.is_file());
    let (code, variables) = (raw(told.mapping.executable)?, raw(told.mapping.nvram_template)?);
    is_usual.then_some(Firmware { code: code.filename, variables: variables.filename })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_says_that_it_needs_uefi_in_the_words_of_its_place() {
        for (key, value, is_uefi) in [
            ("firmware", "uefi", true),
            ("org.wharf.disk.firmware", "uefi", true),
            ("org.wharf.disk.firmware", "bios", false),
            ("org.wharf.disk.firmware", "UEFI; rm", false),
            ("hw_firmware", "uefi", false),
        ] {
            let told = [(key.to_owned(), value.to_owned())].into();
            assert_eq!(says_uefi(&told), is_uefi, "{key}={value}");
        }
    }

    #[test]
    fn the_first_description_of_usual_firmware_counts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["code.fd", "vars.fd", "other.fd"] {
            std::fs::write(at(name), "").unwrap();
        }
        let describe = |name: &str, kind: &str, code: &str, features: &str, machine: &str| {
            let text = format!(
                r#"{{"interface-types": ["{kind}"], "mapping": {{"device": "flash", "executable": {{"filename": "{}", "format": "raw"}},
                "nvram-template": {{"filename": "{}", "format": "raw"}}}}, "targets": [{{"architecture": "x86_64", "machines": ["{machine}"]}}],
                "features": [{features}], "tags": []}}"#,
                at(code).display(),
                at("vars.fd").display()
            );
            std::fs::write(at(name), text).unwrap();
        };
        let found = || Firmware::among(&[folder.path(), &at("not-there")]).map(|found| found.code);
        assert_eq!(found(), None);
        describe("10-keys.json", "uefi", "other.fd", "\"enrolled-keys\", \"secure-boot\"", "pc-q35-*");
        describe("20-bios.json", "bios", "other.fd", "", "pc-q35-*");
        describe("30-old.json", "uefi", "other.fd", "", "pc-i440fx-*");
        describe("40-gone.json", "uefi", "gone.fd", "", "pc-q35-*");
        std::fs::write(at("05-broken.json"), "{").unwrap();
        assert_eq!(found(), None);
        describe("60-usual.json", "uefi", "code.fd", "\"acpi-s4\"", "pc-q35-*");
        describe("70-later.json", "uefi", "other.fd", "", "pc-q35-*");
        assert_eq!(found(), Some(at("code.fd")));
    }
}
