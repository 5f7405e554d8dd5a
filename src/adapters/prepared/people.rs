//! The user that a program runs as: the image's user as a number, and the home folder in the image (passwd(5),
//! group(5)).

use serde::{Deserialize, Serialize};

use super::below::RootFolder;
use wharf_core::{
    base::error::{Error, Result},
    image::model::Foreign,
};

/// A user of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUser {
    /// The number of the user inside.
    pub uid: u32,
    /// The number of the group inside.
    pub gid: u32,
    /// The home folder inside; empty if the image does not name it.
    pub home: String,
}

/// Resolves `USER[:GROUP]` in the image; empty is root. Fails for names that the image does not list.
pub fn resolve(user: &Foreign, root: &RootFolder) -> Result<ImageUser> {
    let what = format!("run as {user}");
    let (name, group) = match user.raw().split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
        None => (user.raw(), None),
    };
    let name = if name.is_empty() { "0" } else { name };
    let number = name.parse::<u32>().ok();
    let passwd = match (root.read("etc/passwd"), number) {
        (Ok(text), _) => text.unwrap_or_default(),
        // A number needs no list; only its home folder is unknown then.
        (Err(_), Some(_)) => String::new(),
        (Err(error), None) => return Err(error.during(what)),
    };
    let listed = line(&passwd, |fields| match number {
        Some(number) => fields.get(2).and_then(|uid| uid.parse().ok()) == Some(number),
        None => fields.first() == Some(&name),
    });
    let field = |at: usize| listed.as_ref().and_then(|fields| fields.get(at)?.parse::<u32>().ok());
    let uid = number.or_else(|| field(2)).ok_or_else(|| missing(&what, "user", name, "passwd"))?;
    let gid = match group {
        None => field(3).unwrap_or(0),
        Some(group) => match group.parse() {
            Ok(gid) => gid,
            Err(_) => {
                let groups = root.read("etc/group").map_err(|error| error.during(&what))?.unwrap_or_default();
                line(&groups, |fields| fields.first() == Some(&group))
                    .and_then(|fields| fields.get(2)?.parse().ok())
                    .ok_or_else(|| missing(&what, "group", group, "group"))?
            }
        },
    };
    let home = listed.as_ref().and_then(|fields| fields.get(5)).filter(|home| home.starts_with('/'));
    Ok(ImageUser { uid, gid, home: home.map_or_else(|| "/".to_owned(), |home| (*home).to_owned()) })
}

/// Whether the user's numbers are known without the image's lists of users and groups.
pub fn is_numeric(user: &Foreign) -> bool {
    let number = |word: &str| word.parse::<u32>().is_ok();
    match user.raw().split_once(':') {
        Some((user, group)) => number(user) && number(group),
        // The group of root is root's.
        None => matches!(user.raw(), "" | "0"),
    }
}

fn line(text: &str, fits: impl Fn(&[&str]) -> bool) -> Option<Vec<&str>> {
    text.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fits(fields))
}

fn missing(what: &str, kind: &str, name: &str, file: &str) -> Error {
    Error::failed(what, format!("the image has no {kind} '{name}' in /etc/{file}"))
        .hint("tell the publisher of the image; another backend will refuse it, too")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_those_of_the_image_or_an_error() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let passwd = "root:x:0:0::/root:/bin/sh\napp:x:1234:99::/home/app:/bin/sh\n";
        std::fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        std::fs::write(root.path().join("etc/group"), "staff:x:50:\n").unwrap();
        let below = RootFolder::new(root.path()).unwrap();
        let resolved = |user: &str| resolve(&Foreign::new(user), &below).map(|who| (who.uid, who.gid, who.home));
        for (user, uid, gid, home) in [
            ("", 0, 0, "/root"),
            ("app", 1234, 99, "/home/app"),
            ("1234", 1234, 99, "/home/app"),
            ("app:staff", 1234, 50, "/home/app"),
            ("app:7", 1234, 7, "/home/app"),
            ("77:88", 77, 88, "/"),
            ("77", 77, 0, "/"),
        ] {
            assert_eq!(resolved(user).unwrap(), (uid, gid, home.to_owned()), "{user}");
        }
        for bad in ["gone", "app:gone", "UID-OF:app", "-1", "4294967296"] {
            assert!(resolved(bad).is_err(), "{bad}");
        }
    }
}
