//! What is kept of each transfer, so that it can go on after the program or the machine has ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::content::Options;
use crate::{
    base::{
        context::Note,
        error::{Error, Kind, Result},
        pace::{Hours, Pace, Rate},
        text,
    },
    image::{model::Platform, reference::ImageRef},
    sharing::receiver::{Receiver, Terms},
};

/// The format of the records that this program writes. Records of another format are left alone.
pub const FORMAT: u32 = 1;
/// The part of a transfer that is a folder of ours between two places.
pub const BETWEEN: &str = "between";
/// The fewest characters of an id that mean a transfer.
const SHORTEST: usize = 2;

/// A transfer as it is kept. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRecord {
    /// The format of this record: [`FORMAT`].
    pub format: u32,
    /// Its id: letters and digits. Empty until it is kept.
    pub id: String,
    /// What is copied, by its digest.
    pub from: ImageRef,
    /// Where it is copied to.
    pub to: ImageRef,
    /// The platforms that are copied; all where there are none.
    pub platforms: Vec<Platform>,
    /// Whether what is attached to the image is copied too.
    pub attachments: bool,
    /// How many blobs are copied at the same time.
    pub parallel: usize,
    /// The person's reason for proceeding without an approval.
    pub because: Option<String>,
    /// Whether a disk file becomes an artifact with the file itself as its layer.
    #[serde(default)]
    pub as_file: bool,
    /// How fast it goes at most, where whoever began it said so.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// At which hours of the day its bytes are moved, where whoever began it said so.
    #[serde(default)]
    pub hours: Option<Hours>,
    /// The share that it is a part of: whoever lets it go on shares too.
    #[serde(default)]
    pub share: Option<KeptShare>,
    /// Annotations of the index that is written for chosen platforms.
    #[serde(default)]
    pub index_annotations: BTreeMap<String, String>,
    /// Who began it.
    pub person: String,
    /// When it was begun, in seconds since 1970.
    pub began: i64,
    /// When this was written, in seconds since 1970.
    pub changed: i64,
    /// How far it is: bytes done and in all.
    pub progress: Progress,
    /// What became of it so far.
    pub state: TransferState,
}

/// A share whose bytes are moved by a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptShare {
    /// What is shared, as the person named it.
    pub reference: ImageRef,
    /// Its receiver, as [`Receiver`] is written.
    pub to: String,
    /// What the copy is called there, where it has a name of its own.
    pub named: Option<String>,
    /// When the share is to end, in seconds since 1970.
    #[serde(default)]
    pub until: Option<i64>,
}

impl KeptShare {
    /// A share of `reference` with `to`.
    pub fn new(reference: &ImageRef, to: &Receiver, terms: &Terms) -> Self {
        let named = terms.named.as_ref().map(ToString::to_string);
        Self { reference: reference.clone(), to: to.to_string(), named, until: terms.ends }
    }

    /// Its receiver with the name of the copy, as the entry of the audit has them.
    pub fn receiver_in_words(&self) -> String {
        match &self.named {
            Some(named) => format!("{} as {named}", self.to),
            None => self.to.clone(),
        }
    }

    /// Its receiver, and what was chosen about it.
    ///
    /// # Errors
    /// `Usage` where its name is none.
    pub fn terms(&self) -> Result<(Receiver, Terms)> {
        let named = self.named.as_deref().map(str::parse).transpose()?;
        Ok((Receiver::from(self.to.as_str()), Terms { named, until: None, ends: self.until }))
    }
}

/// How far a transfer is, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is there.
    pub done: u64,
    /// What there is to do, when known.
    pub total: Option<u64>,
    /// What did not have to be moved.
    pub spared: u64,
    /// What was moved once more.
    pub again: u64,
}

/// What became of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum TransferState {
    /// It is under way, or its program ended in the middle.
    Begun,
    /// Somebody stopped it; it can go on.
    Paused,
    /// It broke off; it can go on.
    Broken {
        /// Why, in words.
        why: String,
        /// What to do about it; may be empty.
        hint: String,
    },
    /// It is done.
    Done,
    /// It was given up, and what it had left was removed.
    Cancelled,
}

/// What shall become of a transfer that another program carries out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// It shall stop where it can go on.
    Pause,
    /// It shall stop, and leave nothing.
    Cancel,
}

/// A kept transfer, and whether a program carries it out now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTransfer {
    /// What is kept of it.
    pub record: TransferRecord,
    /// Whether a program carries it out now.
    pub runs: bool,
}

