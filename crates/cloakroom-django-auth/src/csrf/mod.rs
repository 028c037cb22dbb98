//! skeleton
use cloakroom::{Result, Session};
pub(crate) fn rotate_in_session(_: &Session) -> Result<()> {
    Ok(())
}
