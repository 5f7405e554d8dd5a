//! Moving bytes: reading, copying, disks, and the signatures that go along.

pub mod copy;
pub mod fetch;
