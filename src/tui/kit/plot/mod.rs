//! Plots made of text: each is a plain function from numbers and a width to lines, never wider than asked.
//!
//! A plot of something that has a limit is scaled to the limit, so that its height says how much is left; what has none
//! is scaled to its largest value, and the words beside it say so.

pub mod bars;
pub mod chart;
pub mod dates;
pub mod gauge;
pub mod parts;
pub mod severities;
pub mod spark;

#[cfg(test)]
mod tests;
