//! The addresses of a cloud's services, from the catalogue of a sign-in (Identity API v3, "Service catalog").

use serde_json::Value;
use url::Url;

use super::service::Service;
use wharf_core::base::clean;

/// An address of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The type of the service, like `image`.
    pub kind: String,
    /// The interface: `public`, `internal` or `admin`; some clouds leave it out.
    pub interface: Option<String>,
    /// The region's id; `None` means all regions.
    pub region: Option<String>,
    /// The address as the catalogue names it.
    pub url: Url,
}

/// The usable endpoints of a catalogue; entries that cannot be read are left out.
pub(super) fn read(catalog: &Value, project: &str) -> Vec<Endpoint> {
    let text = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let mut found = Vec::new();
    for service in catalog.as_array().into_iter().flatten() {
        let Some(kind) = text(service, "type") else { continue };
        for endpoint in service.get("endpoints").and_then(Value::as_array).into_iter().flatten() {
            let Some(url) = text(endpoint, "url").and_then(|url| address(&url, project)) else { continue };
            found.push(Endpoint {
                kind: kind.clone(),
                interface: text(endpoint, "interface").map(|name| plain(&name)),
                region: text(endpoint, "region_id").or_else(|| text(endpoint, "region")),
                url,
            });
        }
    }
    found
}

/// Parses an address, in which old clouds have a placeholder for the project's id.
pub(super) fn address(text: &str, project: &str) -> Option<Url> {
    let mut whole = text.trim().to_owned();
    for gap in ["%(project_id)s", "$(project_id)s", "%(tenant_id)s", "$(tenant_id)s", "{project_id}"] {
        whole = whole.replace(gap, project);
    }
    Url::parse(&whole).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The interface in today's words: `publicURL` of version 2 is `public`.
fn plain(interface: &str) -> String {
    interface.strip_suffix("URL").unwrap_or(interface).to_ascii_lowercase()
}

/// The address of a service: in the given region, else in the region of the image service, so that regions are not
/// mixed; by the order of the interfaces. An endpoint without a region is in all regions.
pub(super) fn choose<'a>(
    all: &'a [Endpoint],
    service: Service,
    interfaces: &[String],
    region: Option<&str>,
) -> Option<&'a Endpoint> {
    let region = region.or_else(|| home(all));
    let fitting = |kind: &str, interface: Option<&str>, here: bool| {
        all.iter().find(|endpoint| {
            endpoint.kind == kind
                && endpoint.interface.as_deref() == interface
                && if here { endpoint.region.as_deref() == region } else { endpoint.region.is_none() }
        })
    };
    let interfaces: Vec<String> = interfaces.iter().map(|interface| plain(interface)).collect();
    service.kinds().iter().find_map(|kind| {
        let wanted = interfaces.iter().map(|interface| Some(interface.as_str())).chain([None]);
        wanted
            .into_iter()
            .find_map(|interface| fitting(kind, interface, true).or_else(|| fitting(kind, interface, false)))
    })
}

/// The region that is used if none is named.
pub(super) fn home(all: &[Endpoint]) -> Option<&str> {
    let images = all.iter().filter(|endpoint| Service::Image.kinds().contains(&endpoint.kind.as_str()));
    images.chain(all).find_map(|endpoint| endpoint.region.as_deref())
}

/// The regions that have a service, cleaned.
pub(super) fn regions(all: &[Endpoint], service: Service) -> Vec<String> {
    let here = all.iter().filter(|endpoint| service.kinds().contains(&endpoint.kind.as_str()));
    let mut names: Vec<String> =
        here.filter_map(|endpoint| endpoint.region.as_deref()).map(|name| clean::short(name, 60)).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn url(all: &[Endpoint], service: Service, interface: &str, region: Option<&str>) -> Option<String> {
        choose(all, service, &[interface.to_owned()], region).map(|endpoint| endpoint.url.to_string())
    }

    #[test]
    fn an_odd_service_costs_only_itself() {
        let all = read(
            &json!([
                {"type": "object-store", "endpoints": [{"interface": "public", "url": ""}]},
                {"type": null, "endpoints": []},
                {"endpoints": 3}, "text", null,
                {"type": "compute", "endpoints": [{"interface": "public", "url": "nonsense"}, {"interface": "public", "url": null}]},
                {"type": "image", "endpoints": [null, {"interface": "public", "region": null, "url": "http://c/image"}]},
                {"type": "volume", "name": null, "endpoints": [{"interface": "public", "url": "http://c/v1/%(tenant_id)s"}]},
            ]),
            "p1",
        );
        assert_eq!(url(&all, Service::Image, "public", Some("R")).as_deref(), Some("http://c/image"));
        assert_eq!(url(&all, Service::Volume, "public", None).as_deref(), Some("http://c/v1/p1"));
        assert_eq!(url(&all, Service::Compute, "public", None), None);
    }

    #[test]
    fn regions_are_not_mixed_and_interfaces_are_kept() {
        let at = |interface: &str, region: &str, url: &str| json!({"interface": interface, "region": region, "region_id": region, "url": url});
        let all = read(
            &json!([
                {"type": "compute", "endpoints": [at("public", "A", "http://a/c"), at("public", "B", "http://b/c")]},
                {"type": "image", "endpoints": [at("internal", "B", "http://b/i"), at("public", "B", "http://b/p")]},
                {"type": "network", "endpoints": [at("public", "A", "http://a/n")]},
            ]),
            "",
        );
        assert_eq!(url(&all, Service::Compute, "publicURL", None).as_deref(), Some("http://b/c"));
        assert_eq!(url(&all, Service::Network, "public", None), None);
        assert_eq!(url(&all, Service::Network, "public", Some("A")).as_deref(), Some("http://a/n"));
        assert_eq!(url(&all, Service::Image, "internalURL", Some("B")).as_deref(), Some("http://b/i"));
        assert_eq!(url(&all, Service::Image, "admin", Some("B")), None);
        assert_eq!(regions(&all, Service::Compute), ["A", "B"]);
    }

    #[test]
    fn a_service_is_found_under_each_of_its_types_the_proper_one_first() {
        let one = |kind: &str, url: &str| json!({"type": kind, "endpoints": [{"interface": "public", "url": url}]});
        let all = read(&json!([one("volumev2", "http://c/v2"), one("volumev3", "http://c/v3")]), "");
        assert_eq!(url(&all, Service::Volume, "public", None).as_deref(), Some("http://c/v3"));
    }
}
