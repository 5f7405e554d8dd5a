//! How long each source and backend took to answer the last times, kept in the state folder: whether one is slow today or
//! always is seen only over several days.

use std::{collections::BTreeMap, fs, io, path::Path, time::Duration};

use wharf_core::{
    base::{error::Kind, small_file},
    portal::answers::HealthAnswer,
};

const FILE: &str = "response-times";
/// How many answers of each are kept, and of how many sources.
const KEPT: usize = 10;
const SOURCES: usize = 200;
/// The word for no answer.
const NONE: &str = "-";

/// How long one answer took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseTime {
    /// The source or backend.
    name: String,
    /// How long it took; `None` if it did not answer.
    took: Option<Duration>,
}

impl ResponseTime {
    /// That of an answer; `None` for a backend that is a source, too: the source's answer counts.
    pub fn that_counts(answer: &HealthAnswer, is_source: impl Fn(&str) -> bool) -> Option<Self> {
        let counts = !answer.is_backend() || !is_source(&answer.name);
        // Who refuses answers, too.
        let answered = answer.answer.as_ref().err().is_none_or(|error| error.kind != Kind::Unavailable);
        counts.then(|| Self { name: answer.name.clone(), took: answered.then_some(answer.took) })
    }
}

/// How long the last answers took, by the name of source or backend, the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseTimes(BTreeMap<String, Vec<Option<Duration>>>);

impl ResponseTimes {
    /// Adds an answer. Names that a line of the file cannot hold are left out, and so are those of too many sources.
    pub fn add(&mut self, time: ResponseTime) {
        let can_be_kept = !time.name.is_empty() && !time.name.contains(['\t', '\n', '\r']);
        if !can_be_kept || self.0.len() >= SOURCES && !self.0.contains_key(&time.name) {
            return;
        }
        let times = self.0.entry(time.name).or_default();
        times.push(time.took);
        times.drain(..times.len().saturating_sub(KEPT));
    }

    /// How long the last answers of a source or backend took, the newest last; `None` for one that did not come.
    pub fn of(&self, name: &str) -> &[Option<Duration>] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The times as they were kept. What cannot be read is left out.
pub fn response_times(state_dir: &Path) -> ResponseTimes {
    let text = small_file::text(state_dir.join(FILE)).unwrap_or_default();
    let mut all = ResponseTimes::default();
    for (name, times) in text.lines().filter_map(|line| line.split_once('\t')) {
        for word in times.split_whitespace() {
            let took = word.parse().map(Duration::from_millis).ok();
            if took.is_some() || word == NONE {
                all.add(ResponseTime { name: name.to_owned(), took });
            }
        }
    }
    all
}

/// Keeps an answer beside what is kept by now of the sources and backends of these names: others are forgotten.
pub fn keep(state_dir: &Path, new: &ResponseTime, names: &[String]) -> io::Result<()> {
    let mut all = response_times(state_dir);
    all.0.retain(|name, _| names.contains(name));
    all.add(new.clone());
    let word = |took: &Option<Duration>| took.map_or_else(|| NONE.to_owned(), |took| took.as_millis().to_string());
    let line = |(name, times): (&String, &Vec<Option<Duration>>)| {
        format!("{name}\t{}\n", times.iter().map(word).collect::<Vec<_>>().join(" "))
    };
    // Another Wharf reads the old file or the new one.
    let part = state_dir.join(format!("{FILE}.{}", rustix::process::getpid().as_raw_nonzero()));
    fs::write(&part, all.0.iter().map(line).collect::<String>())?;
    fs::rename(part, state_dir.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(name: &str, took: Option<u64>) -> ResponseTime {
        ResponseTime { name: name.to_owned(), took: took.map(Duration::from_millis) }
    }

    #[test]
    fn the_last_ten_times_of_each_source_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(response_times(folder.path()), ResponseTimes::default());
        for ms in 0..12 {
            for one in [time("hub", Some(ms)), time("a b", None)] {
                keep(folder.path(), &one, &["hub".into(), "a b".into()]).unwrap();
            }
        }
        let kept = response_times(folder.path());
        assert_eq!(kept.of("hub").len(), 10);
        assert_eq!(kept.of("hub").last(), Some(&Some(Duration::from_millis(11))));
        assert_eq!(kept.of("a b"), [None; 10]);
        assert_eq!(kept.of("other"), []);
    }

    #[test]
    fn what_is_no_source_any_more_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        for one in [time("old", Some(1)), time("hub", Some(1))] {
            keep(folder.path(), &one, &["old".into(), "hub".into()]).unwrap();
        }
        keep(folder.path(), &time("hub", Some(2)), &["hub".into()]).unwrap();
        let kept = response_times(folder.path());
        assert_eq!((kept.of("old").len(), kept.of("hub").len()), (0, 2));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "hub\t12 soon - -5\nno times\n\t7\n\u{1b}[2J\t3\n").unwrap();
        let kept = response_times(folder.path());
        assert_eq!(kept.of("hub"), [Some(Duration::from_millis(12)), None]);
        assert_eq!(kept.of(""), []);
    }
}
