//! The five findings of the first page, always the same five: what is here of it, and the key that mends it.

use crate::{kit::action::Action, model::Model};
use wharf_core::{base::text, ports::Listing};

/// How many findings there are.
pub(super) const FOUND: usize = 5;

/// What a finding's key does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mend {
    /// Launches the image that Wharf carries along.
    Launch,
    /// Carries out an action.
    Do(Action),
    /// Shows a text: its title, and its words.
    Read(&'static str, &'static str),
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its sign and the theme's role.
    pub sign: (&'static str, &'static str),
    /// What there is, and how many: `2 registries`.
    pub what: String,
    /// What was found, in words.
    pub found: String,
    /// What its key does, in words.
    pub does: &'static str,
    /// What its key does.
    pub mends: Mend,
}

/// Where a cloud's settings go, and what is in them.
const CLOUDS: &str = "\
Your cloud's dashboard offers clouds.yaml under API Access. Put it into ~/.config/openstack.

clouds:
  NAME:
    region_name: …
    auth:
      auth_url: https://…:5000
      username: …
      project_name: …
      user_domain_name: …
      project_domain_name: …

The password may be left out: Wharf asks for it, and keeps it in your secret store.";

/// What a site or a person sets about what may run.
const POLICY: &str = "\
A policy says which images may be launched: signed by whom, scanned how recently, with which vulnerabilities.
Without one everything may be launched, and each image says what is known of it.

A site writes it into /etc/wharf/site.toml, under [policy]; your own can only make it stricter.
wharf policy show --commented prints every key with what it means.";

/// The findings, as far as they are known without asking anybody. `starter`: whether there is an image to try.
pub(super) fn findings(model: &Model, starter: bool) -> [Found; FOUND] {
    [backends(model, starter), images(model), registries(model), clouds(model), policy(model)]
}

fn there(what: String, found: String, does: &'static str, mends: Mend) -> Found {
    Found { sign: ("✓", "good"), what, found, does, mends }
}

fn missing(what: &str, found: &str, does: &'static str, mends: Mend) -> Found {
    Found { sign: ("✗", "bad"), what: what.to_owned(), found: found.to_owned(), does, mends }
}

fn backends(model: &Model, starter: bool) -> Found {
    let is_cloud = |name: &&str| model.sources.iter().any(|source| source.name == **name && source.holds_disks);
    let names: Vec<&str> = model.backends.iter().map(String::as_str).filter(|name| !is_cloud(name)).collect();
    if names.is_empty() {
        let found = "no container engine, no bwrap and no scheduler is here";
        return missing("0 backends", found, "shows what is missing", Mend::Do(Action::Sources));
    }
    let what = text::plural(names.len() as u64, "backend", "backends");
    let found = format!("{}: you can launch now", names.join(", "));
    if starter {
        return there(what, found, "try it: launches look, which only prints what it sees", Mend::Launch);
    }
    there(what, found, "goes to the workloads", Mend::Do(Action::Workloads))
}

fn images(model: &Model) -> Found {
    let rows: usize = model.held.iter().map(|held| held.rows).sum();
    if rows == 0 {
        let found = "no place that is known here has one";
        return missing("0 images", found, "add a place: where are they kept?", Mend::Do(Action::AddSource));
    }
    let of: Vec<&str> = model.held.iter().filter(|held| held.rows > 0).map(|held| held.source.as_str()).collect();
    let what = text::plural(rows as u64, "image", "images");
    there(what, format!("in {}", of.join(", ")), "goes to the list", Mend::Do(Action::Catalog))
}

fn registries(model: &Model) -> Found {
    let known = model.sources.iter().filter(|one| one.registry().is_some() && one.listing != Listing::SearchOnly);
    let names: Vec<&str> = known.map(|source| source.name.as_str()).collect();
    if names.is_empty() {
        let found = "none is known to Docker or Podman";
        return missing("0 registries", found, "add one: its address is enough", Mend::Do(Action::AddSource));
    }
    let what = text::plural(names.len() as u64, "registry", "registries");
    let refused = |held: &&crate::model::Held| held.error.as_ref().is_some_and(|error| error.sign_in.is_some());
    if model.held.iter().any(|held| refused(&held)) {
        return there(what, names.join(", "), "sign in: one wants you to", Mend::Do(Action::SignIn));
    }
    there(what, names.join(", "), "shows whether they answer", Mend::Do(Action::Sources))
}

fn clouds(model: &Model) -> Found {
    let names: Vec<&str> =
        model.sources.iter().filter(|source| source.holds_disks).map(|source| source.name.as_str()).collect();
    if names.is_empty() {
        let does = "shows where it goes, and what is in one";
        return missing("0 clouds", "no clouds.yaml", does, Mend::Read("clouds.yaml", CLOUDS));
    }
    let what = text::plural(names.len() as u64, "cloud", "clouds");
    there(what, names.join(", "), "shows whether they answer", Mend::Do(Action::Sources))
}

fn policy(model: &Model) -> Found {
    let mends = Mend::Read("Policy", POLICY);
    if model.policy {
        return there("a policy".to_owned(), "it says what may run".to_owned(), "shows what one sets", mends);
    }
    let found = "nobody has said what may run: everything may, and says so".to_owned();
    Found { sign: ("·", "dim"), what: "no policy".to_owned(), found, does: "shows what a site sets", mends }
}
