//! The bytes of Django's sessions, as Django 5.2.19 writes and reads them.
//!
//! Everything here works on bytes and plain values and does no I/O. You need it only to write a
//! store or a tool; a service uses [`Settings`](crate::Settings).
//!
//! | module | format | defined by |
//! |---|---|---|
//! | [`signing`] | the signed text of the engines `db`, `cached_db`, `file` and `signed_cookies` | Django 5.2.19; HMAC-SHA256 (RFC 2104), base64url (RFC 4648 §5), zlib (RFC 1950) |
//! | [`json`] | the JSON object inside the signed text | RFC 8259 as Python 3.11's `json` reads and writes it |
//! | [`pickle`] | the dictionary of the engines `cache` and `cached_db` | Python's pickle, protocols 0 to 5 (PEP 307, 3154, 574) |
//! | [`cache`] | the keys and lifetimes of cache entries | Django's Redis and memcached backends |
//! | [`expiry`] | the item `_session_expiry` | Django 5.2.19 |
//! | [`date`] | the dates in the item `_session_expiry` and in the column `expire_date` | ISO 8601 as Python 3.11's `datetime` reads and writes it |
//! | [`key`] | session keys | Django 5.2.19 |
//! | [`cookie`] | the header `Set-Cookie` and its values | Django 5.2.19 with Python 3.11's `http.cookies` |

pub mod cache;
pub mod cookie;
pub mod date;
pub mod expiry;
pub mod json;
pub mod key;
pub mod pickle;
pub mod signing;
