//! The remedies that a verdict names: what to do about an image that a rule holds back.

/// The remedy if nobody has signed the image.
pub(super) const ASK: &str = "ask for it to be admitted and signed: R, or wharf request";
/// The remedy if it was signed for another place.
pub(super) const ASK_HERE: &str = "ask for it to be admitted here: R; or name the mirror ([[signature.mirror]])";

/// Whether a remedy is to request the image: then it is no use to people who have already requested it.
pub fn asks(step: &str) -> bool {
    [ASK, ASK_HERE].contains(&step)
}
