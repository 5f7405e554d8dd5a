//! Why a job waits or failed, in words: Slurm's reasons (squeue(1), "JOB REASON CODES").

use wharf_core::base::clean;

/// Why a job waits; empty where Slurm tells no reason.
pub(super) fn waiting(reason: &str) -> String {
    let words = match reason {
        "" | "None" | "(null)" | "N/A" => return String::new(),
        "Resources" => "what it needs is in use",
        "Priority" => "other jobs are before it",
        "Dependency" => "it begins after other jobs",
        "DependencyNeverSatisfied" => "what it begins after never comes true: it will not start",
        "JobHeldUser" => "it is held",
        "JobHeldAdmin" => "an administrator holds it",
        "BeginTime" => "its time to begin has not come",
        "JobArrayTaskLimit" => "as many of its tasks run as it wants at once",
        "PartitionDown" => "its partition is down",
        "PartitionInactive" => "its partition starts no jobs now",
        "PartitionTimeLimit" => "it asks for more time than its partition gives: it will not start",
        "PartitionNodeLimit" | "PartitionConfig" => "it asks for more than its partition gives: it will not start",
        "Licenses" => "the licenses that it needs are in use",
        "Reservation" => "its reservation has not begun",
        "NodeDown" => "a node that it needs is down",
        "JobLaunchFailure" => "it could not be started",
        _ => return other(reason),
    };
    words.to_owned()
}

/// Reasons that begin in a known way, and Slurm's own words for the rest.
fn other(reason: &str) -> String {
    let told = clean::short(reason, 100);
    let has = |words: &[&str]| words.iter().any(|word| reason.starts_with(word));
    if let Some(nodes) = reason.strip_prefix("ReqNodeNotAvail") {
        let nodes = nodes.trim_start_matches([',', ' ']).trim_start_matches("UnavailableNodes:");
        let nodes = clean::short(nodes, 60);
        return if nodes.is_empty() {
            "nodes that it needs are not available".to_owned()
        } else {
            format!("nodes that it needs are not available: {nodes}")
        };
    }
    if reason.contains("not in group permitted") {
        return "its partition is not for your groups: it will not start".to_owned();
    }
    if has(&["QOSMaxWall", "AssocMaxWall"]) {
        return format!("it asks for more time than its limit gives ({told}): it will not start");
    }
    if has(&["Assoc", "QOS", "MaxJobs", "MaxSubmit"]) {
        return format!("a limit of your account is reached ({told})");
    }
    told
}

/// Why a job ended as it did, from Slurm's reason; empty where that says no more than its state.
pub(super) fn ended(reason: &str) -> String {
    match reason {
        "JobLaunchFailure" => "it could not be started".to_owned(),
        "" | "None" | "(null)" | "N/A" | "NonZeroExitCode" | "TimeLimit" => String::new(),
        _ => clean::short(reason, 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_in_words_and_foreign_ones_cleaned() {
        assert_eq!(waiting("None"), "");
        assert_eq!(waiting("Resources"), "what it needs is in use");
        let nodes = waiting("ReqNodeNotAvail, UnavailableNodes:gone1");
        assert_eq!(nodes, "nodes that it needs are not available: gone1");
        assert!(waiting("AssocMaxJobsLimit").contains("(AssocMaxJobsLimit)"));
        assert!(waiting("QOSMaxWallDurationPerJobLimit").contains("will not start"));
        assert!(waiting("uid 1001 not in group permitted to use this partition (closed)").contains("your groups"));
        assert!(!waiting("New\u{1b}[31mReason\n").contains(['\u{1b}', '\n']));
        assert_eq!((ended("TimeLimit"), ended("RaisedSignal:11(x)")), (String::new(), "RaisedSignal:11(x)".to_owned()));
    }
}
