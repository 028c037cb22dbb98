//! Pages: for whom they open, what they show, and where they lead.

mod authors;
mod mybooks;
mod new_author;
mod renewal;
