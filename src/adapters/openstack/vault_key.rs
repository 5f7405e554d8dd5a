//! Where the vault keeps secrets of clouds.

/// The name under which the vault keeps the secrets of an account.
pub(super) fn place(name: &str) -> String {
    format!("openstack:{name}")
}
