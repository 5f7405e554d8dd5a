//! One fuzzer for all targets; `WHARF_FUZZ` names the one to run.
#![no_main]

mod targets;

use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static CHOSEN: OnceLock<targets::Target> = OnceLock::new();
    let (_, run, _) = CHOSEN.get_or_init(|| {
        let wanted = std::env::var("WHARF_FUZZ").unwrap_or_else(|_| "text".into());
        *targets::TARGETS.iter().find(|(name, ..)| *name == wanted).expect("WHARF_FUZZ names a target")
    });
    run(data);
});
