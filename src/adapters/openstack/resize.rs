//! Other flavors for servers (Compute API v2.1, "Resize Server" and "Confirm Resized Server").

use serde_json::json;

use super::{
    Images,
    answers::{Flavor, FlavorServerAnswer},
    plan,
    service::{Request, Service},
    servers::{self, WATCH},
    usage::GIVEN,
};
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{Error, Result},
    },
    launch::form::{Answers, Form},
};

impl Images {
    /// The name of the flavor that a server has.
    async fn flavor_of(&self, what: &str, id: &str) -> Result<String> {
        let path = servers::path(what, id)?;
        let answer: FlavorServerAnswer =
            self.cloud.json(what, Service::Compute, Request::get(&path).at(GIVEN)).await?;
        Ok(clean::short(&answer.server.flavor.original_name, 100))
    }

    /// The flavors of the cloud.
    async fn flavors(&self, what: &str) -> Result<Vec<Flavor>> {
        Ok(self.cloud.part(what, Service::Compute, "flavors/detail", "flavors").await?.rows)
    }

    /// The form for another flavor.
    pub async fn size_form(&self, id: &str) -> Result<Form> {
        let what = format!("ask for the size of {id}");
        let (flavors, now) = tokio::join!(self.flavors(&what), self.flavor_of(&what, id));
        Ok(plan::size_form(&flavors?, &now?))
    }

    /// Gives a server another flavor, and confirms it. One that waits to be confirmed, after a broken connection, is.
    pub async fn to_flavor(&self, cx: &Context, id: &str, answers: &Answers) -> Result<()> {
        let what = format!("resize {id}");
        let (flavors, now) = tokio::join!(self.flavors(&what), self.flavor_of(&what, id));
        let (flavors, now, wanted) = (flavors?, now?, answers.get("flavor"));
        let status = self.server(&what, id).await?.status;
        if now == wanted && status != "VERIFY_RESIZE" {
            return Ok(());
        }
        if status != "VERIFY_RESIZE" {
            let flavor = plan::size_chosen(&flavors, wanted, &what)?;
            self.act(&what, id, None, json!({"resize": {"flavorRef": flavor.id}})).await?;
        }
        self.readings.forget(id);
        let mut confirmed = false;
        loop {
            let server = self.server(&what, id).await?;
            cx.progress.phase(server.state_words());
            match server.status.as_str() {
                "VERIFY_RESIZE" if !confirmed => {
                    self.act(&what, id, None, json!({"confirmResize": null})).await?;
                    confirmed = true;
                }
                "RESIZE" | "VERIFY_RESIZE" => {}
                "ERROR" => return Err(given_up(&what, &server.fault_words())),
                // Clouds may confirm it by themselves, and put it back where they cannot do it.
                _ if self.flavor_of(&what, id).await? == wanted => return Ok(()),
                _ => return Err(given_up(&what, &server.fault_words())),
            }
            cx.pause(&what, WATCH / 4).await?;
        }
    }
}

fn given_up(what: &str, said: &str) -> Error {
    let why = if said.is_empty() { "the cloud gave up on it, and gives no reason" } else { said };
    Error::failed(what, why).hint("the server keeps its flavor: try another one, or ask the cloud's administrators")
}
