//! Skeleton.
use crate::session::State;
use bytes::Bytes;

/// Takes apart.
pub fn read(_data: &Bytes) -> crate::Result<State> {
    Ok(State::new())
}

/// Puts together.
pub fn write(_state: &State) -> crate::Result<Bytes> {
    Ok(Bytes::new())
}
