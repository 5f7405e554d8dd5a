//! The form of a server, and the plan that is made of the answers. Pure functions: the shown request is the sent one.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::answers::{Flavor, KeyPairs, Limits, Network, Zones};
use super::keystone::TOKEN;
use wharf_core::{
    base::{
        clean,
        error::{Error, Kind, Result},
        text,
    },
    image::model::Image,
    launch::{
        form::{Answers, Field, FieldKind, Form},
        isolation::Isolation,
        plan::{Call, Plan, Risk, Step, key, label},
        questions,
        room::Room,
    },
};

/// The choice of no network, no key or no zone.
const NONE: &str = "none";
/// The microversion of `POST /servers` from which "no network" can be chosen.
pub(super) const CREATE: &str = "2.37";
/// The microversion from which the certificates can be named that must have signed the image.
pub(super) const CERTIFIED: &str = "2.63";

/// The header that asks for a microversion.
const VERSION: &str = "OpenStack-API-Version";

/// What a cloud offers this project for servers.
pub(super) struct Facts {
    /// Flavors: sizes of servers.
    pub flavors: Vec<Flavor>,
    /// Networks that a server can be attached to.
    pub networks: Vec<Network>,
    /// Key pairs of the person, for signing in to a server.
    pub keys: KeyPairs,
    /// Availability zones in which servers can be launched.
    pub zones: Zones,
    /// The project's quota, if the cloud tells it.
    pub limits: Option<Limits>,
}

impl Facts {
    /// Flavors that are large enough for the image, the smallest first.
    fn fitting(&self, image: &Image) -> Vec<&Flavor> {
        let needs = image.disk.clone().unwrap_or_default();
        let (disk, memory) = (needs.least_disk.div_ceil(1 << 30), needs.least_memory.div_ceil(1 << 20));
        let mut fitting: Vec<&Flavor> = self
            .flavors
            .iter()
            // A flavor with disk 0 uses the size of the image.
            .filter(|flavor| flavor.ram >= memory && (flavor.disk == 0 || flavor.disk >= disk))
            .collect();
        fitting.sort_by_key(|flavor| (flavor.ram, flavor.vcpus, flavor.disk));
        fitting
    }
}

/// Something that people choose by name and clouds by id.
trait Choice {
    fn id(&self) -> &str;
    fn name(&self) -> &str;
}

impl Choice for Flavor {
    fn id(&self) -> &str {
        &self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
}

impl Choice for Network {
    fn id(&self) -> &str {
        &self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
}

/// The labels in the form: the name if it is unique, otherwise name and id.
fn labels<T: Choice>(all: &[&T]) -> Vec<String> {
    let shown: Vec<String> = all.iter().map(|one| clean::short(one.name(), 100)).collect();
    let alone =
        |name: &String| !name.is_empty() && name != NONE && shown.iter().filter(|other| *other == name).count() == 1;
    let label = |(name, one): (&String, &&T)| match (alone(name), name.is_empty()) {
        (true, _) => name.clone(),
        (false, true) => clean::short(one.id(), 80),
        (false, false) => format!("{name} {}", clean::short(one.id(), 80)),
    };
    shown.iter().zip(all).map(label).collect()
}

/// What an answer means: a label of the form, an id or a name. A name that several have is refused, with their ids.
fn chosen<'a, T: Choice>(what: &str, kind: &str, all: &[&'a T], answer: &str) -> Result<&'a T> {
    let labelled = labels(all).iter().position(|label| label == answer);
    let by_id = || all.iter().position(|one| one.id() == answer);
    if let Some(one) = labelled.or_else(by_id).and_then(|at| all.get(at)) {
        return Ok(one);
    }
    let named: Vec<&&T> = all.iter().filter(|one| one.name() == answer).collect();
    match named.as_slice() {
        [one] => Ok(one),
        [] => Err(Error::not_found(what, format!("there is no such {kind}")).hint("choose one of the form's")),
        several => {
            let ids: Vec<&str> = several.iter().map(|one| one.id()).collect();
            Err(Error::usage(what, format!("several have this name: which {kind}?"))
                .hint(format!("name it by its id: {}", ids.join(", "))))
        }
    }
}

