//! The one list of what a key can do. Keys are data (`keymap`), actions are these.

macro_rules! actions {
    ($($variant:ident = $name:literal, $words:literal, $help:literal;)+) => {
        /// Something a key or the palette can ask for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($variant,)+ }
        impl Action {
            /// All of them, in the order of the help page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// The name in key map files.
            pub fn name(self) -> &'static str { match self { $(Self::$variant => $name,)+ } }
            /// A word or two, for the hint line.
            pub fn words(self) -> &'static str { match self { $(Self::$variant => $words,)+ } }
            /// A sentence, for help and palette.
            pub fn help(self) -> &'static str { match self { $(Self::$variant => $help,)+ } }
        }
    };
}

actions! {
    Down = "down", "down", "Go down one line";
    Up = "up", "up", "Go up one line";
    PageDown = "page-down", "page down", "Go down one page";
    PageUp = "page-up", "page up", "Go up one page";
    First = "first", "first", "Go to the first line";
    Last = "last", "last", "Go to the last line";
    Open = "open", "open", "Open what is selected";
    Back = "back", "back", "Go back, or close this";
    NextPane = "next-pane", "next pane", "Go to the next pane";
    PreviousPane = "previous-pane", "previous pane", "Go to the previous pane";
    Filter = "filter", "filter", "Type words to narrow the list";
    Facets = "facets", "facets", "Narrow the list by source, kind, platform or project";
    SavedFilters = "saved-filters", "saved", "Use a saved filter";
    SaveFilter = "save-filter", "save filter", "Save this filter under a name";
    Sort = "sort", "sort", "Put the list in another order";
    Mark = "mark", "mark", "Mark or unmark this line";
    Refresh = "refresh", "refresh", "Ask again";
    Launch = "launch", "launch", "Launch this image";
    Share = "share", "share", "Share this image or volume with projects or everybody";
    Link = "link", "link", "Make a link to this image";
    CopyTo = "copy-to", "copy", "Copy this image to an engine, a registry, a cloud or a file";
    Platform = "platform", "platform", "Choose the platform that is shown, shared and launched";
    Verify = "verify", "verify", "Check signatures and known vulnerabilities of this image again";
    Explain = "explain", "why", "Say why this image has its badge, and what would mend it";
    Compare = "compare", "compare", "Compare this version with the one that is shown: settings, software, findings";
    Tag = "tag", "tag", "Give this image another tag";
    RemoveImage = "remove-image", "remove", "Remove this image, or all that are marked: what goes along is said first";
    SignIn = "sign-in", "sign in", "Sign in to a registry";
    CopyReference = "copy-reference", "copy name", "Copy the reference of this image";
    OpenLink = "open-link", "open link", "Open a link that somebody sent you";
    Left = "left", "less", "Choose the one before";
    Right = "right", "more", "Choose the next one";
    Fold = "fold", "fold", "Fold this section of the form, or unfold it";
    Confirm = "confirm", "launch now", "Carry out the plan that is shown";
    Stop = "stop", "stop", "Stop this workload, or cancel this transfer";
    Start = "start", "start", "Start this workload after it was stopped";
    Restart = "restart", "restart", "Start this workload anew";
    Snapshot = "snapshot", "snapshot", "Make an image of this workload as it is now, and share it";
    Remove = "remove", "remove", "Remove this workload with its logs";
    Shell = "shell", "shell", "Open a shell in this workload";
    Attach = "attach", "attach", "Attach to this workload's own terminal";
    Search = "search", "search", "Look for words in the output";
    NextMatch = "next-match", "next match", "Go down to the next line that has what is looked for";
    PreviousMatch = "previous-match", "match before", "Go up to the line before that has what is looked for";
    Times = "times", "times", "Show or hide the time of each line of output";
    Accept = "accept", "accept", "Accept this offer: it is in your project's list from now on";
    Reject = "reject", "reject", "Reject this offer: it is in no list";
    Take = "take", "take", "Take a volume that somebody gives you, with its key";
    Import = "import", "import", "Let a cloud fetch a disk image from the web";
    Request = "request", "ask for it", "Ask for this image to be admitted, with a reason";
    Approve = "approve", "approve", "Approve this request, or all that are marked";
    Conditions = "conditions", "on conditions", "Approve on conditions: an end, this project only, findings that are taken";
    Refuse = "refuse", "reject", "Reject this request, or all that are marked; take your own back";
    AskBack = "ask-back", "ask back", "Ask whoever asked for it; it waits for their answer";
    ApproveClass = "approve-class", "approve all such", "Approve everything that this rule blocks on this base, until a day";
    MarkGroup = "mark-group", "mark group", "Mark all that the same rule blocks on the same base";
    AddTo = "add-to", "add, answer", "Add something to this request, or answer what was asked";
    Renew = "renew", "newer version", "Ask for what its tag means now instead";
    MarkRead = "mark-read", "all read", "Mark everything here as read";
    Requests = "requests", "requests", "Go to requests: yours, and those that wait for a decision";
    Inbox = "inbox", "inbox", "Go to what concerns you";
    Revoke = "revoke", "revoke", "Take this share back, or the admission of this image";
    Offers = "offers", "offers", "Go to what other projects offer";
    Catalog = "catalog", "images", "Go to the images";
    Workloads = "workloads", "workloads", "Go to the workloads";
    Transfers = "transfers", "transfers", "Go to transfers and other running work";
    Sources = "sources", "sources", "Go to the sources and what was found here";
    Attend = "attend", "in full", "Open the question that waits, or read the last message and what failed here in full";
    Themes = "themes", "theme", "Choose another theme";
    Suspend = "suspend", "suspend", "Give the terminal back to the shell, until fg";
    Mouse = "mouse", "mouse", "Turn the mouse on or off (off: select text with it)";
    Palette = "palette", "all commands", "Find a command by name";
    Help = "help", "help", "Show the keys";
    Quit = "quit", "quit", "Leave Wharf";
}

impl Action {
    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }
}
