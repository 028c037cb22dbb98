//! What Django's sessions look like in bytes: Django 5.2's, as 5.2.19 writes and reads them.
//!
//! Everything here takes and returns bytes or plain values, and does no I/O.
//!
//! | | | as it is defined by |
//! |---|---|---|
//! | [`signing`] | the signed text of the engines db, cached_db, file and signed_cookies | Django 5.2.19; HMAC-SHA256 (RFC 2104), base64url (RFC 4648 §5), zlib (RFC 1950) |
//! | [`json`] | the object inside it | RFC 8259 as Python 3.11's `json` reads and writes it |
//! | [`pickle`] | the dictionary that the engines cache and cached_db keep | Python's pickle, protocols 0 to 5 (PEP 307, 3154, 574) |
//! | [`cache`] | the keys and lifetimes of cache entries | Django's Redis and memcached backends |
//! | [`expiry`] | the item `_session_expiry` | Django 5.2.19 |
//! | [`date`] | dates in it and in the column `expire_date` | ISO 8601 as Python 3.11's `datetime` reads and writes it |
//! | [`key`] | new keys, and which ones are taken | Django 5.2.19 |
//! | [`cookie`] | the header `Set-Cookie`, and the values in it | Django 5.2.19 with Python 3.11's `http.cookies` |

pub mod cache;
pub mod cookie;
pub mod date;
pub mod expiry;
pub mod json;
pub mod key;
pub mod pickle;
pub mod signing;
