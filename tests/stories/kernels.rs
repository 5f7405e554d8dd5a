//! Kernels that start without a disk, with the real QEMU: a unikernel, and Linux with a first file system.

use std::{os::unix::fs::MetadataExt, sync::Arc};

use wharf::core::{
    base::{context::Context, error::Kind},
    image::model::{BootProtocol, Image, ImageKind},
    launch::{listing::ListScope, logs::LogRange, plan::State},
    ports::{Ability, Launcher},
};

use crate::{
    disks::{self, Blob},
    lab::{self, need},
    launchers::{answers, logs, supply, until, until_it_says},
    qemu::Stage,
};

/// What the unikernel ends with: twice what it writes to the port at which it ends, and one.
const DONE: State = State::Exited(33);

#[test]
fn kernels_start_by_themselves() {
    let (guest, open) = (need!("WHARF_LAB_QEMU"), need!("WHARF_LAB_OPEN"));
    lab::as_person("kernels::a_person_starts_some", &[("WHARF_LAB_QEMU", &guest), ("WHARF_LAB_OPEN", &open)]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test runs it as a person without rights"]
async fn a_person_starts_some() {
    let stage = Stage::new();
    let launcher = stage.launcher();
    let guest = std::env::var("WHARF_LAB_QEMU").unwrap();
    for name in ["unikernel", "vmlinuz", "initrd"] {
        std::fs::copy(format!("{guest}/{name}"), stage.home.path(name)).unwrap();
    }
    a_unikernel_runs_and_ends(&stage, &launcher).await;
    a_unikernel_comes_from_a_registry(&stage, &launcher).await;
    linux_starts_with_its_first_file_system(&stage, &launcher).await;
    what_is_no_disk_is_told(&stage, &launcher).await;
    std::fs::copy(format!("{guest}/uefi.qcow2"), stage.home.path("uefi.qcow2")).unwrap();
    uefi_starts_a_disk_that_needs_it(&stage, &launcher).await;
}

/// Launches an image, waits until it has ended by itself, and gives what it printed.
async fn ended(stage: &Stage, launcher: &Arc<dyn Launcher>, image: &Image, given: &[(&str, &str)]) -> (State, String) {
    let cx = Context::default();
    let plan = launcher.plan(&cx, image, &answers(given)).await.unwrap();
    let made = launcher.launch(&cx, &plan, &supply(&stage.portal, image).await).await.unwrap();
    let ended = until(launcher, &made.id, |state| matches!(state, State::Exited(_))).await;
    let told = logs(launcher, &made.id).await;
    launcher.remove(&cx, &made.id).await.unwrap();
    (ended.state, told)
}

async fn a_unikernel_runs_and_ends(stage: &Stage, launcher: &Arc<dyn Launcher>) {
    let image = stage.image("unikernel").await;
    let disk = image.disk.clone().unwrap();
    assert_eq!(
        (image.kind, disk.boots, disk.format.as_str()),
        (ImageKind::Vm, Some(BootProtocol::Multiboot), "kernel")
    );
    for machine in ["q35", "microvm"] {
        let given = [("machine", machine), ("arguments", "name=lab x=1"), ("memory", "16M")];
        let (state, told) = ended(stage, launcher, &image, &given).await;
        assert_eq!(state, DONE, "{machine}: {told}");
        assert!(told.contains("hello from a unikernel; arguments: ") && told.contains("name=lab x=1"), "{told}");
    }
    let kept = launcher.kept_images(&Context::default()).await.unwrap();
    assert_eq!((kept.len(), kept[0].form.as_str()), (1, "kernel"), "the second one copied nothing");
    // Wherever its bytes are from, what was changed since it was judged does not start.
    let file = stage.home.path("state/disks").join(&kept[0].id);
    assert_eq!(std::fs::metadata(file).unwrap().mode() & 0o777, 0o400);
}

async fn a_unikernel_comes_from_a_registry(stage: &Stage, launcher: &Arc<dyn Launcher>) {
    // As Unikraft's tools pack it.
    let kernel = std::fs::read(stage.home.path("unikernel")).unwrap();
    let layer = disks::layer_with("unikraft/bin/kernel", &kernel);
    let (name, config) = (lab::fresh("unikernel"), disks::config_of(&layer));
    let config = Blob(config.as_bytes(), disks::CONFIG);
    let reference = disks::put(&name, Blob(&layer, disks::LAYER), config, None).await;
    let portal = lab::portal(&stage.home, vec![lab::registry("open", &std::env::var("WHARF_LAB_OPEN").unwrap())]);
    let image = disks::shown(&portal, &reference).await;
    assert_eq!((image.kind, image.disk.clone().unwrap().boots), (ImageKind::Vm, Some(BootProtocol::Multiboot)));
    let cx = Context::default();
    let plan = launcher.plan(&cx, &image, &answers(&[("memory", "16M")])).await.unwrap();
    let made = launcher.launch(&cx, &plan, &supply(&portal, &image).await).await.unwrap();
    until(launcher, &made.id, |state| *state == DONE).await;
    assert!(logs(launcher, &made.id).await.contains("hello from a unikernel"));
    launcher.remove(&cx, &made.id).await.unwrap();
}

async fn linux_starts_with_its_first_file_system(stage: &Stage, launcher: &Arc<dyn Launcher>) {
    let (cx, image) = (Context::default(), stage.image("vmlinuz").await);
    assert!(image.annotations["version"].contains("debian.org"), "{:?}", image.annotations);
    let initrd = stage.home.path("initrd").display().to_string();
    for machine in ["q35", "microvm"] {
        let given = [("machine", machine), ("initrd", &initrd), ("cpus", "1"), ("name", "lab-kernel"), ("ports", "80")];
        let plan = launcher.plan(&cx, &image, &answers(&given)).await.unwrap();
        assert!(plan.risks.iter().any(|risk| risk.text.contains("no part of the image")), "{:?}", plan.risks);
        let made = launcher.launch(&cx, &plan, &supply(&stage.portal, &image).await).await.unwrap();
        let mut output = launcher.logs(&cx, &made.id, LogRange::following()).await.unwrap();
        until_it_says(&mut output, "guest: ready").await;
        let mut terminal = launcher.terminal(&cx, &made.id, None, (80, 24)).await.unwrap();
        terminal.input.send("echo $((40+2)) typed\r".into()).await.unwrap();
        until_it_says(&mut terminal.output, "42 typed").await;
        let listed = launcher.list(&cx, ListScope::default()).await.unwrap();
        assert!(listed.refusals.iter().any(|refusal| refusal.ability == Ability::Snapshot), "{:?}", listed.refusals);
        assert_eq!(launcher.snapshot(&cx, &made.id, "none").await.unwrap_err().kind, Kind::Unsupported);
        // One with a power button shuts down; the other one is ended, at once.
        launcher.stop(&cx, &made.id).await.unwrap();
        let told = logs(launcher, &made.id).await;
        assert_eq!(told.contains("guest: power button"), machine == "q35", "{machine}: {told}");
        launcher.remove(&cx, &made.id).await.unwrap();
    }
}

async fn what_is_no_disk_is_told(stage: &Stage, launcher: &Arc<dyn Launcher>) {
    let cx = Context::default();
    let missing = [("initrd", "not-there")];
    let refused = launcher.plan(&cx, &stage.image("vmlinuz").await, &answers(&missing)).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Usage, "{refused}");
    // The header of a kernel of another processor, and of one that QEMU cannot load.
    let mut arm = vec![0; 4096];
    arm[56..60].copy_from_slice(b"ARM\x64");
    std::fs::write(stage.home.path("arm64.kernel"), arm).unwrap();
    let refused = launcher.accepts(&stage.image("arm64.kernel").await).unwrap_err();
    assert!(refused.why.contains("another processor (arm64)"), "{refused}");
    let mut second = std::fs::read(stage.home.path("unikernel")).unwrap();
    let header: Vec<u8> = [0xe852_50d6u32, 0, 16, 0u32.wrapping_sub(0xe852_50d6 + 16)]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let replace = |bytes: &mut [u8], what: &[u8], with: &[u8]| {
        let at = bytes.windows(what.len()).position(|found| found == what).unwrap();
        bytes[at..at + with.len()].copy_from_slice(with);
    };
    replace(&mut second, b"Xen\0", b"Xxx\0");
    replace(&mut second, &0x1bad_b002u32.to_le_bytes(), &[0; 4]);
    second.splice(512..528, header);
    std::fs::write(stage.home.path("second.kernel"), second).unwrap();
    let refused = launcher.accepts(&stage.image("second.kernel").await).unwrap_err();
    assert!(refused.why.contains("Multiboot 2"), "{refused}");
}

async fn uefi_starts_a_disk_that_needs_it(stage: &Stage, launcher: &Arc<dyn Launcher>) {
    let (cx, image) = (Context::default(), stage.image("uefi.qcow2").await);
    let given = [("firmware", "uefi"), ("memory", "512M"), ("cpus", "1"), ("network", "none")];
    let plan = launcher.plan(&cx, &image, &answers(&given)).await.unwrap();
    let made = launcher.launch(&cx, &plan, &supply(&stage.portal, &image).await).await.unwrap();
    let mut output = launcher.logs(&cx, &made.id, LogRange::following()).await.unwrap();
    until_it_says(&mut output, "guest: ready").await;
    // Its variables are its own, and it starts with them again.
    launcher.stop(&cx, &made.id).await.unwrap();
    assert!(stage.home.path(&format!("state/qemu/{}/firmware.fd", made.id)).is_file());
    launcher.remove(&cx, &made.id).await.unwrap();
    // An image that says that it needs UEFI gets it without being asked.
    // It says so in the words of clouds, or of registries.
    let says = |key: &str| Image { annotations: [(key.to_owned(), "uefi".to_owned())].into(), ..image.clone() };
    let packed = launcher.form(&cx, &says("org.wharf.disk.firmware")).await.unwrap();
    assert_eq!(packed.field("firmware").unwrap().default, "uefi");
    let needy = says("firmware");
    let form = launcher.form(&cx, &needy).await.unwrap();
    assert_eq!(form.field("firmware").unwrap().default, "uefi");
    let plan = launcher.plan(&cx, &needy, &answers(&[("firmware", "bios")])).await.unwrap();
    assert!(plan.risks.iter().any(|risk| risk.text.contains("needs UEFI")), "{:?}", plan.risks);
}
