//! The questions that every machine is asked, whatever it starts.

use super::forward;
use wharf_core::{
    image::{model::Image, reference::ImageRef},
    launch::{
        form::{Field, FieldKind, Section},
        published::Published,
        questions,
    },
};

/// The most processors.
const PROCESSORS: u64 = 64;

/// What a machine can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// It has no network card.
    None,
    /// It gets an address and answers at forwarded ports, and reaches nothing.
    Restricted,
    /// It reaches whatever this machine reaches, this machine included.
    User,
}

impl Network {
    /// The words for it in answers, the careful one first.
    pub const WORDS: [&str; 3] = ["restricted", "user", "none"];

    /// The network as QEMU's `-netdev` takes it, under this id; `None` where there is none.
    pub fn netdev(self, id: &str, ports: &[Published]) -> Option<String> {
        let restricted = match self {
            Self::None => return None,
            Self::Restricted => "on",
            Self::User => "off",
        };
        let forward =
            |port: &Published| format!(",hostfwd={}:{}:{}-:{}", port.protocol, port.address, port.port, port.inside);
        let forwards: String = ports.iter().map(forward).collect();
        Some(format!("user,id={id},restrict={restricted}{forwards}"))
    }

    /// The network with this word.
    pub fn from_word(word: &str) -> Self {
        match word {
            "none" => Self::None,
            "user" => Self::User,
            _ => Self::Restricted,
        }
    }
}

/// The name that a machine gets from that of its image.
pub(super) fn name(image: &Image) -> String {
    // A cloud's image is named by its id, which says nothing.
    let in_cloud = matches!(image.reference, ImageRef::Glance { .. });
    let named = image.annotations.get("name").filter(|name| in_cloud && !name.is_empty());
    let title = named.cloned().unwrap_or_else(|| image.reference.title());
    title.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default().to_owned()
}

/// The question for the processors.
pub(super) fn processors() -> Field {
    let here = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    questions::processors(here.min(PROCESSORS))
}

/// The questions for the network, with these ports unless others are asked for.
pub(super) fn network(ports: &str) -> Section {
    let reach = "restricted answers at its ports and reaches nothing; user reaches what this machine reaches";
    let fields = vec![
        Field::new("network", "Network", reach, questions::choice(&Network::WORDS), Network::WORDS[0]),
        Field::new("ports", "Ports", forward::HELP, FieldKind::Words, ports),
    ];
    questions::network("whom it can reach, and how it is reached", fields)
}
