//! Lines in bytes that arrive in parts, as servers send events.

/// Adds bytes to a line that has begun, and gives every line that is complete now to `read`. One that is longer than `longest`
/// bytes is given as far as it has come, so that a line without an end is not kept.
pub fn complete(line: &mut Vec<u8>, bytes: &[u8], longest: usize, mut read: impl FnMut(&[u8])) {
    for part in bytes.split_inclusive(|byte| *byte == b'\n') {
        line.extend_from_slice(part);
        if part.ends_with(b"\n") || line.len() > longest {
            read(line);
            line.clear();
        }
    }
}
