//! Lists of images: their rows, and how they are narrowed and searched.

pub mod facets;
pub mod learnt;
pub mod query;
pub mod rows;
pub mod search;
pub mod standing;
