//! PEM as programs write it (RFC 7468, RFC 1421): with text around the blocks, headers in them, any line ends, or a
//! byte order mark.

use base64::{Engine as _, alphabet, engine::DecodePaddingMode, engine::general_purpose::STANDARD};

/// Most blocks of a text that are read.
const MOST: usize = 1000;

/// A block of a PEM text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The label: `PRIVATE KEY`.
    pub label: String,
    /// Whether it is encrypted in OpenSSL's old way (`Proc-Type: 4,ENCRYPTED`), which is not supported here.
    pub locked_of_old: bool,
    /// The decoded content, usually DER.
    pub der: Vec<u8>,
}

/// Bytes as a PEM block (RFC 7468).
pub fn write(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The blocks of a text in order. A block without an end or with invalid base64 is left out.
pub fn read(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while blocks.len() < MOST {
        let Some((_, after)) = rest.split_once("-----BEGIN ") else { break };
        let Some((label, after)) = after.split_once("-----") else { break };
        rest = after;
        // A new block begins before this one has ended.
        let Some((body, behind)) = after.split_once(&format!("-----END {label}-----")) else { continue };
        if body.contains("-----BEGIN ") {
            continue;
        }
        rest = behind;
        let (headers, lines): (Vec<&str>, Vec<&str>) = body.split(['\r', '\n']).partition(|line| line.contains(':'));
        let locked_of_old = headers.iter().any(|line| line.starts_with("Proc-Type") && line.contains("ENCRYPTED"));
        if let Some(der) = base64(&lines.concat()) {
            blocks.push(Block { label: label.trim().to_owned(), locked_of_old, der });
        }
    }
    blocks
}

/// Decodes base64 with or without line breaks and padding, of either alphabet (DSSE, "Envelope").
pub fn base64(text: &str) -> Option<Vec<u8>> {
    use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
    const LAX: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let plain = |letter: char| match letter {
        '-' => '+',
        '_' => '/',
        letter => letter,
    };
    let bare: String = text.chars().filter(|letter| !letter.is_ascii_whitespace()).map(plain).collect();
    LAX.decode(bare).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Vec<(String, Vec<u8>)> {
        read(text).into_iter().map(|block| (block.label, block.der)).collect()
    }

    #[test]
    fn blocks_are_found_whatever_stands_around_them() {
        let one = write("PRIVATE KEY", b"hello");
        let found = [("PRIVATE KEY".to_owned(), b"hello".to_vec())];
        for text in [
            one.clone(),
            one.replace('\n', "\r\n"),
            one.replace('\n', "\r"),
            one.replace('\n', " \n\t"),
            format!("\u{feff}{one}"),
            format!("Certificate:\n    Data: 1 -----\n{one}trailing \u{0} words"),
            one.trim_end().to_owned(),
            one.replace("aGVsbG8=", "aGVs\nbG8="),
            one.replace("aGVsbG8=", "aGVsbG8"),
            format!("-----BEGIN OTHER-----\n!\n-----END OTHER-----\n{one}"),
            format!("-----BEGIN CUT OFF-----\naGVs\n{one}"),
            one.replace("-----\naG", "-----\nSome: header\n\naG"),
        ] {
            assert_eq!(labels(&text), found, "{text}");
        }
        let two = format!("{}{one}", write("EC PARAMETERS", b"x"));
        let named: Vec<String> = labels(&two).into_iter().map(|(label, _)| label).collect();
        assert_eq!(named, ["EC PARAMETERS", "PRIVATE KEY"]);
        for none in
            ["", "no key", "-----BEGIN X", "-----BEGIN X-----\naGVs", "-----BEGIN X-----\naGVs\n-----END Y-----"]
        {
            assert_eq!(labels(none), [], "{none}");
        }
        let old = one.replace("-----\naG", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\naG");
        assert!(read(&old)[0].locked_of_old);
    }

    #[test]
    fn base64_is_read_in_either_alphabet_and_broken_into_lines() {
        for text in ["+/+/aA==", "-_-_aA==", "+/+/aA", "+/+\n/aA\r\n==\n"] {
            assert_eq!(base64(text).as_deref(), Some(&[0xfb, 0xff, 0xbf, 0x68][..]), "{text}");
        }
        for bad in ["aGVs!G8=", "a", "aGVsbG8=x", "ä"] {
            assert_eq!(base64(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(-----(BEGIN|END) [A-Z]{0,3}-----|[a-zA-Z0-9+/=:\\n -]){0,30}") {
            let _ = read(&text);
        }
    }
}
