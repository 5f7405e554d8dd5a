//! Every setting, as the README lists it.

/// One row of the table of settings, for the README.
pub struct Setting {
    /// The key in the files.
    pub key: &'static str,
    /// The environment variable; may be empty.
    pub variable: &'static str,
    /// What the setting does, in words.
    pub words: &'static str,
}

/// All settings, in the order of the README.
pub const SETTINGS: &[Setting] = &[
    Setting { key: "person", variable: "WHARF_PERSON", words: "your name in links; default: your login" },
    Setting {
        key: "link_key",
        variable: "",
        words: "the key that signs your links: a file, keyring:NAME or pkcs11:URI; default: one in the secret store that is made at first use",
    },
    Setting {
        key: "theme",
        variable: "WHARF_THEME",
        words: "a built-in theme, or NAME.toml in the themes folder beside the user file",
    },
    Setting { key: "keymap", variable: "WHARF_KEYMAP", words: "a file with keys that differ from the built-in ones" },
    Setting { key: "mouse", variable: "WHARF_MOUSE", words: "use the mouse at start: true or false" },
    Setting {
        key: "glyphs",
        variable: "WHARF_GLYPHS",
        words: "the characters of the screens: unicode, ascii, or auto, which is ascii where the locale is not UTF-8 or TERM is linux or dumb",
    },
    Setting {
        key: "plain",
        variable: "WHARF_PLAIN",
        words: "print plain lines instead of drawing screens, for screen readers (--plain): true or false",
    },
    Setting {
        key: "charts",
        variable: "WHARF_CHARTS",
        words: "what charts are drawn with: braille, blocks, off, or auto, which is braille where the characters are unicode",
    },
    Setting {
        key: "discover",
        variable: "WHARF_DISCOVER",
        words: "look for engines, registries and folders: true or false",
    },
    Setting {
        key: "secret_file",
        variable: "WHARF_SECRET_FILE",
        words: "agree to keep secrets in a file that only you can read",
    },
    Setting {
        key: "image_folders",
        variable: "WHARF_IMAGE_FOLDERS",
        words: "folders of images, in the variable with : between them",
    },
    Setting { key: "cache_dir", variable: "WHARF_CACHE_DIR", words: "folder for what can be fetched again" },
    Setting {
        key: "state_dir",
        variable: "WHARF_STATE_DIR",
        words: "folder for local workloads, logs and the secret file",
    },
    Setting {
        key: "[policy]",
        variable: "",
        words: "what may be launched; wharf policy show --commented prints every key",
    },
    Setting {
        key: "[requests]",
        variable: "",
        words: "how images are asked for and admitted: store, admitted, projects, quarantine, cloud, cloud_project, visibility, disk_key, certificate, key, approver_key, approvers, self_approval, signed_decisions, watch_hours",
    },
    Setting {
        key: "[requests] web",
        variable: "",
        words: "hosts from which the cloud may fetch disk images that people ask for: \"host[:port]\" for https, \"http://host[:port]\" for plain http; default: none",
    },
    Setting {
        key: "[requests] parallel",
        variable: "",
        words: "requests that one steward works on at a time, and images of its watch; default: 4",
    },
    Setting {
        key: "[requests] per_person",
        variable: "",
        words: "requests of one person that all stewards together work on at a time; default: 2",
    },
    Setting {
        key: "[requests] request_seconds",
        variable: "",
        words: "how long a steward works on one request; default: 3600",
    },
    Setting {
        key: "[requests] watch_seconds",
        variable: "",
        words: "how long a steward looks at one image of the watch; default: 600",
    },
    Setting {
        key: "[requests] largest_mib",
        variable: "",
        words: "the largest image or disk that is taken, in MiB; default: 51200",
    },
    Setting {
        key: "[requests] slowest_kib",
        variable: "",
        words: "how fast each layer or disk must come, in KiB a second; default: 16",
    },
    Setting {
        key: "[requests] grace_seconds",
        variable: "",
        words: "how long one may come more slowly than that, in seconds; default: 30",
    },
    Setting {
        key: "[transfers] rate",
        variable: "",
        words: "how many bytes a second all transfers of one Wharf move at most, like \"50M\"; default: no limit",
    },
    Setting {
        key: "[transfers] hours",
        variable: "",
        words: "at which hours of the day, in local time, bytes are moved, like \"20:00-06:00\"; default: at any",
    },
    Setting {
        key: "[mirror] list",
        variable: "",
        words: "the list of images that the site's stewards keep in its registry, as wharf mirror takes it; default: none",
    },
    Setting {
        key: "[notify]",
        variable: "",
        words: "how people are told: mail, from, domain, approvers, webhook, webhook_secret",
    },
    Setting { key: "[[supplier]]", variable: "", words: "who answers for images: repository, person, mail" },
    Setting { key: "mail", variable: "WHARF_MAIL", words: "where you get mail about what concerns you" },
    Setting { key: "[filters]", variable: "", words: "named filters: NAME = \"words\"" },
    Setting {
        key: "[[source]]",
        variable: "WHARF_REGISTRIES",
        words: "places that hold images: name, type, and what that type takes (see Configuration); the variable has registry URLs with spaces between them",
    },
    Setting {
        key: "[[form]]",
        variable: "",
        words: "what is fixed, hidden, bounded or set in the form of a backend: backend, and field.KEY = { hide, fixed, default, least, most, only }; nobody can override what the site says",
    },
    Setting {
        key: "[[preset]]",
        variable: "",
        words: "answers for launches under a name: name, image (a reference, with * for anything), backend, answers = { KEY = \"VALUE\" }",
    },
    Setting {
        key: "[[fetch]]",
        variable: "",
        words: "images that 'wharf fetch NAME' gets from the web: name, url, sums (its list of checksums, where that is not found beside it); they are compared and judged like any other",
    },
    Setting {
        key: "[[backend]]",
        variable: "",
        words: "what launches images: name, type (local, apptainer, charliecloud, qemu, libvirt, engine, kubernetes, openstack or slurm), and what that type takes (see Configuration)",
    },
];
