//! Loans: a reader's own, everybody's, renewed and returned.

mod all;
mod give_back;
mod mine;
mod not_on_loan;
mod overdue;
pub(crate) mod renew;

pub(crate) use all::all;
pub(crate) use give_back::give_back;
pub(crate) use mine::mine;
pub(crate) use overdue::load_overdue;
