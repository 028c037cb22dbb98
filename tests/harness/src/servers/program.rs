use std::env;
use std::path::{Path, PathBuf};

/// Returns the path of the program `name`, from `PATH` or else from one of `places`.
pub(super) fn find(name: &str, places: &[&str]) -> Option<PathBuf> {
    folders(places)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// Returns the folders of `PATH`, then `places`.
pub(super) fn folders(places: &[&str]) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = env::split_paths(&path).collect();
    on_path
        .into_iter()
        .chain(places.iter().map(|place| Path::new(place).to_owned()))
}

/// The folders of server programs on Debian. They are not on every user's `PATH`.
pub(super) const SBIN: &[&str] = &["/usr/sbin", "/usr/local/sbin"];
