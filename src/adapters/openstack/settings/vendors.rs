//! Providers that openstackclient knows by name (`profile: NAME`; openstacksdk, `openstack/config/vendors`).

/// What is known about a provider.
pub(super) struct Vendor {
    pub auth_url: &'static str,
    pub regions: &'static [&'static str],
    pub default_domain: Option<&'static str>,
}

const fn vendor(auth_url: &'static str, regions: &'static [&'static str]) -> Vendor {
    Vendor { auth_url, regions, default_domain: None }
}

/// A provider by the name of its profile; providers that no longer exist are left out.
pub(super) fn known(profile: &str) -> Option<Vendor> {
    Some(match profile {
        "auro" => {
            Vendor { default_domain: Some("default"), ..vendor("https://api.van2.auro.io:5000/v3", &["RegionOne"]) }
        }
        "binero" => vendor("https://auth.binero.cloud:5000/v3", &["europe-se-1"]),
        "catalyst" => vendor("https://api.cloud.catalyst.net.nz:5000/v3", &["nz-por-1", "nz_wlg_2"]),
        "citycloud" => {
            vendor("https://{region_name}.citycloud.com:5000/v3/", &["Buf1", "Fra1", "Sto2", "Kna1", "dx1", "tky1"])
        }
        "conoha" => vendor("https://identity.{region_name}.conoha.io", &["sin1", "sjc1", "tyo1"]),
        "dreamcompute" => vendor("https://iad2.dream.io:5000", &["RegionOne"]),
        "elastx" => vendor("https://ops.elastx.cloud:5000/v3", &["se-sto"]),
        "entercloudsuite" => vendor("https://api.entercloudsuite.com/", &["it-mil1", "nl-ams1", "de-fra1"]),
        "otc" => vendor("https://iam.{region_name}.otc.t-systems.com/v3", &["eu-de", "eu-nl"]),
        "otc-swiss" => vendor("https://iam-pub.eu-ch2.sc.otc.t-systems.com/v3", &["eu-ch2"]),
        "ovh" => Vendor { default_domain: Some("default"), ..vendor("https://auth.cloud.ovh.net/v3", &[]) },
        "ovh-us" => Vendor {
            default_domain: Some("default"),
            ..vendor("https://auth.cloud.ovh.us/v3", &["US-EAST-VA-1", "US-WEST-OR-1", "US-EAST-VA", "US-WEST-OR"])
        },
        "switchcloud" => vendor("https://identity.compute.cloud.switch.ch/v3", &["zhw", "zhc"]),
        "switchengines" => vendor("https://keystone.cloud.switch.ch:5000/v3", &["LS", "ZH"]),
        "vexxhost" => vendor("https://auth.vexxhost.net/v3", &[]),
        "zetta" => vendor("https://identity.api.zetta.io/v3", &["no-osl1"]),
        _ => return None,
    })
}
