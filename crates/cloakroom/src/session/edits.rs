use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::format::Format;
use crate::model::{Expiry, Name, Owner, Record, Result, Value};

/// The edits of this request. They are replayed on fresh data when another request saved first.
#[derive(Clone, Default)]
pub(crate) struct Edits {
    /// First the logins, then the other edits, each in the order in which they were made. A login
    /// therefore removes what another user left in the session, but not what this request has put
    /// there.
    log: Vec<Edit>,
    logins: usize,
    /// Whether the session gets a new key.
    renames: bool,
    /// Whether an edit has changed the record of this request.
    changes: bool,
}

impl Edits {
    pub(crate) fn push(&mut self, edit: Edit) {
        self.changes = true;
        self.renames |= matches!(edit, Edit::LogIn { .. } | Edit::CycleKey);
        match edit {
            Edit::LogIn { .. } => {
                self.log.insert(self.logins, edit);
                self.logins += 1;
            }
            _ => self.log.push(edit),
        }
    }

    /// Adds an edit that has not changed the record of this request. A replay of the edit may still
    /// change the record that another request saved. Such an edit alone is not worth a commit.
    pub(crate) fn push_unchanged(&mut self, edit: Edit) {
        self.log.push(edit);
    }

    pub(crate) fn replay(&self, record: &mut Record, format: &dyn Format) -> Result<()> {
        let mut log = self.log.iter();
        log.try_for_each(|edit| edit.apply(record, format))
    }

    /// Returns whether an edit has changed the record of this request.
    pub(crate) fn have_changes(&self) -> bool {
        self.changes
    }

    /// Returns the number of edits, including those that have changed nothing.
    pub(crate) fn len(&self) -> usize {
        self.log.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Returns whether the session gets a new key.
    pub(crate) fn renames(&self) -> bool {
        self.renames
    }

    /// Returns whether there is a login among the edits. A login does not need an existing session.
    pub(crate) fn log_in(&self) -> bool {
        self.logins > 0
    }

    /// Returns the user of the last login, or `None` if there is no login or the format keeps no
    /// owners.
    pub(crate) fn last_login(&self) -> Option<&Owner> {
        match self.log[..self.logins].last() {
            Some(Edit::LogIn { owner, .. }) => owner.as_ref(),
            _ => None,
        }
    }
}

/// One recorded change.
#[derive(Clone)]
pub(crate) enum Edit {
    Set(Name, Value),
    SetDefault(Name, Value),
    Remove(Name),
    Take(Name, Taken),
    Update(Name, Arc<Update>),
    Clear,
    Expiry(Expiry),
    Label(Box<str>),
    /// `owner` is `None` if the format keeps no owners.
    LogIn {
        owner: Option<Owner>,
        at: SystemTime,
    },
    CycleKey,
}

/// The closure of an `update`, which computes the new value from the stored one.
pub(crate) type Update = dyn Fn(Option<&Value>) -> Result<Value> + Send + Sync;

impl Edit {
    /// Applies the edit to `record`. An `Update` runs the caller's code, so the caller of this
    /// function must not hold a lock.
    pub(crate) fn apply(&self, record: &mut Record, format: &dyn Format) -> Result<()> {
        let items = &mut record.data.items;
        match self {
            Self::Set(name, value) => items.set(name.clone(), value.clone()),
            Self::SetDefault(name, value) => {
                if items.get(name).is_none_or(Value::is_null) {
                    items.set(name.clone(), value.clone());
                }
            }
            Self::Remove(name) => {
                items.remove(name);
            }
            Self::Take(name, taken) => taken.put(items.remove(name)),
            Self::Update(name, update) => {
                let value = update(items.get(name))?;
                items.set(name.clone(), value);
            }
            Self::Clear => items.clear(),
            Self::Expiry(expiry) => format.set_expiry(&mut record.data, *expiry)?,
            Self::Label(label) => record.meta.label = Some(label.clone()),
            Self::LogIn { owner, at } => record.log_in(owner.as_ref(), *at),
            Self::CycleKey => {}
        }
        Ok(())
    }
}

/// The value that an [`Edit::Take`] removed when it was last applied. The last application is the
/// one that was saved.
#[derive(Clone, Default)]
pub(crate) struct Taken(Arc<Mutex<Option<Value>>>);

impl Taken {
    fn put(&self, value: Option<Value>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    pub(crate) fn get(&self) -> Option<Value> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
