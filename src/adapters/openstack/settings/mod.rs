//! The clouds in openstackclient's files and variables, read as openstackclient reads them.
//!
//! Follows openstacksdk, `openstack/config/loader.py`, and keystoneauth1, `loading/_plugins/identity`.

mod entry;
mod files;
mod model;
mod recover;
mod regions;
mod remote;
mod spelling;
mod vendors;
mod yaml;

pub(super) use self::{
    files::{all, at_home},
    model::{Entry, Remote, Settings, SettingsFault},
};

/// The settings of a single entry, for tests.
#[cfg(test)]
pub(super) fn read_one(entry: &str) -> Settings {
    parse_one(&format!("clouds: {{one: {entry}}}"), "one")
}

/// The settings of a cloud in a file, for tests.
#[cfg(test)]
pub(super) fn parse_one(text: &str, name: &str) -> Settings {
    let node = yaml::read(text).expect("the test's own text is YAML");
    let mut all = entry::clouds(&node, None, None, "clouds.yaml", entry::ShellVariables::default()).into_iter();
    all.find(|entry| entry.name == name).expect("the test's own cloud").settings
}