/// The form for another flavor of a server that has the one called `now`; those that are equal in name are told apart.
pub(super) fn size_form(flavors: &[Flavor], now: &str) -> Form {
    let mut all: Vec<&Flavor> = flavors.iter().collect();
    all.sort_by_key(|flavor| (flavor.ram, flavor.vcpus, flavor.disk));
    let labels = labels(&all);
    let help = "how large it is; the server is restarted with it";
    // A flavor that is gone, or hidden, is still what the server has.
    let own = if labels.iter().any(|label| label == now) { None } else { Some(now.to_owned()) };
    let choices = own.into_iter().chain(labels).collect();
    let field = Field::new("flavor", "Flavor", help, FieldKind::Choice(choices), now);
    Form::new(vec![questions::resources(vec![field])])
}

/// The flavor that an answer of that form means.
pub(super) fn size_chosen<'a>(flavors: &'a [Flavor], answer: &str, what: &str) -> Result<&'a Flavor> {
    let all: Vec<&Flavor> = flavors.iter().collect();
    chosen(what, "flavor", &all, answer)
}

/// The answers with the form's labels: ids and names are replaced by the labels that mean the same.
pub(super) fn with_labels(image: &Image, facts: &Facts, answers: &Answers) -> Result<Answers> {
    let mut answers = answers.clone();
    let flavors = facts.fitting(image);
    let networks: Vec<&Network> = facts.networks.iter().collect();
    let what = "choose for the server";
    if let Some(given) = answers.0.get_mut("flavor") {
        reworded(what, "flavor", &flavors, given)?;
    }
    if let Some(given) = answers.0.get_mut("network").filter(|given| given.as_str() != NONE) {
        reworded(what, "network", &networks, given)?;
    }
    Ok(answers)
}

fn reworded<T: Choice>(what: &str, kind: &str, all: &[&T], given: &mut String) -> Result<()> {
    let one = match chosen(what, kind, all, given) {
        // An unknown answer is refused by the form, which lists the choices.
        Err(error) if error.kind == Kind::NotFound => return Ok(()),
        one => one?,
    };
    let at = all.iter().position(|known| std::ptr::eq(*known, one));
    if let Some(label) = at.and_then(|at| labels(all).into_iter().nth(at)) {
        *given = label;
    }
    Ok(())
}

/// The form, with careful defaults: the smallest flavor that fits, no network, the server's own disk.
pub(super) fn form(image: &Image, facts: &Facts) -> Result<Form> {
    let fitting = facts.fitting(image);
    if fitting.is_empty() {
        return Err(Error::unsupported("ask for a server", "no flavor of this cloud is large enough for the image")
            .hint("ask the administrators of the cloud for a larger flavor"));
    }
    let choice = |first: Option<&str>, names: Vec<String>| {
        FieldKind::Choice(first.map(str::to_owned).into_iter().chain(names).collect())
    };
    let flavors = labels(&fitting);
    let default_flavor = flavors.first().cloned().unwrap_or_default();
    let networks = labels(&facts.networks.iter().collect::<Vec<_>>());
    let names = |all: Vec<&str>| all.into_iter().map(|name| clean::short(name, 100)).collect::<Vec<_>>();
    let zones = facts.zones.zones.iter().filter(|zone| zone.state.available).map(|zone| zone.name.as_str());
    let default_name = image.annotations.get("name").map_or("server", String::as_str);
    let default_name: String =
        default_name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let basics = vec![
        questions::name("what the server is called", &default_name),
        Field::new(
            "key",
            "Key pair",
            "whose public key may sign in by ssh, if the image asks the cloud for it",
            choice(Some(NONE), names(facts.keys.keypairs.iter().map(|key| key.keypair.name.as_str()).collect())),
            NONE,
        ),
    ];
    let resources = vec![
        Field::new(
            "flavor",
            "Flavor",
            "how large it is; only those that fit the image are shown",
            choice(None, flavors),
            default_flavor,
        ),
        Field::new(
            "volume",
            "Volume",
            "boot from a new volume of so many GiB; 0 boots from the server's own disk",
            FieldKind::Number { least: 0, most: 100_000 },
            "0",
        ),
    ];
    let network = vec![
        Field::new(
            "network",
            "Network",
            "none: no connections at all, and no sign-in",
            choice(Some(NONE), networks),
            NONE,
        ),
        Field::new(
            "groups",
            "Security",
            "names of security groups, which say who may reach it",
            FieldKind::Words,
            "default",
        ),
    ];
    let advanced = vec![
        Field::new(
            "data",
            "User data",
            "for cloud-init, in one line; no secrets here, they show in the plan",
            FieldKind::Text,
            "",
        ),
        Field::new(
            "certificates",
            "Certificates",
            "ids of certificates that must have signed the image; the cloud checks it at boot, from its own disk only",
            FieldKind::Words,
            "",
        ),
        Field::new("zone", "Zone", "availability zone", choice(Some("any"), names(zones.collect())), "any"),
    ];
    let sections = vec![
        questions::basics(basics),
        questions::resources(resources),
        questions::network("whom it can reach, and who reaches it", network),
        questions::advanced(advanced),
    ];
    let room = facts.limits.as_ref().map(room).unwrap_or_default();
    Ok(Form { room, isolation: Isolation::OwnKernel, ..Form::new(sections) })
}

