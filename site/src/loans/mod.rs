//! Loans: the lists of a user's loans and of all loans, renewal and return.

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
