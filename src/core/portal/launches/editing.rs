//! Adding lines to the text of a plan, in the person's editor.

use std::path::Path;

use super::Launches;
use crate::{
    base::error::Result,
    launch::{form::Answers, plan::Plan},
    ports::FileInEditor,
};

impl Launches {
    /// Opens the text of a plan in the person's editor; `size` is that of its terminal in columns and lines.
    ///
    /// # Errors
    /// `Unsupported` where the plan has no text that could be edited, or where there is no editor.
    pub async fn edit(&self, plan: &Plan, size: (u16, u16)) -> Result<FileInEditor> {
        let text = self.launcher(Some(&plan.backend), None)?.editable_text(plan)?;
        self.editor.open(&format!("launch-{}.sh", plan.idempotency_key), &text, size).await
    }

    /// The answers whose plan has the lines that were added to the text of this one in the file. The file is removed; it
    /// stays where it is not taken, and the error says where.
    ///
    /// # Errors
    /// `Usage` where something else was changed, or a line cannot be added.
    pub async fn edited(&self, plan: &Plan, path: &Path) -> Result<Answers> {
        let launcher = self.launcher(Some(&plan.backend), None)?;
        let taken = self.editor.text(path).await.and_then(|text| launcher.edited(plan, &text));
        match taken {
            Ok(answers) => {
                self.editor.remove(path).await;
                Ok(answers)
            }
            Err(error) => {
                let hint = format!("{}. What you wrote is {}", error.hint, path.display());
                Err(error.hint(hint.trim_start_matches(". ")))
            }
        }
    }
}
