//! Loans: a reader's own, everybody's, renewed and returned.

mod all;
mod mine;
mod not_on_loan;
mod overdue;
pub(crate) mod renew;
mod return_copy;

pub(crate) use all::all;
pub(crate) use mine::mine;
pub(crate) use overdue::load_overdue;
pub(crate) use return_copy::return_copy;
