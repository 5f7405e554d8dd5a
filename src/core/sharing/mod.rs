//! Shares and offers as data: who may use an image, and what waits for an answer.

pub mod offer;
pub mod receiver;
