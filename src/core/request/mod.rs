//! Requests: people's wishes to have images admitted, from submission to the signature that admits them.
//!
//! [`event`] says what may follow what, [`notice`] what people are told. If several people request the same digest for
//! the same place, it is one request with several wishes.

pub mod admission;
mod decision;
mod dossier;
pub mod event;
mod model;
pub mod notice;
mod overview;
mod stage;
pub mod statement;
mod wish;

pub use self::{
    decision::{Admission, Class, Decision, Group},
    dossier::{Dossier, StoredReason, stored_reasons},
    event::Event,
    model::{Caller, Change, Pace, Request, RequestFilter},
    overview::{DayCount, EndingApproval, QueueOverview},
    stage::Stage,
    wish::{Id, Remark, RemarkKind, RequestedImage, RequestedUse},
};
pub use super::evidence::terms::Terms;
