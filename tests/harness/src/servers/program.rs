use std::env;
use std::path::{Path, PathBuf};

/// The program `name` from `PATH`, or else from one of `places`.
pub(super) fn find(name: &str, places: &[&str]) -> Option<PathBuf> {
    folders(places)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// The folders of `PATH`, then `places`.
pub(super) fn folders(places: &[&str]) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = env::split_paths(&path).collect();
    on_path
        .into_iter()
        .chain(places.iter().map(|place| Path::new(place).to_owned()))
}

/// Where Debian keeps servers, which is not on the `PATH` of everybody.
pub(super) const SBIN: &[&str] = &["/usr/sbin", "/usr/local/sbin"];
