//! Whether machines run on this machine's processor (KVM), or in software.

use std::{fs::File, path::Path};

/// How the instructions of a machine are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceleration {
    /// By the processor, with KVM.
    Kvm,
    /// In software, many times slower, for this reason.
    Software(&'static str),
}

impl Acceleration {
    /// What this machine offers to this person.
    pub fn here() -> Self {
        Self::of(Path::new("/sys/module"), Path::new("/dev/kvm"))
    }

    /// The same, from the folder of the kernel's modules and KVM's device. A device alone says little: under other
    /// hypervisors there is one with which no usual machine starts.
    fn of(modules: &Path, device: &Path) -> Self {
        if !device.exists() {
            return Self::Software("there is no /dev/kvm here");
        }
        if !["kvm_intel", "kvm_amd"].iter().any(|module| modules.join(module).is_dir()) {
            return Self::Software("its /dev/kvm is not that of a processor");
        }
        match File::options().read(true).write(true).open(device) {
            Ok(_) => Self::Kvm,
            Err(_) => Self::Software("you may not use /dev/kvm: its group may"),
        }
    }

    /// QEMU's options for it.
    pub fn options(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Software(_) => ["-accel", "tcg", "-cpu", "max"],
        }
    }

    /// It in a word or two.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kvm => "KVM",
            Self::Software(_) => "software",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_device_of_the_processor_that_may_be_used_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (modules, device) = (folder.path().join("module"), folder.path().join("kvm"));
        let why = || match Acceleration::of(&modules, &device) {
            Acceleration::Kvm => "",
            Acceleration::Software(why) => why,
        };
        assert!(why().contains("no /dev/kvm"));
        std::fs::write(&device, "").unwrap();
        assert!(why().contains("not that of a processor"));
        std::fs::create_dir_all(modules.join("kvm_amd")).unwrap();
        assert_eq!(why(), "");
    }
}
