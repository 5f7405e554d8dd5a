//! Disk images on the same way: into the steward's project of a cloud, inspected there, signed and let to others.

use super::Tools;
use crate::core::{
    error::Result,
    portal::Portal,
    ports::cannot,
    progress::Context,
    request::{Admission, Decision, Dossier, Request, stage::Next},
};

impl Portal {
    pub(super) async fn examine_disk(&self, _cx: &Context, request: &Request) -> Result<(Dossier, Next)> {
        Err(cannot(&request.destination, "examine a disk for"))
    }

    pub(super) async fn admit_disk(
        &self,
        _cx: &Context,
        _tools: &Tools,
        request: &Request,
        _decision: &Decision,
    ) -> Result<Admission> {
        Err(cannot(&request.destination, "admit a disk into"))
    }
}
