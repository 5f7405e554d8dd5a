//! HTTP for all adapters: a server and what may be sent to it ([`Server`]), limits for answers and lists, and errors in
//! words. No other module makes a client (`tests/house.rs`), so secrets are attached and redirects followed only here.

mod answers;
mod errors;
mod https;
mod moving;
pub mod origin;
mod pages;
mod reach;
mod server;
mod tls;

use std::{path::Path, time::Duration};

use reqwest::{Client, redirect};

pub use self::{
    answers::{body, counted_json, json, parse, stream},
    errors::{causes, no_answer, refused, why_no_answer},
    https::https_client,
    moving::Moving,
    origin::{Origin, address},
    pages::{Allowance, Part, next_link, next_page},
    reach::AllowedServers,
    server::{NextPage, Request, Server, ServerAddress, Visitor, sent_elsewhere},
    tls::Tls,
};
use wharf_core::base::error::{During, Result};

/// A text as the value in a query, percent-encoded.
pub fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A client for a socket on this machine; it follows no redirects.
pub fn local_client(socket: &Path, what: &str) -> Result<Client> {
    Client::builder()
        .unix_socket(socket)
        .connect_timeout(Duration::from_secs(5))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
        .during(what)
}
