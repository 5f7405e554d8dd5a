//! A job as slurmrestd takes it. It does not read the `#SBATCH` lines of a script.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::slurm::{job::Job, script};
use wharf_core::{
    base::error::{Error, Result},
    launch::plan::Plan,
};

/// The environment in which the script begins; slurmrestd wants one. It is that of `--export=NONE`.
const ENVIRONMENT: &str = "PATH=/usr/local/bin:/usr/bin:/bin";
/// The newest version of the interface with bare numbers.
const BARE: u32 = 39;

/// The body of the request, in the form of newer versions: the script, and the options beside it.
///
/// # Errors
/// `Usage` for a folder that Slurm would read differently.
pub(super) fn body(job: &Job, folder: &Path, key: &str, text: &str) -> Result<Value> {
    let mut options = Map::new();
    let mut add = |name: &str, value: Value| {
        if !value.is_null() && value.as_str() != Some("") {
            options.insert(name.to_owned(), value);
        }
    };
    let number = |value: u64| json!({"set": true, "infinite": false, "number": value});
    add("name", json!(job.name));
    add("partition", json!(job.partition));
    add("account", json!(job.account));
    add("qos", json!(job.quality));
    add("time_limit", job.time.map_or(Value::Null, |seconds| number(seconds.div_ceil(60))));
    add("tasks", json!(job.tasks));
    add("cpus_per_task", json!(job.processors));
    add("memory_per_node", job.memory.map_or(Value::Null, |bytes| number(bytes.div_ceil(1 << 20))));
    add("tres_per_node", json!(script::gpus(job).map(|gpus| format!("gres/{gpus}")).unwrap_or_default()));
    add("constraints", json!(job.feature));
    add("array", json!(job.array));
    let after = job.after.iter().map(ToString::to_string).collect::<Vec<_>>();
    add("dependency", json!(after.join(",")));
    if !job.mail.is_empty() {
        // sbatch's ALL is no word of this interface.
        let all = ["BEGIN", "END", "FAIL", "REQUEUE", "STAGE_OUT", "INVALID_DEPENDENCY"];
        add("mail_type", if job.mail == "ALL" { json!(all) } else { json!([job.mail]) });
    }
    add("current_working_directory", json!(script::path_of(folder)?));
    add("standard_output", json!(script::output(job, folder)?));
    add("open_mode", json!(["APPEND"]));
    add("environment", json!([ENVIRONMENT]));
    add("comment", json!(format!("{}{key}", script::COMMENT)));
    if !after.is_empty() {
        add("flags", json!(["KILL_INVALID_DEPENDENCY"]));
    }
    Ok(json!({"script": text, "job": options}))
}

/// The same body in the form of one version.
pub(super) fn for_version(body: &Value, version: u32) -> Value {
    if version > BARE {
        return body.clone();
    }
    let mut body = body.clone();
    let Some(options) = body.get_mut("job").and_then(Value::as_object_mut) else { return body };
    let mut replace = |old: &str, new: &str, change: &dyn Fn(&Value) -> Value| {
        if let Some(value) = options.remove(old) {
            options.insert(new.to_owned(), change(&value));
        }
    };
    let bare = |value: &Value| value.get("number").cloned().unwrap_or_default();
    let joined = |value: &Value| json!(super::answer::words(value).join(","));
    replace("time_limit", "time_limit", &bare);
    replace("memory_per_node", "memory_per_node", &bare);
    replace("tres_per_node", "gres", &|value| json!(value.as_str().unwrap_or_default().trim_start_matches("gres/")));
    replace("mail_type", "mail_type", &joined);
    replace("open_mode", "open_mode", &|_| json!("append"));
    replace("flags", "kill_on_invalid_dependency", &|_| json!(true));
    replace("environment", "environment", &|_| {
        let (name, value) = ENVIRONMENT.split_once('=').unwrap_or_default();
        json!({ name: value })
    });
    body
}

/// The script that a plan sends.
///
/// # Errors
/// `Usage` where it sends none: the plan was made by another backend.
pub(in crate::slurm) fn script<'a>(plan: &'a Plan, what: &str) -> Result<&'a str> {
    let text = plan.call(what)?.1.get("script").and_then(Value::as_str);
    text.ok_or_else(|| Error::usage(what, "this plan was made by another backend"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slurm::job::After;

    #[test]
    fn a_job_has_the_form_of_its_version() {
        let after = vec![After { condition: "afterok".into(), jobs: vec!["7".into()] }];
        let job = Job {
            name: "blast".into(),
            partition: "short".into(),
            time: Some(90),
            tasks: 1,
            processors: 2,
            memory: Some(1 << 30),
            gpus: (1, "tiny".into()),
            array: "1-3".into(),
            after,
            mail: "END".into(),
            ..Job::default()
        };
        let new = body(&job, Path::new("/shared/k1"), "k1", "#!/bin/sh\n").unwrap();
        let options = &new["job"];
        assert_eq!(
            (&options["time_limit"]["number"], &options["memory_per_node"]["number"]),
            (&json!(2), &json!(1024))
        );
        assert_eq!((&options["tres_per_node"], &options["array"]), (&json!("gres/gpu:tiny:1"), &json!("1-3")));
        assert!(options.get("account").is_none(), "what is left to Slurm is not sent");
        assert_eq!(for_version(&new, 42), new);
        let old = for_version(&new, 38);
        let options = &old["job"];
        assert_eq!(
            (&options["time_limit"], &options["gres"], &options["mail_type"]),
            (&json!(2), &json!("gpu:tiny:1"), &json!("END"))
        );
        assert_eq!((&options["kill_on_invalid_dependency"], &options["open_mode"]), (&json!(true), &json!("append")));
        assert!(options["environment"]["PATH"].is_string() && options.get("flags").is_none());
        assert_eq!(old["script"], "#!/bin/sh\n");
    }
}
