//! The list of all actions. Which key carries out which action is data of the key map (`keymap`).

macro_rules! actions {
    ($($variant:ident = $name:literal, $words:literal, $help:literal;)+) => {
        /// Something that a key or the command palette can do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($variant,)+ }
        impl Action {
            /// All actions, in the order of the help page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// The name in key map files, like `page-down`.
            pub fn name(self) -> &'static str { match self { $(Self::$variant => $name,)+ } }
            /// A word or two, for the hints of the bottom line.
            pub fn words(self) -> &'static str { match self { $(Self::$variant => $words,)+ } }
            /// A sentence, for the help page and the command palette.
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
    Facets = "facets", "facets", "Filter the list by source, kind, platform or project";
    Preview = "preview", "preview", "Show or hide the pane about the selected line";
    OnePane = "one-pane", "panes", "Show one pane alone, with nothing beside it that would be copied along; again for the next pane, then for all";
    SavedFilters = "saved-filters", "saved", "Use a saved filter";
    SaveFilter = "save-filter", "save filter", "Save this filter under a name";
    Sort = "sort", "sort", "Change the sort order of the list";
    Mark = "mark", "mark", "Mark or unmark this line; fold or unfold a group of requests";
    Refresh = "refresh", "refresh", "Refresh: ask the source or backend again";
    Launch = "launch", "launch", "Launch this image";
    LaunchAllowed = "launch-allowed", "launch allowed", "Launch the nearest version of this image that the policy allows";
    Share = "share", "share", "Share this image or volume with projects or everybody";
    Link = "link", "link", "Make a link to this image";
    CopyTo = "copy-to", "copy", "Copy this image to an engine, a registry, a cloud or a file";
    Platform = "platform", "platform", "Choose the platform that is shown, shared and launched";
    Verify = "verify", "verify", "Check signatures and known vulnerabilities of this image again";
    Explain = "explain", "why", "Explain the badges of this image, and what would change them";
    Compare = "compare", "compare", "Compare this version with the one shown: settings, software, findings";
    OlderVersion = "older-version", "older", "Go to the version before this one";
    NewerVersion = "newer-version", "newer", "Go to the version after this one";
    Tag = "tag", "tag", "Give this image another tag";
    RemoveImage = "remove-image", "remove", "Remove this image, or all marked ones; shows first what goes with them";
    SignIn = "sign-in", "sign in", "Sign in to a registry";
    AddSource = "add-source", "add", "Add a registry, a folder or a cloud: its address is tried first";
    LeaveOut = "leave-out", "leave out", "Leave this source out of lists, or show it again; remove one that you added";
    CopyReference = "copy-reference", "copy name", "Copy the reference of this image";
    OpenLink = "open-link", "open link", "Open a link that somebody sent you";
    Left = "left", "less", "Choose the previous value";
    Right = "right", "more", "Choose the next value";
    Fold = "fold", "fold", "Fold or unfold this section of the form";
    Confirm = "confirm", "launch now", "Carry out the plan shown";
    Safer = "safer", "safer", "Change one answer so that the launch is safer; again for the next one";
    Preset = "preset", "preset", "Use the next preset of answers for this image";
    Script = "script", "save script", "Save the plan shown as a shell script that does the same without Wharf";
    Edit = "edit", "edit", "Add lines to the plan's script in your editor";
    Sent = "sent", "what is sent", "Read all that will be sent";
    Forget = "forget", "forget answer", "Take the form's own answer to this question again";
    NextTrouble = "next-trouble", "look at next", "Select the next workload that needs you";
    Stop = "stop", "stop", "Stop this workload, or cancel this transfer";
    Start = "start", "start", "Start this stopped workload";
    Restart = "restart", "restart", "Restart this workload";
    Again = "again", "again", "Launch this again: the same image and answers; shows what differs";
    Launches = "launches", "launches", "Choose one of your launches, to launch it again";
    Snapshot = "snapshot", "snapshot", "Make an image of this workload as it is now, and share it";
    Remove = "remove", "remove", "Remove this workload with its logs";
    Shell = "shell", "shell", "Open a shell in this workload";
    Attach = "console", "console", "Open this workload's console";
    Search = "search", "search", "Search the output";
    NextMatch = "next-match", "next match", "Go to the next line that matches the search";
    PreviousMatch = "previous-match", "previous match", "Go to the previous line that matches the search";
    Times = "times", "times", "Show or hide the time of each line of output";
    Follow = "follow", "follow", "Follow the output, or stay at these lines";
    Wrap = "wrap", "wrap", "Continue long lines of output in the next row, or cut them";
    Level = "level", "level", "Show only output of at least a level: the next one at each press";
    OnlyMatches = "only-matches", "only matches", "Show only lines that match the search, or all";
    NextError = "next-error", "next error", "Go to the next line of output that tells of an error";
    SaveOutput = "save-output", "save", "Save the shown output to a file";
    CopyId = "copy-id", "copy id", "Copy the id of this workload, with its backend, as commands take it";
    Accept = "accept", "accept", "Accept this offer: it appears in your project's list";
    Reject = "reject", "reject", "Reject this offer: hide it from your lists";
    Take = "take", "take", "Accept a volume that somebody transfers to you, with its transfer key";
    Import = "import", "import", "Import a disk image from the web into a cloud";
    Request = "request", "request", "Request the admission of this image, with a reason";
    Approve = "approve", "approve", "Approve this request, or all marked ones";
    Conditions = "conditions", "with conditions", "Approve with conditions: an end date, this project only, accepted findings";
    Refuse = "refuse", "reject", "Reject this request, or all marked ones; withdraw your own";
    AskBack = "ask-back", "ask", "Ask the requester a question; the request waits for the answer";
    ApproveClass = "approve-class", "approve class", "Approve everything that this rule blocks on this base image, until a date";
    MarkGroup = "mark-group", "mark group", "Mark all requests that the same rule blocks on the same base image";
    AddTo = "add-to", "add, answer", "Add a remark to this request, or answer its open question";
    Renew = "renew", "newer version", "Request the present image of the tag instead";
    MarkRead = "mark-read", "all read", "Mark everything here as read";
    Requests = "requests", "requests", "Go to requests: yours, and those that wait for a decision";
    Inbox = "inbox", "inbox", "Go to the inbox: what concerns you";
    Revoke = "revoke", "revoke", "Take back this share, or the admission of this image";
    Offers = "offers", "offers", "Go to the offers of other projects";
    Catalog = "catalog", "images", "Go to the images";
    Workloads = "workloads", "workloads", "Go to the workloads";
    Transfers = "transfers", "transfers", "Go to transfers and other running jobs";
    Sources = "sources", "sources", "Go to the sources and to what was found on this machine";
    Attend = "attend", "in full", "Open the waiting question, or read the last message in full";
    Messages = "messages", "messages", "Read the last messages again";
    Themes = "themes", "theme", "Choose another theme";
    Suspend = "suspend", "suspend", "Give the terminal back to the shell, until fg";
    Mouse = "mouse", "mouse", "Turn the mouse on or off (off: select text with it)";
    Palette = "palette", "all commands", "Find a command by name";
    Welcome = "welcome", "welcome", "Show the welcome page: what was found here, and how to begin";
    Tour = "tour", "tour", "Go round in a minute: what each screen is for, and its keys";
    Help = "help", "help", "Show the keys";
    Quit = "quit", "quit", "Leave Wharf";
}

impl Action {
    /// The action of this name in key map files.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }
}
