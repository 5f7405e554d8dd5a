//! Other flavors for servers (Compute API v2.1, "Resize Server" and "Confirm Resized Server").

use serde_json::json;

use super::{
    Images,
    answers::{Flavor, FlavorServerAnswer},
    plan,
    servers::{self, WATCH},
    service::{Request, Service},
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
        let answer: FlavorServerAnswer = self.cloud.json(what, Service::Compute, Request::get(&path).at(GIVEN)).await?;
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
        if wanted.is_empty() {
            return Ok(());
        }
        let flavor = plan::size_chosen(&flavors, wanted, &what)?;
        let wanted = clean::short(&flavor.name, 100);
        let status = self.server(&what, id).await?.status;
        let is_changing = ["RESIZE", "VERIFY_RESIZE"].contains(&status.as_str());
        // Whoever asked for that decides whether it stays: to confirm it cannot be undone.
        if status == "VERIFY_RESIZE" && now != wanted {
            return Err(Error::usage(
                what,
                format!("its change to the flavor {now} waits to be confirmed or reverted"),
            )
            .hint(format!("confirm it with --set flavor={now}, or revert it in the cloud's dashboard")));
        }
        if now == wanted && !is_changing {
            return Ok(());
        }
        if !is_changing {
            self.act(&what, id, None, json!({"resize": {"flavorRef": flavor.id}})).await?;
        }
        self.readings.forget(id);
        let mut confirmed = false;
        loop {
            let server = self.server(&what, id).await?;
            cx.progress.phase(server.state_words());
            match server.status.as_str() {
                "VERIFY_RESIZE" if !confirmed => {
                    confirmed = true;
                    let asked = self.act(&what, id, None, json!({"confirmResize": null})).await;
                    // The cloud may have confirmed it by itself meanwhile: its status says so.
                    if asked.is_err() && self.server(&what, id).await?.status == "VERIFY_RESIZE" {
                        asked?;
                    }
                }
                "RESIZE" | "VERIFY_RESIZE" => {}
                "ERROR" => {
                    let hint = "the cloud's administrators can put it right: its data is there";
                    return Err(given_up(&what, &server.fault_words()).hint(hint));
                }
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
