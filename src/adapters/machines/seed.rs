//! What a cloud image reads when it starts for the first time: cloud-init's NoCloud data source
//! (<https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html>).

use wharf_core::base::error::{Error, Result};

/// The folder of the seed, below that of the launch.
pub const FOLDER: &str = "seed";
/// The label by which the guest finds it.
pub const LABEL: &str = "cidata";

/// Who is to sign in to a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account<'a> {
    /// The name; empty for none but those of the image.
    pub user: &'a str,
    /// The public key in the format of OpenSSH; empty for none.
    pub key: &'a str,
}

/// The file `meta-data`: an id that is new for each machine, and its host name.
pub fn meta_data(id: &str, host: &str) -> String {
    format!("instance-id: {id}\nlocal-hostname: {host}\n")
}

/// The file `user-data`: the person's own text, or the account. Values are written as JSON, which is YAML too.
///
/// # Errors
/// `Usage` for a user or a key that is none.
pub fn user_data(own: &str, account: &Account<'_>) -> Result<String> {
    if !own.is_empty() {
        return Ok(if own.ends_with('\n') { own.to_owned() } else { format!("{own}\n") });
    }
    let mut text = "#cloud-config\n".to_owned();
    let key = if account.key.is_empty() { None } else { Some(serde_json::Value::from(public(account.key)?)) };
    if account.user.is_empty() {
        // It becomes a key of the account that the image has.
        text.extend(key.map(|key| format!("ssh_authorized_keys: [{key}]\n")));
        return Ok(text);
    }
    if !is_user(account.user) {
        return Err(Error::usage(format!("make the user '{}'", account.user), "it is no name of a user")
            .hint("letters a to z, digits, - and _, beginning with a letter"));
    }
    text += &format!("users:\n  - default\n  - name: {}\n    shell: /bin/bash\n", account.user);
    text += "    sudo: \"ALL=(ALL) NOPASSWD:ALL\"\n    lock_passwd: true\n";
    text.extend(key.map(|key| format!("    ssh_authorized_keys: [{key}]\n")));
    Ok(text)
}

/// Whether a text is a name of a user, as every system takes it.
pub fn is_user(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    name.len() <= 32 && name.chars().all(valid) && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
}

/// The line of a public key.
fn public(key: &str) -> Result<&str> {
    let key = key.trim();
    let kinds = ["ssh-ed25519 ", "ssh-rsa ", "ecdsa-sha2-", "sk-ssh-ed25519@", "sk-ecdsa-sha2-"];
    if kinds.iter().any(|kind| key.starts_with(kind)) && !key.contains(char::is_control) {
        return Ok(key);
    }
    Err(Error::usage("give the machine a public key", "it is no public key of OpenSSH")
        .hint("one line, as in ~/.ssh/id_ed25519.pub: ssh-ed25519 AAAA…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_written_so_that_nothing_in_it_is_read_as_yaml() {
        let made = |user, key| user_data("", &Account { user, key });
        let text = made("ada", "ssh-ed25519 AAAA ada\": x, [").unwrap();
        assert!(text.starts_with("#cloud-config\nusers:\n  - default\n  - name: ada\n"), "{text}");
        assert!(text.ends_with("ssh_authorized_keys: [\"ssh-ed25519 AAAA ada\\\": x, [\"]\n"), "{text}");
        assert_eq!(made("", "").unwrap(), "#cloud-config\n");
        let own = made("", "ssh-ed25519 AAAA").unwrap();
        assert_eq!(own, "#cloud-config\nssh_authorized_keys: [\"ssh-ed25519 AAAA\"]\n", "the image's own account");
        for user in ["Ada", "a b", "a\nb", "-a", "1a", "a:b"] {
            assert!(made(user, "").is_err(), "{user:?}");
        }
        for key in ["AAAA", "ssh-ed25519 A\nusers: []", "-----BEGIN OPENSSH PRIVATE KEY-----"] {
            assert!(made("ada", key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn the_persons_own_text_is_taken_as_it_is() {
        let own = "#!/bin/sh\necho hello";
        assert_eq!(user_data(own, &Account { user: "ada", key: "" }).unwrap(), "#!/bin/sh\necho hello\n");
        assert_eq!(meta_data("wharf-1", "lab"), "instance-id: wharf-1\nlocal-hostname: lab\n");
    }
}
