//! Pages: permissions, content, and redirects.

mod authors;
mod mybooks;
mod new_author;
mod renewal;
