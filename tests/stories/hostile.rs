//! Foreign bytes: real ones, broken in every way that we thought of. A fuzzer continues from here (`tests/fuzz/run`).

use proptest::prelude::*;

#[path = "../fuzz/targets.rs"]
mod targets;

/// A change to bytes that were valid.
#[derive(Debug, Clone)]
enum Damage {
    Set(usize, u8),
    Cut(usize),
    Drop(usize, usize),
    Repeat(usize, usize),
    Insert(usize, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = 0..100_000_usize;
    prop_oneof![
        4 => (at.clone(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => at.clone().prop_map(Damage::Cut),
        1 => (at.clone(), 1..600_usize).prop_map(|(at, count)| Damage::Drop(at, count)),
        1 => (at.clone(), 1..600_usize).prop_map(|(at, count)| Damage::Repeat(at, count)),
        1 => (at, proptest::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match damage {
        Damage::Set(at, byte) => bytes[at % length] = *byte,
        Damage::Cut(at) => bytes.truncate(at % length),
        Damage::Drop(at, count) => _ = bytes.drain(at % length..(at % length + count).min(length)),
        Damage::Repeat(at, count) => {
            let part = bytes[at % length..(at % length + count).min(length)].to_vec();
            bytes.splice(at % length..at % length, part);
        }
        Damage::Insert(at, more) => _ = bytes.splice(at % length..at % length, more.iter().copied()),
    }
}

#[test]
fn undamaged_bytes_go_through_every_target() {
    for (_, run, seeds) in targets::TARGETS {
        seeds().iter().for_each(|seed| run(seed));
        run(b"");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn damaged_bytes_are_read_or_refused(target in 0..targets::TARGETS.len(), seed in 0..8_usize, damages in proptest::collection::vec(damage(), 1..6)) {
        let (_, run, seeds) = targets::TARGETS[target];
        let seeds = seeds();
        let mut bytes = seeds[seed % seeds.len()].clone();
        damages.iter().for_each(|damage| apply(&mut bytes, damage));
        run(&bytes);
    }
}

/// Writes the seeds of one target where the fuzzer's script wants them.
#[test]
fn seeds() {
    let (Ok(folder), Ok(wanted)) = (std::env::var("WHARF_FUZZ_SEEDS"), std::env::var("WHARF_FUZZ")) else { return };
    for (name, _, seeds) in targets::TARGETS.iter().filter(|(name, ..)| *name == wanted) {
        for (number, seed) in seeds().iter().enumerate() {
            std::fs::write(format!("{folder}/{name}-{number}"), seed).unwrap();
        }
    }
}
