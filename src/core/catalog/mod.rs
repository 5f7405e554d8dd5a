//! Lists of images: their rows, filters and search.

pub mod facets;
pub mod learnt;
pub mod query;
pub mod rows;
pub mod search;
pub mod standing;
