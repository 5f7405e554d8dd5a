//! How the rows of lists are identified and named, and which changes of them a decision must have seen ([`Row`]).

use super::kit::list::{Row, SeenRow};
use wharf_core::{
    base::text,
    launch::plan::{Plan, Workload},
    portal::sharing::given::SharedByMe,
    request::{Id, Request},
    sharing::offer::{Offer, Share},
};

pub use wharf_core::launch::usage::WorkloadId;

impl Row for Request {
    type Id = Id;
    fn id(&self) -> Id {
        self.id
    }
    fn called(&self) -> String {
        format!("request {}: {}", self.id, self.asked.title)
    }
    fn edition(&self) -> String {
        self.version.to_string()
    }
}

impl Row for Offer {
    type Id = String;
    fn id(&self) -> String {
        self.id.clone()
    }
    fn called(&self) -> String {
        if self.outgoing { self.title.clone() } else { format!("{} from {}", self.title, self.from.label()) }
    }
    fn edition(&self) -> String {
        // The same offer may be given another name or another image by its giver.
        format!("{} {} {}", self.title, self.reference, self.from.id)
    }
}

impl Row for SharedByMe {
    type Id = String;
    /// The id by which it is taken back, where it has one.
    fn id(&self) -> String {
        self.id.clone().unwrap_or_else(|| format!("{} {}", self.given.what, self.given.to))
    }
    fn called(&self) -> String {
        self.given.to.clone()
    }
}

impl Row for Share {
    type Id = String;
    fn id(&self) -> String {
        self.id.clone()
    }
    fn called(&self) -> String {
        self.project.title().to_owned()
    }
}

impl Row for Workload {
    type Id = WorkloadId;
    fn id(&self) -> WorkloadId {
        self.key()
    }
    fn called(&self) -> String {
        format!("{} on {}", self.name, self.backend)
    }
    fn edition(&self) -> String {
        self.name.clone()
    }
}

impl Row for Plan {
    type Id = String;
    fn id(&self) -> String {
        self.idempotency_key.clone()
    }
    fn called(&self) -> String {
        self.image.reference.short_text()
    }
}

/// Up to this many names are listed one by one.
pub const NAMED: usize = 5;

/// The names of requests for a message: one in full, of several the first [`NAMED`].
pub fn named(requests: &[SeenRow<Id>]) -> String {
    let [one] = requests else {
        let names: Vec<&str> =
            requests.iter().take(NAMED).map(|one| one.called().trim_start_matches("request ")).collect();
        let more = requests.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        return format!("{}: {}{more}", text::plural(requests.len() as u64, "request", "requests"), names.join(", "));
    };
    one.called().to_owned()
}
