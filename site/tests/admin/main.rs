//! The staff area.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod access;
mod accounts;
mod deleting;
mod forms;
mod history;
mod lists;
mod sessions;
mod tables;

use cloakroom_testkit::Page;

/// The id of a copy of “Sense and Sensibility” that is on loan.
const COPY: &str = "a2f73175-924d-4524-ac9a-e0b94e759058";

/// Returns the text of each row of a list.
fn rows(page: &Page) -> Vec<String> {
    let body = page.text().split("<tbody>").nth(1).unwrap_or_default();
    let body = body.split("</tbody>").next().unwrap_or_default();
    let rows = body.split("<tr>").skip(1);
    rows.map(common::text).collect()
}
