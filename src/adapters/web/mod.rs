//! Files on the web and on FTP servers, read without any account.

mod arriving;
mod ftp;
mod internet;
mod opened;
mod place;

pub use self::internet::Internet;
