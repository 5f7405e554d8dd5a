//! Variables that whoever starts a process has left for it.

use std::path::Path;

use wharf_core::{base::small_file, image::model::Foreign, launch::command::has};

/// Adds the variables that whoever starts a process has left in its place for it, `NAME=value` a line: what a scheduler
/// says of the task. Those that are set already stay as they are; without such a file there are none.
pub(super) fn add_variables(place: &Path, environment: &mut Vec<Foreign>) {
    let told = small_file::text(place.join("environment")).unwrap_or_default();
    for (name, value) in told.lines().filter_map(|line| line.split_once('=')) {
        if !has(environment, name) {
            environment.push(Foreign::new(format!("{name}={value}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_scheduler_says_is_added_and_changes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let mut environment = vec![Foreign::new("PATH=/bin"), Foreign::new("SLURM_JOB_ID=9")];
        add_variables(place.path(), &mut environment);
        assert_eq!(environment.len(), 2, "without a file nothing is added");
        let told = "SLURM_ARRAY_TASK_ID=3\nPATH=/evil\nSLURM_JOB_ID=1\nno variable\n";
        std::fs::write(place.path().join("environment"), told).unwrap();
        add_variables(place.path(), &mut environment);
        let raw: Vec<&str> = environment.iter().map(Foreign::raw).collect();
        assert_eq!(raw, ["PATH=/bin", "SLURM_JOB_ID=9", "SLURM_ARRAY_TASK_ID=3"]);
    }
}
