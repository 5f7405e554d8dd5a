//! What people want when they press a key: how the help and the palette are ordered, and the verb of the command line
//! that does the same.

use super::action::Action;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aim {
    /// Find images and look at them.
    Find,
    /// Learn whether an image can be trusted.
    Trust,
    /// Launch images, and work with what runs.
    Run,
    /// Give images to others, copy and tag them.
    Share,
    /// Ask for images, and decide on what others ask for.
    Decide,
    /// What works on every screen.
    Everywhere,
    /// Go through lists and texts.
    Move,
}

impl Aim {
    /// All aims, in the order of the help.
    pub const ALL: [Self; 7] =
        [Self::Find, Self::Trust, Self::Run, Self::Share, Self::Decide, Self::Everywhere, Self::Move];

    /// The heading of its keys.
    pub fn title(self) -> &'static str {
        match self {
            Self::Find => "Find",
            Self::Trust => "Trust",
            Self::Run => "Run",
            Self::Share => "Share",
            Self::Decide => "Decide",
            Self::Everywhere => "Everywhere",
            Self::Move => "Move",
        }
    }

    /// What an action is for. What is named nowhere else works everywhere.
    pub fn of(action: Action) -> Self {
        use Action as A;
        match action {
            A::Down | A::Up | A::PageDown | A::PageUp | A::First | A::Last | A::NextPane | A::PreviousPane => {
                Self::Move
            }
            A::Left | A::Right => Self::Move,
            A::Open | A::Filter | A::Facets | A::SavedFilters | A::SaveFilter | A::Sort | A::Mark => Self::Find,
            A::Preview | A::OnePane | A::AddSource | A::LeaveOut | A::NextTrouble => Self::Find,
            A::Platform | A::OpenLink | A::Search | A::NextMatch | A::PreviousMatch | A::OnlyMatches => Self::Find,
            A::Verify | A::Explain | A::Compare | A::SignIn => Self::Trust,
            A::Launch | A::Fold | A::Confirm | A::Safer | A::Preset | A::Script | A::Stop | A::Start => Self::Run,
            A::Restart | A::Snapshot | A::Remove | A::Shell | A::Attach | A::Times | A::Follow | A::Wrap => Self::Run,
            A::Level | A::NextError | A::SaveOutput | A::CopyId | A::LaunchAllowed | A::Sent | A::Edit | A::Forget => {
                Self::Run
            }
            A::Share | A::Link | A::CopyTo | A::CopyReference | A::Tag | A::RemoveImage | A::Import => Self::Share,
            A::Accept | A::Reject | A::Take | A::Revoke => Self::Share,
            A::Request | A::Approve | A::Conditions | A::Refuse | A::AskBack | A::ApproveClass => Self::Decide,
            A::MarkGroup | A::AddTo | A::Renew | A::MarkRead => Self::Decide,
            _ => Self::Everywhere,
        }
    }
}

/// The verb of the command line that does the same as an action, without `wharf`; `None` if none does.
pub fn verb(action: Action) -> Option<&'static str> {
    use Action as A;
    Some(match action {
        A::Filter | A::Catalog => "images",
        A::Launch | A::Confirm => "launch",
        A::Share => "share",
        A::CopyTo => "copy",
        A::Verify | A::Explain => "verify",
        A::Compare => "diff",
        A::Tag => "tag",
        A::RemoveImage => "remove-image",
        A::SignIn => "login",
        A::AddSource => "sources add",
        A::LeaveOut => "sources hide",
        A::OpenLink => "open",
        A::Stop => "stop",
        A::Start => "start",
        A::Restart => "restart",
        A::Snapshot => "snapshot",
        A::Remove => "remove",
        A::Shell => "exec",
        A::Attach => "console",
        A::Follow | A::SaveOutput => "logs",
        A::Accept => "offers accept",
        A::Reject => "offers reject",
        A::Offers => "offers",
        A::Request => "request",
        A::Approve | A::Conditions | A::ApproveClass => "approve",
        A::Refuse => "reject",
        A::AskBack => "requests ask",
        A::AddTo => "requests add",
        A::Renew => "requests renew",
        A::Requests => "requests",
        A::Revoke => "revoke",
        A::Inbox | A::MarkRead => "inbox",
        A::Workloads => "workloads",
        A::Sources => "sources",
        _ => return None,
    })
}
