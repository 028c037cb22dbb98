//! Loans: a reader's own, everybody's, renewed and returned.

mod all;
mod give_back;
mod mine;
mod overdue;
pub(crate) mod renew;

use crate::web::error::PageError;
pub(crate) use all::all;
pub(crate) use give_back::give_back;
pub(crate) use mine::mine;
pub(crate) use overdue::load_overdue;

/// The answer to whoever renews or returns a copy that nobody has.
const NOT_ON_LOAN: PageError = PageError::Conflict {
    heading: "This copy is not on loan",
    text: "It may have been returned meanwhile. Its page says how it stands with it.",
};
