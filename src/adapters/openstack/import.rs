//! Images that the cloud itself fetches from the web (Image API v2, "Interoperable image import").

use std::time::Duration;

use futures_util::TryStreamExt;
use reqwest::{Method, header::RANGE};
use serde_json::json;

use super::{
    Images,
    answers::GlanceImage,
    disks::PAUSE,
    service::{Body, Request, Service},
};
use crate::{formats::disk_header, shared::http as shared};
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{During, Error, Kind, Result},
    },
    image::model::DiskFacts,
    portal::disks::refuse_references,
    ports::disks::Import,
};

/// How many first bytes of an image are read to recognize its format.
const HEAD: usize = 64 << 10;
/// The property with the URL that an image was fetched from, so that it is not fetched twice.
const ORIGIN: &str = "wharf_imported_from";

impl Images {
    /// Has the cloud fetch an image (`web-download`); `true` if it was not there before.
    pub async fn fetched_by_cloud(&self, cx: &Context, what: &str, import: &Import) -> Result<(GlanceImage, bool)> {
        let methods: serde_json::Value = self.cloud.json(what, Service::Image, Request::get("info/import")).await?;
        let offered = methods.pointer("/import-methods/value").and_then(serde_json::Value::as_array);
        if !offered.is_some_and(|methods| methods.iter().any(|method| method == "web-download")) {
            return Err(Error::unsupported(what, format!("{} fetches nothing from the web", self.cloud.name))
                .hint("download it, then push the file"));
        }
        let known = self.named(what, &import.name, "limit=20&status=active").await?;
        if let Some(image) = known.into_iter().find(|image| image.property(ORIGIN) == import.url) {
            return Ok((image, false));
        }
        cx.progress.phase("looking at its header");
        let format = self.format_on_the_web(what, &import.url).await?;
        let body = json!({"name": import.name, "disk_format": format, "container_format": "bare",
            "visibility": "private", ORIGIN: import.url});
        let made: GlanceImage =
            self.cloud.json(what, Service::Image, Request::new(Method::POST, "images", Body::Json(body))).await?;
        let fetched = cx.unless_cancelled(what, self.fetch_into(cx, what, &made.id, import)).await;
        match fetched {
            Ok(image) => Ok((image, true)),
            Err(error) => {
                self.delete_incomplete(what, &made.id).await;
                Err(error)
            }
        }
    }

    async fn fetch_into(&self, cx: &Context, what: &str, id: &str, import: &Import) -> Result<GlanceImage> {
        let path = format!("images/{id}/import");
        let body = Body::Json(json!({"method": {"name": "web-download", "uri": import.url}}));
        self.cloud.send(what, Service::Image, Request::new(Method::POST, &path, body)).await?;
        let mut begun = false;
        let image = loop {
            let now = self.find(what, id).await?;
            cx.progress.phase(format!("the cloud fetches it: {}", clean::short(&now.status, 20)));
            begun |= now.status == "importing";
            match now.status.as_str() {
                "active" => break now,
                "queued" if begun || !now.property("os_glance_failed_import").is_empty() => {
                    return Err(Error::failed(what, self.import_failure(what, id).await)
                        .hint("check that the cloud may reach the address, or download it and push the file"));
                }
                "killed" | "deleted" => return Err(Error::failed(what, "the cloud gave up on it")),
                _ => tokio::time::sleep(PAUSE).await,
            }
        };
        // The data in the cloud is checked, which may differ from what the web server sent here.
        let request = self.bytes_request(Method::GET, &format!("images/{id}/file")).await?;
        let answer = request.send(what).await?;
        let head = first_bytes(what, self.check(what, answer).await?).await?;
        let facts = disk_header::read(&head, image.size.unwrap_or(0));
        refuse_references(what, facts.refers, &facts.warnings)?;
        let claimed = image.disk_format.as_deref().unwrap_or("");
        let format = DiskFacts::format_in_cloud(&facts.format);
        if format != claimed && !(format == "raw" && claimed == "iso") {
            return Err(Error::new(Kind::Denied, what, format!("it is {format}, not {claimed} as it seemed"))
                .hint("download it, look at it, then push the file"));
        }
        Ok(image)
    }

    /// Why an import has failed, from the tasks of the image.
    async fn import_failure(&self, what: &str, id: &str) -> String {
        let path = format!("images/{id}/tasks");
        let tasks: Result<serde_json::Value> = self.cloud.json(what, Service::Image, Request::get(&path)).await;
        let tasks = tasks.unwrap_or_default();
        let said = tasks.get("tasks").and_then(serde_json::Value::as_array).into_iter().flatten();
        let said = said.filter_map(|task| task.get("message")?.as_str()).find(|words| !words.is_empty());
        let said = said.map(|words| clean::short(words, 200)).unwrap_or_default();
        if said.is_empty() { "the cloud could not fetch it, and does not say why".to_owned() } else { said }
    }

    /// The format of the image at a URL: from its header, or from its name if only the cloud can reach the URL.
    async fn format_on_the_web(&self, what: &str, url: &str) -> Result<String> {
        let address = url::Url::parse(url).during(what)?;
        let mut headers = http::HeaderMap::new();
        headers.extend(http::HeaderValue::from_str(&format!("bytes=0-{}", HEAD - 1)).map(|value| (RANGE, value)));
        let asked = self.cloud.visitor().get(what, &address, headers);
        let answer = tokio::time::timeout(Duration::from_secs(15), asked).await;
        if let Ok(Ok(answer)) = answer {
            if !answer.status().is_success() {
                return Err(shared::refused(what, answer.status(), ""));
            }
            let whole = answer
                .headers()
                .get("content-range")
                .and_then(|range| range.to_str().ok()?.rsplit('/').next()?.parse().ok())
                .or(answer.content_length());
            let head = first_bytes(what, answer).await?;
            let facts = disk_header::read(&head, whole.unwrap_or(head.len() as u64));
            refuse_references(what, facts.refers, &facts.warnings)?;
            return Ok(DiskFacts::format_in_cloud(&facts.format).to_owned());
        }
        let path = url.split(['?', '#']).next().unwrap_or(url).to_ascii_lowercase();
        match path.rsplit('.').next() {
            Some(format @ ("qcow2" | "raw" | "vmdk" | "iso")) => Ok(format.to_owned()),
            Some("img") => Ok("raw".to_owned()),
            _ => {
                Err(Error::new(Kind::Unavailable, what, "this machine does not reach it, and its name tells no format")
                    .hint("download it where it can be reached, then push the file"))
            }
        }
    }
}

/// The first bytes of an answer.
async fn first_bytes(what: &str, answer: reqwest::Response) -> Result<Vec<u8>> {
    let mut stream = shared::stream(answer, what.to_owned());
    let mut head = Vec::with_capacity(HEAD);
    while let Some(chunk) = stream.try_next().await? {
        head.extend_from_slice(&chunk);
        if head.len() >= HEAD {
            head.truncate(HEAD);
            break;
        }
    }
    Ok(head)
}