/// What is left of the project's quota (Compute API, "Limits": -1 is no limit).
fn room(limits: &Limits) -> Vec<Room> {
    let most = |most: i64| u64::try_from(most).ok();
    let bytes = |mebibytes: u64| mebibytes.saturating_mul(1 << 20);
    vec![
        Room::count("servers", Some(limits.instances.0), most(limits.instances.1)),
        Room::count("processors", Some(limits.cores.0), most(limits.cores.1)),
        Room::bytes("memory", Some(bytes(limits.memory.0)), most(limits.memory.1).map(bytes)),
    ]
}

/// Makes the plan. `answers` must have been checked against the form; `compute` is the address of the compute service.
pub(super) fn plan(
    (backend, compute): (&str, &str),
    image: &Image,
    facts: &Facts,
    limits: Option<&Limits>,
    answers: Answers,
) -> Result<Plan> {
    let what = format!("plan on {backend}");
    let pinned = image.pinned.clone().ok_or_else(|| Error::unsupported(&what, "the image has no hash"))?;
    let id = pinned.reference.title();
    let flavor = chosen(&what, "flavor", &facts.fitting(image), answers.get("flavor"))?;
    let key = key();
    let mut server = json!({
        "name": answers.get("name"),
        "flavorRef": flavor.id,
        "networks": "none",
        "metadata": {
            label::WHARF: env!("CARGO_PKG_VERSION"),
            label::REFERENCE: pinned.reference.to_string(),
            // Nova keeps at most 255 characters of a value.
            label::DIGEST: pinned.digest.to_string(),
            label::KEY: key,
        },
    });
    let volume: u64 = answers.get("volume").parse().unwrap_or(0);
    let certificates = answers.split_words("certificates");
    if volume > 0 && !certificates.is_empty() {
        return Err(Error::usage(&what, "clouds check no certificates of what boots from a volume")
            .hint("leave the certificates out, or boot from the server's own disk"));
    }
    let version = if certificates.is_empty() { CREATE } else { CERTIFIED };
    if let Some(server) = server.as_object_mut() {
        if volume > 0 {
            let disk = json!([{"boot_index": 0, "uuid": id, "source_type": "image", "destination_type": "volume",
                "volume_size": volume, "delete_on_termination": true}]);
            server.insert("block_device_mapping_v2".into(), disk);
        } else {
            server.insert("imageRef".into(), json!(id));
        }
        if answers.get("network") != NONE {
            let networks: Vec<&Network> = facts.networks.iter().collect();
            let network = chosen(&what, "network", &networks, answers.get("network"))?;
            server.insert("networks".into(), json!([{"uuid": network.id}]));
            let groups: Vec<_> = answers.split_words("groups").into_iter().map(|name| json!({"name": name})).collect();
            server.insert("security_groups".into(), json!(groups));
        }
        for (key, field) in [("key_name", "key"), ("availability_zone", "zone")] {
            if !matches!(answers.get(field), NONE | "any" | "") {
                server.insert(key.into(), json!(answers.get(field)));
            }
        }
        if !certificates.is_empty() {
            server.insert("trusted_image_certificates".into(), json!(certificates));
        }
        if !answers.get("data").is_empty() {
            server.insert("user_data".into(), json!(STANDARD.encode(answers.get("data"))));
        }
    }
    let call = Call {
        headers: vec![(VERSION.to_owned(), format!("compute {version}"))],
        token: TOKEN.to_owned(),
        ..Call::new("POST", compute, "servers").body(json!({"server": server}))
    };
    Ok(Plan {
        backend: backend.to_owned(),
        steps: vec![
            Step::Compare { what: "the image's hash in the cloud".to_owned(), with: pinned.digest.to_string() },
            Step::Send(call),
            Step::Wait { until: "the server runs".to_owned() },
        ],
        risks: state_risk(image).into_iter().chain(risks(&answers, flavor, limits, volume)).collect(),
        privileged: false,
        isolation: Isolation::OwnKernel,
        image: pinned,
        answers,
        idempotency_key: key,
    })
}

