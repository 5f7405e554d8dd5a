//! Answers of OpenStack services, as far as Wharf reads them. Fields are named as in each service's API reference.

mod images;
mod reading;
mod servers;

pub(super) use self::{
    images::*,
    reading::{Listed, UniqueNames, lenient, title},
    servers::*,
};
