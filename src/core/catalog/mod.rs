//! Lists of images: their rows, filters and search.

pub mod completion;
pub mod copies;
pub mod facets;
pub mod learnt;
pub mod limit;
pub mod marks;
pub mod query;
pub mod rows;
pub mod search;
pub mod tags;
