//! The screens. Each folder or file holds one: its state, its actions, and how it is drawn. No screen imports another;
//! `page` holds the trait that all of them implement.

pub mod page;

use self::page::Page;

/// The only list of the screens. The first is below all others and is never closed, so its state is kept beside the
/// stack.
macro_rules! screens {
    (ground $ground:ident = $Ground:ident, $what:literal; $($module:ident = $Name:ident, $about:literal;)+) => {
        pub mod $ground;
        $(pub mod $module;)+

        /// A screen with its state.
        #[derive(Debug)]
        pub enum Screen {
            #[doc = $what]
            $Ground,
            $(#[doc = $about] $Name(Box<$module::Page>),)+
        }

        impl Screen {
            /// The page of this screen.
            pub fn page<'a>(&'a self, ground: &'a $ground::Catalog) -> &'a dyn Page {
                match self {
                    Self::$Ground => ground,
                    $(Self::$Name(page) => &**page,)+
                }
            }

            /// The page of this screen, to change it.
            pub fn page_mut<'a>(&'a mut self, ground: &'a mut $ground::Catalog) -> &'a mut dyn Page {
                match self {
                    Self::$Ground => ground,
                    $(Self::$Name(page) => &mut **page,)+
                }
            }
        }
    };
}

screens! {
    ground catalog = Catalog, "The list of images.";
    image = Image, "One image.";
    launch = Launch, "The launch form and its plan.";
    workloads = Workloads, "What runs.";
    workload = Workload, "One workload.";
    console = Console, "A terminal in one.";
    transfers = Transfers, "Running and finished work.";
    sources = Sources, "Sources and backends.";
    offers = Offers, "What other projects offer.";
    requests = Requests, "Requests: mine, those that wait, all.";
    inbox = Inbox, "What concerns this person.";
    welcome = Welcome, "What a newcomer sees first.";
}
