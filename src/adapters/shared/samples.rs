//! The last reading of each workload, with which the next one is compared.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// The most workloads whose last reading is remembered.
const REMEMBERED: usize = 1000;

/// Readings by the id of their workload.
pub struct Samples<T>(Mutex<HashMap<String, T>>);

impl<T> Default for Samples<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Samples<T> {
    /// The last reading of a workload, if it is still known.
    pub fn last(&self, id: &str) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Remembers a reading; gives the one before, if it is still known.
    pub fn replace(&self, id: &str, reading: T) -> Option<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED && !all.contains_key(id) {
            all.clear();
        }
        all.insert(id.to_owned(), reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_compared_with_the_one_before_and_not_all_are_remembered() {
        let samples = Samples::default();
        assert_eq!((samples.replace("a", 1), samples.replace("b", 7), samples.replace("a", 2)), (None, None, Some(1)));
        for number in 0..REMEMBERED * 3 {
            samples.replace(&number.to_string(), 0);
        }
        assert!(samples.0.lock().unwrap().len() <= REMEMBERED);
        assert_eq!((samples.replace("c", 4), samples.last("c"), samples.last("none")), (None, Some(4), None));
    }
}
