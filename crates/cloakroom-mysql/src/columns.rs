use std::collections::VecDeque;

use cloakroom::Result;
use mysql_async::prelude::FromValue;
use mysql_async::{Row, Value};

use crate::error::corrupt;

/// Reads the columns of a row from left to right.
pub(crate) struct Columns {
    values: VecDeque<Value>,
    doing: &'static str,
}

impl Columns {
    pub(crate) fn of(row: Row, doing: &'static str) -> Self {
        Self {
            values: row.unwrap().into(),
            doing,
        }
    }

    pub(crate) fn next<T: FromValue>(&mut self) -> Result<T> {
        let value = self.values.pop_front();
        let read = value.and_then(|value| mysql_async::from_value_opt(value).ok());
        read.ok_or_else(|| corrupt(self.doing))
    }
}
