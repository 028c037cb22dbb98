use std::sync::Arc;
use std::time::SystemTime;

use crate::format::Format;
use crate::model::{EntryRef, Expiry, Name, Owner, Record, Result, Value};

/// What this request did to its session, in order: replayed on a fresh state when another request saved first.
#[derive(Clone, Default)]
pub(crate) struct Edits {
    log: Vec<Edit>,
    /// The session is to get a new key.
    moves: bool,
}

impl Edits {
    pub(crate) fn push(&mut self, edit: Edit) {
        self.moves |= matches!(edit, Edit::LogIn { .. } | Edit::CycleKey);
        self.log.push(edit);
    }

    pub(crate) fn replay(&self, record: &mut Record, format: &dyn Format) -> Result<()> {
        let mut log = self.log.iter();
        log.try_for_each(|edit| edit.apply(record, format))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// What these edits, which made `record` of what is at `base`, amount to.
    pub(crate) fn intent<'a>(&self, base: Option<&'a EntryRef>, record: &Record) -> Intent<'a> {
        match base {
            _ if self.is_empty() => Intent::Nothing,
            None if record.is_worth_keeping() => Intent::Create,
            None => Intent::Nothing,
            Some(base) if self.moves => Intent::Move(base),
            Some(base) => Intent::Save(base),
        }
    }

    /// Whether they hold a login, which stands on its own: it needs no session from before.
    pub(crate) fn log_in(&self) -> bool {
        self.log
            .iter()
            .any(|edit| matches!(edit, Edit::LogIn { .. }))
    }
}

/// One recorded change.
#[derive(Clone)]
pub(crate) enum Edit {
    Set(Name, Value),
    SetDefault(Name, Value),
    Remove(Name),
    Update(Name, Arc<Update>),
    Clear,
    Expiry(Expiry),
    Label(Option<Box<str>>),
    /// Without an owner in a format that has no place for one.
    LogIn {
        owner: Option<Owner>,
        at: SystemTime,
    },
    CycleKey,
}

/// The closure of an `update`, from the stored value to the new one.
pub(crate) type Update = dyn Fn(Option<&Value>) -> Result<Value> + Send + Sync;

impl Edit {
    /// Does it to `record`, now or on a fresh state. An `Update` runs the caller's code: hold no lock.
    pub(crate) fn apply(&self, record: &mut Record, format: &dyn Format) -> Result<()> {
        let state = &mut record.data.items;
        match self {
            Self::Set(name, value) => state.set(name.clone(), value.clone()),
            Self::SetDefault(name, value) => {
                if !state.contains(name) {
                    state.set(name.clone(), value.clone());
                }
            }
            Self::Remove(name) => {
                state.remove(name);
            }
            Self::Update(name, update) => {
                let value = update(state.get(name))?;
                state.set(name.clone(), value);
            }
            Self::Clear => state.clear(),
            Self::Expiry(expiry) => format.set_expiry(&mut record.data, *expiry)?,
            Self::Label(label) => record.meta.label.clone_from(label),
            Self::LogIn { owner, at } => record.log_in(owner.as_ref(), *at),
            Self::CycleKey => {}
        }
        Ok(())
    }
}

/// What a request's edits amount to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Intent<'a> {
    /// There is nothing to do.
    Nothing,
    /// There is something to keep, and no entry yet.
    Create,
    /// The entry changes.
    Save(&'a EntryRef),
    /// The entry changes, and gets a new key.
    Move(&'a EntryRef),
}