/// A warning if the image is not active: then it cannot be booted.
fn state_risk(image: &Image) -> Option<Risk> {
    let state = image.annotations.get("status").filter(|state| *state != "active")?;
    Some(Risk::danger(format!("the image is {state}: the cloud will refuse it")))
}

/// The risk lines of the launch, with what it takes from the project's quota.
fn risks(answers: &Answers, flavor: &Flavor, limits: Option<&Limits>, volume: u64) -> Vec<Risk> {
    let mut risks = vec![Risk::harmless("isolation is a virtual machine: it has a kernel of its own")];
    risks.push(if answers.get("network") == NONE {
        questions::no_network()
    } else {
        Risk::caution(format!("it is on the network {}, open as its security groups say", answers.get("network")))
    });
    if answers.get("network") != NONE && answers.get("key") == NONE {
        risks.push(Risk::caution("without a key pair you cannot sign in, unless the image has a password of its own"));
    }
    if !answers.get("certificates").is_empty() {
        risks.push(Risk::harmless("the cloud boots it only if one of the named certificates has signed it"));
    }
    if volume > 0 {
        risks.push(Risk::caution("booting from a volume, the cloud checks no signature of the image"));
        risks.push(Risk::caution(format!(
            "the volume of {volume} GiB counts against the project's quota; it goes with the server"
        )));
    }
    match limits {
        Some(limits) => {
            for (what, (used, most), more) in [
                ("servers", limits.instances, 1),
                ("processors", limits.cores, flavor.vcpus),
                ("MiB of memory", limits.memory, flavor.ram),
            ] {
                let after = used + more;
                let line = format!("quota: {after} of {} {what} after it ({used} before)", text_of(most));
                risks.push(if most >= 0 && after > u64::try_from(most).unwrap_or(0) {
                    Risk::danger(format!("{line}: the cloud will refuse it"))
                } else {
                    Risk::harmless(line)
                });
            }
        }
        None => risks.push(Risk::caution("the cloud does not tell this project's quota")),
    }
    risks
}

fn text_of(most: i64) -> String {
    u64::try_from(most).map_or_else(|_| "any number of".to_owned(), text::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(id: &str, name: &str) -> Network {
        Network { id: id.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn what_shares_a_name_is_told_apart_and_named_by_its_id() {
        let all =
            [network("1", "own"), network("2", "same"), network("3", "same"), network("4", ""), network("5", NONE)];
        let all: Vec<&Network> = all.iter().collect();
        assert_eq!(labels(&all), ["own", "same 2", "same 3", "4", "none 5"]);
        let id = |answer: &str| chosen("test", "network", &all, answer).map(|one| one.id.clone());
        assert_eq!(["own", "same 3", "2", "4"].map(|answer| id(answer).unwrap()), ["1", "3", "2", "4"]);
        let refused = id("same").unwrap_err();
        assert!(refused.hint.contains("2, 3"), "{refused}");
        assert_eq!(id("other").unwrap_err().kind, Kind::NotFound);
    }
}