impl TransferRecord {
    /// The record of a transfer that begins now.
    pub fn new(from: &ImageRef, to: &ImageRef, options: &Options, person: &str) -> Self {
        let now = text::now();
        Self {
            format: FORMAT,
            id: String::new(),
            from: from.clone(),
            to: to.clone(),
            platforms: options.platforms.clone().unwrap_or_default(),
            attachments: options.attachments,
            parallel: options.parallel,
            because: options.because.clone(),
            as_file: options.as_file,
            rate: None,
            hours: None,
            share: None,
            index_annotations: options.index_annotations.clone(),
            person: person.to_owned(),
            began: now,
            changed: now,
            progress: Progress::default(),
            state: TransferState::Begun,
        }
    }

    /// The record with what was said about rate and hours.
    #[must_use]
    pub fn at_pace(mut self, said: &Pace) -> Self {
        (self.rate, self.hours) = said.limits();
        self
    }

    /// The record of a transfer that is a part of this share.
    #[must_use]
    pub fn of_share(self, share: &KeptShare) -> Self {
        Self { share: Some(share.clone()), ..self }
    }

    /// What is shared by the share that it is a part of: the image that was judged then, whatever its name means by now.
    pub fn shared_image(&self, share: &KeptShare) -> ImageRef {
        match (&share.reference, &self.from) {
            (ImageRef::Glance { .. }, from @ ImageRef::Glance { .. }) => from.clone(),
            (named, from) => from.digest().map_or_else(|| named.clone(), |digest| named.with_digest(digest)),
        }
    }

    /// The options with which it goes on.
    pub fn options(&self) -> Options {
        Options {
            platforms: (!self.platforms.is_empty()).then(|| self.platforms.clone()),
            attachments: self.attachments,
            parallel: self.parallel,
            because: self.because.clone(),
            as_file: self.as_file,
            index_annotations: self.index_annotations.clone(),
            ..Options::default()
        }
    }

    /// Whether it can go on.
    pub fn is_open(&self) -> bool {
        matches!(self.state, TransferState::Begun | TransferState::Paused | TransferState::Broken { .. })
    }

    /// Whether `wanted` is the same transfer: the same bytes to the same place, for the same share if for one.
    pub fn is_same(&self, wanted: &Self) -> bool {
        let same = |one: &Self| {
            let form = (one.platforms.clone(), one.attachments, one.as_file);
            // Said again, "for a week" ends a little later.
            let share = one.share.clone().map(|share| KeptShare { until: None, ..share });
            (one.from.clone(), one.to.clone(), form, share)
        };
        same(self) == same(wanted)
    }

    /// Takes over how far it is.
    pub fn note(&mut self, note: &Note) {
        self.progress = Progress { done: note.done, total: note.total, spared: note.spared, again: note.again };
        self.changed = text::now();
    }

    /// Takes over how it ended.
    pub fn ended<T>(&mut self, ended: &Result<T>) {
        self.changed = text::now();
        self.state = match ended {
            Ok(_) => TransferState::Done,
            Err(error) if error.kind == Kind::Cancelled => TransferState::Paused,
            Err(error) => TransferState::Broken { why: error.why.clone(), hint: error.hint.clone() },
        };
    }
}

impl KeptTransfer {
    /// What it does now, in one word.
    pub fn word(&self) -> &'static str {
        match (&self.record.state, self.runs) {
            (TransferState::Begun, true) => "running",
            (TransferState::Begun, false) => "interrupted",
            (TransferState::Paused, _) => "paused",
            (TransferState::Broken { .. }, _) => "failed",
            (TransferState::Done, _) => "done",
            (TransferState::Cancelled, _) => "cancelled",
        }
    }

    /// Whether it waits for somebody to let it go on.
    pub fn waits(&self) -> bool {
        self.record.is_open() && !self.runs
    }
}

