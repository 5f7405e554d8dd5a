//! tui
pub async fn run(_p: crate::core::portal::Portal)->crate::core::error::Result<()> {Ok(())}
