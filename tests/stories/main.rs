//! Stories: what people do, against the real services of `tests/lab` where they are up.

mod bad_input;
mod cli;
mod fake;
mod keys;
mod lab;
mod launchers;
mod places;
mod pty;
mod running;
mod screens;