/// The transfer that `id` means, which may be cut short.
///
/// # Errors
/// `NotFound` where none is meant, `Usage` where several are.
pub fn meant<'a>(all: &'a [KeptTransfer], id: &str) -> Result<&'a KeptTransfer> {
    let what = format!("find the transfer {id}");
    let found: Vec<&KeptTransfer> =
        all.iter().filter(|kept| id.len() >= SHORTEST && kept.record.id.starts_with(id)).collect();
    match found.as_slice() {
        [] => Err(Error::not_found(what, "no transfer of that id is kept").hint("'wharf transfers' lists them")),
        [one] => Ok(one),
        several => {
            let exact = several.iter().find(|kept| kept.record.id == id);
            exact
                .copied()
                .ok_or_else(|| Error::usage(what, format!("{} begin so", several.len())).hint("write more of its id"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sharing::naming::CopyName;

    fn kept(id: &str) -> KeptTransfer {
        let at = ImageRef::oci("r.example", "a", Some("1".to_owned()));
        let record = TransferRecord { id: id.into(), ..TransferRecord::new(&at, &at, &Options::default(), "ada") };
        KeptTransfer { record, runs: false }
    }

    #[test]
    fn a_transfer_is_found_by_the_begin_of_its_id() {
        let all = [kept("ab12"), kept("ab34"), kept("ab3456")];
        assert_eq!(meant(&all, "ab1").unwrap().record.id, "ab12");
        assert_eq!(meant(&all, "ab34").unwrap().record.id, "ab34", "an exact id means itself");
        assert_eq!(meant(&all, "ab").unwrap_err().kind, Kind::Usage);
        for unknown in ["", "a", "zz", "ab123"] {
            assert_eq!(meant(&all, unknown).unwrap_err().kind, Kind::NotFound, "{unknown}");
        }
    }

    #[test]
    fn a_record_of_an_earlier_version_is_read_and_a_pace_is_kept() {
        let pace = Pace::new(Some("20M".parse().unwrap()), Some("20:00-06:00".parse().unwrap()));
        let before = kept("ab12").record;
        let record = before.clone().at_pace(&pace);
        let mut written = serde_json::to_value(&record).unwrap();
        assert_eq!(serde_json::from_value::<TransferRecord>(written.clone()).unwrap(), record);
        assert_eq!((record.rate, record.hours), pace.limits());
        for later in ["rate", "hours", "share"] {
            written.as_object_mut().unwrap().remove(later);
        }
        assert_eq!(serde_json::from_value::<TransferRecord>(written).unwrap(), before);
    }

    fn copy_of(from: &ImageRef, to: &ImageRef) -> TransferRecord {
        TransferRecord::new(from, to, &Options::default(), "ada")
    }

    #[test]
    fn a_share_goes_on_as_that_share_of_the_image_that_was_judged() {
        let digest = crate::base::digest::Digest::of(b"image");
        let named = ImageRef::oci("r.example", "a", Some("1".to_owned()));
        let cloud = |image: &str| ImageRef::Glance { cloud: "site".to_owned(), image: image.to_owned() };
        let volume = ImageRef::Volume { cloud: "site".to_owned(), volume: "v".to_owned() };
        let name: CopyName = "b:2".parse().unwrap();
        for (reference, from, shared) in [
            (named.clone(), named.with_digest(&digest), named.with_digest(&digest)),
            (cloud("debian"), cloud("4711"), cloud("4711")),
            (volume.clone(), cloud("4711"), volume),
        ] {
            let terms = Terms { named: Some(name.clone()), until: None, ends: Some(7) };
            let share = KeptShare::new(&reference, &Receiver::Project("other/biology".into()), &terms);
            let later = copy_of(&from, &named).of_share(&KeptShare { until: Some(8), ..share.clone() });
            let copy = copy_of(&from, &named);
            let record = copy.clone().of_share(&share);
            assert!(record.is_same(&later), "said again, it ends a little later");
            let record: TransferRecord = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
            assert!(!record.is_same(&copy), "a copy beside it leaves the share to whoever goes on");
            let kept = record.share.as_ref().unwrap();
            assert_eq!(record.shared_image(kept), shared);
            let (to, terms) = kept.terms().unwrap();
            assert_eq!(
                (to, terms.named, terms.ends),
                (Receiver::Project("other/biology".into()), Some(name.clone()), Some(7))
            );
        }
    }

    #[test]
    fn a_transfer_goes_on_with_the_options_that_it_was_begun_with() {
        let options = Options {
            platforms: Some(vec![Platform::new("linux", "amd64", None)]),
            index_annotations: BTreeMap::from([("org.example.of".to_owned(), "x".to_owned())]),
            ..Options::default()
        };
        let at = ImageRef::oci("r.example", "a", Some("1".to_owned()));
        let record = TransferRecord::new(&at, &at, &options, "ada");
        let mut written = serde_json::to_value(&record).unwrap();
        let read: TransferRecord = serde_json::from_value(written.clone()).unwrap();
        let again = read.options();
        assert_eq!((again.platforms, again.index_annotations), (options.platforms, options.index_annotations));
        // A record of an older Wharf has no such annotations.
        written.as_object_mut().unwrap().remove("index_annotations");
        let older: TransferRecord = serde_json::from_value(written).unwrap();
        assert!(older.options().index_annotations.is_empty());
    }

    #[test]
    fn a_record_that_says_running_without_a_program_was_interrupted() {
        let mut one = kept("ab12");
        assert_eq!((one.word(), one.waits()), ("interrupted", true));
        one.runs = true;
        assert_eq!((one.word(), one.waits()), ("running", false));
        one.record.ended::<()>(&Err(Error::new(Kind::Unavailable, "copy", "no answer")));
        one.runs = false;
        assert_eq!((one.word(), one.waits()), ("failed", true));
    }
}
