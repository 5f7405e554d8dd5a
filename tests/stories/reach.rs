//! How servers are reached: proxies, certificates, credential helpers, Docker's contexts. The program itself, in its
//! own home.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Output};

use crate::lab::{self, Home, need};

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", lab::said(output), lab::complained(output)))
}

#[test]
fn a_proxy_from_the_environment_is_used_unless_the_host_is_excepted() {
    let (open, proxy, log) = (need!("WHARF_LAB_OPEN"), need!("WHARF_LAB_PROXY"), need!("WHARF_LAB_PROXY_LOG"));
    let home = Home::new();
    // A path that nobody else requests identifies our requests in the proxy's log.
    let image = format!("{open}/through/proxy:1");
    let show = |variables: &[(&str, &str)]| {
        let mut command = home.wharf(&["show", &image]);
        command.env("WHARF_REGISTRIES", format!("http://{open}"));
        command.envs(variables.iter().copied()).output().unwrap()
    };
    let seen = || std::fs::read_to_string(&log).unwrap().matches("/v2/through/proxy/").count();
    let through = show(&[("HTTP_PROXY", &format!("http://{proxy}"))]);
    assert_eq!(through.status.code(), Some(6), "{}", lab::complained(&through));
    let first = seen();
    assert!(first > 0, "the proxy saw the request");
    let around = show(&[("HTTP_PROXY", &format!("http://{proxy}")), ("NO_PROXY", "127.0.0.1")]);
    assert_eq!((around.status.code(), seen()), (Some(6), first), "NO_PROXY goes around it");
    let dead = show(&[("HTTP_PROXY", "http://ada:secret@127.0.0.1:1")]);
    let complained = lab::complained(&dead);
    assert_eq!(dead.status.code(), Some(8));
    assert!(complained.contains("HTTP_PROXY") && !complained.contains("secret"), "{complained}");
}

#[test]
fn tls_goes_through_a_proxy_unseen() {
    let (tls, ca, proxy, log) =
        (need!("WHARF_LAB_TLS"), need!("WHARF_LAB_CA"), need!("WHARF_LAB_PROXY"), need!("WHARF_LAB_PROXY_LOG"));
    let home = Home::new();
    write(
        &home.path(".config/wharf/wharf.toml"),
        &format!("[[source]]\nname = \"site\"\ntype = \"oci\"\nurl = \"https://{tls}\"\nca = \"{ca}\"\n"),
    );
    let shown = home.wharf(&["sources", "--json"]).env("HTTPS_PROXY", format!("http://{proxy}")).output().unwrap();
    let sources = json(&shown);
    assert_eq!(sources[0]["health"]["reachable"], true, "{sources}");
    assert!(std::fs::read_to_string(&log).unwrap().contains(&format!("CONNECT {tls}")), "the proxy was used");
}

#[test]
fn a_client_certificate_from_the_configuration_or_from_certs_d_opens_the_door() {
    let (host, ca, client) = (need!("WHARF_LAB_MTLS"), need!("WHARF_LAB_CA"), need!("WHARF_LAB_CLIENT"));
    let home = Home::new();
    let configuration = home.path(".config/wharf/wharf.toml");
    let source = format!("[[source]]\nname = \"site\"\ntype = \"oci\"\nurl = \"https://{host}\"\n");
    let sources = || json(&home.run(&["sources", "--json"]));
    write(&configuration, &format!("{source}ca = \"{ca}\"\n"));
    let refused = sources();
    // The server may close the connection before its error arrives: both messages say what helps.
    assert!(refused[0]["error"]["hint"].as_str().unwrap().contains("'client_certificate'"), "{refused}");
    write(
        &configuration,
        &format!("{source}ca = \"{ca}\"\nclient_certificate = \"{client}.cert\"\nclient_key = \"{client}.key\"\n"),
    );
    assert_eq!(sources()[0]["health"]["reachable"], true);
    // The same by certs.d, without settings in the configuration.
    write(&configuration, &source);
    assert!(sources()[0]["error"].is_object());
    for folder in [".config/containers/certs.d", ".docker/certs.d"] {
        let folder = home.path(folder).join(&host);
        std::fs::create_dir_all(&folder).unwrap();
        for (from, to) in
            [(ca.clone(), "ca.crt"), (format!("{client}.cert"), "client.cert"), (format!("{client}.key"), "client.key")]
        {
            std::fs::copy(from, folder.join(to)).unwrap();
        }
        let reached = sources();
        assert_eq!(reached[0]["health"]["reachable"], true, "{}: {reached}", folder.display());
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_credential_helper_is_asked_as_docker_asks_it() {
    let (auth, bus) = (need!("WHARF_LAB_AUTH"), need!("WHARF_LAB_BUS"));
    if wharf::adapters::shared::exec::on_path("docker-credential-secretservice").is_none() {
        return eprintln!("left out: docker-credential-secretservice is not installed");
    }
    let home = Home::new();
    // Kept by Docker's own helper in a real Secret Service; Wharf itself does not know that bus.
    let wrapper = home.path("bin/docker-credential-lab");
    write(
        &wrapper,
        &format!("#!/bin/sh\nDBUS_SESSION_BUS_ADDRESS={bus} exec docker-credential-secretservice \"$@\"\n"),
    );
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", home.path("bin").display(), std::env::var("PATH").unwrap());
    let kept = std::process::Command::new(&wrapper)
        .arg("store")
        .env("PATH", &path)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            let entry = format!(r#"{{"ServerURL":"{auth}","Username":"lab","Secret":"labpass"}}"#);
            std::io::Write::write_all(child.stdin.as_mut().unwrap(), entry.as_bytes())?;
            child.wait()
        });
    assert!(kept.unwrap().success());
    let sources = || {
        json(
            &home
                .wharf(&["sources", "--json"])
                .env("PATH", &path)
                .env("WHARF_REGISTRIES", format!("http://{auth}"))
                .output()
                .unwrap(),
        )
    };
    assert_eq!(sources()[0]["error"]["kind"], "not-allowed");
    for config in [format!(r#"{{"credHelpers":{{"{auth}":"lab"}}}}"#), r#"{"credsStore":"lab"}"#.to_owned()] {
        write(&home.path(".docker/config.json"), &config);
        let health = sources()[0]["health"].clone();
        assert_eq!(
            (&health["account"], &health["credentials"]),
            (&"lab".into(), &"docker-credential-lab".into()),
            "{config}"
        );
    }
    // A helper that hangs or is missing costs the credentials, but does not stop the program.
    write(&home.path(".docker/config.json"), r#"{"credsStore":"missing"}"#);
    assert_eq!(sources()[0]["error"]["kind"], "not-allowed");
}

#[test]
fn an_engine_of_a_docker_context_is_found() {
    let docker = need!("WHARF_LAB_DOCKER");
    let home = Home::new();
    write(
        &home.path(".docker/contexts/meta/0123/meta.json"),
        &format!(
            r#"{{"Name":"cluster","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{docker}","SkipTLSVerify":false}}}}}}"#
        ),
    );
    let all = json(&home.wharf(&["sources", "--json"]).env("WHARF_DISCOVER", "yes").output().unwrap());
    let found = all.as_array().unwrap().iter().find(|source| source["name"] == "cluster" && source["type"] == "engine");
    let found = found.unwrap_or_else(|| panic!("{all}"));
    assert_eq!((found["address"].as_str(), &found["health"]["reachable"]), (Some(docker.as_str()), &true.into()));
}
