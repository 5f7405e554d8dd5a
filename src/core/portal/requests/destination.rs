//! Where images are admitted, by the site's configuration alone.

use crate::{
    base::error::{Error, Kind, Result},
    config::Requests,
    image::names::{is_disk_name, name_of_url},
    image::reference::{ImageRef, is_on_the_web, is_repository},
    request::Request,
};

/// The error that the setting `key` is missing, so that nothing can be admitted.
pub(super) fn no_place(what: &str, key: &str) -> Error {
    Error::unsupported(what, format!("the site has no place for admitted images ([requests] {key})")).hint(
        "the site's administrators name it in /etc/wharf/site.toml; on a machine of your own, name it in wharf.toml",
    )
}

/// Fails unless a request's destination fits its image: the request is foreign input, and may name any place.
pub(crate) fn check(rules: &Requests, what: &str, request: &Request) -> Result<()> {
    let from = &request.asked.from;
    let projects = rules.projects.iter().map(|project| Some(project.as_str()));
    let fits = if is_on_the_web(from) {
        request.destination == format!("glance://{}/{}", rules.cloud, name_of_url(from))
    } else if from.starts_with("glance:") {
        let own = format!("glance://{}/", rules.cloud);
        request.destination.strip_prefix(&own).is_some_and(is_disk_name)
    } else {
        let from: ImageRef = from.parse()?;
        std::iter::once(None)
            .chain(projects)
            .filter_map(|project| resolve(rules, what, &from, project).ok())
            .any(|place| place.to_string() == request.destination)
    };
    if fits {
        return Ok(());
    }
    let why = format!("'{}' is no place where images from there are admitted", request.destination);
    Err(Error::new(Kind::Denied, what, why).hint("ask for it with wharf request"))
}

/// Where an image from `reference` is admitted, without a version.
///
/// An image that is admitted already cannot be requested from there, because its conditions would be lost.
pub(super) fn resolve(rules: &Requests, what: &str, reference: &ImageRef, project: Option<&str>) -> Result<ImageRef> {
    match reference {
        ImageRef::Oci(name) if rules.admits_into(name) || rules.judges_in(name) => {
            let why = format!("{} is a place where this site admits images itself", name.bare());
            Err(Error::usage(what, why).hint("ask for the image that it was made from, at its own place"))
        }
        ImageRef::Oci(name) => {
            let (host, project) = registry_of(rules, what, project)?;
            // For another registry, the host becomes part of the name: two registries may have the same repository.
            let from = if name.host == host { String::new() } else { format!("{}/", name.host.replace(':', "-")) };
            Ok(ImageRef::oci(host, format!("{project}/{}{}", from.to_lowercase(), name.repository), None))
        }
        ImageRef::Other(name) => {
            let (host, project) = registry_of(rules, what, project)?;
            // No host has these underscores, so no image of a registry gets the same name.
            let place = name.place().replace([':', '[', ']'], "-").to_lowercase();
            let repository = format!("{project}/{}__{place}/{}", name.scheme(), name.path());
            if !is_repository(&repository) {
                return Err(Error::unsupported(what, "its name cannot be one in a registry")
                    .hint("copy it into a registry under another name first: wharf copy"));
            }
            Ok(ImageRef::oci(host, repository, None))
        }
        ImageRef::Glance { .. } if rules.cloud.is_empty() => Err(no_place(what, "cloud")),
        ImageRef::Glance { .. } => Ok(ImageRef::Glance { cloud: rules.cloud.clone(), image: reference.title() }),
        ImageRef::Engine(_) | ImageRef::Volume { .. } | ImageRef::File { .. } => {
            Err(Error::unsupported(what, "a steward on another machine cannot read it")
                .hint("put it into a registry or a cloud first: wharf push"))
        }
    }
}

/// The registry and the project in it that images are admitted into; `project` is the one that was asked for.
fn registry_of<'a>(rules: &'a Requests, what: &str, project: Option<&str>) -> Result<(&'a str, &'a str)> {
    let (host, admitted) = rules.admitted.split_once('/').ok_or_else(|| no_place(what, "admitted"))?;
    let Some(wanted) = project else { return Ok((host, admitted)) };
    let known: Vec<&str> = std::iter::once(admitted).chain(rules.projects.iter().map(String::as_str)).collect();
    let project = known.iter().find(|one| **one == wanted).ok_or_else(|| {
        Error::usage(what, format!("'{wanted}' is no project that images are admitted into"))
            .hint(format!("known: {}", known.join(", ")))
    })?;
    Ok((host, project))
}
