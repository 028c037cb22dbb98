use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

/// A database URL: the path of an SQLite file, written as `sqlite://PATH` or `sqlite:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    path: PathBuf,
}

impl DatabaseUrl {
    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl From<PathBuf> for DatabaseUrl {
    fn from(path: PathBuf) -> Self {
        Self { path }
    }
}

impl FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let path = url.strip_prefix("sqlite:").ok_or(
            "a database URL starts with `sqlite://`, for example `sqlite://library.sqlite3`",
        )?;
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path == ":memory:" {
            return Err("the URL names no file; write `sqlite://PATH`");
        }
        if path.contains('?') {
            return Err("parameters after `?` are not supported; write `sqlite://PATH`");
        }
        if path.contains('\0') {
            return Err("the path contains a null character");
        }
        Ok(Self { path: path.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_is_the_scheme_sqlite_and_a_path() {
        for (url, path) in [
            ("sqlite://library.sqlite3", "library.sqlite3"),
            (
                "sqlite:///var/lib/library.sqlite3",
                "/var/lib/library.sqlite3",
            ),
            ("sqlite:library.sqlite3", "library.sqlite3"),
        ] {
            assert_eq!(
                url.parse::<DatabaseUrl>().unwrap().path().to_str(),
                Some(path)
            );
        }
        for url in [
            "library.sqlite3",
            "postgres://x/y",
            "sqlite://",
            "sqlite://:memory:",
            "sqlite://a?mode=ro",
        ] {
            assert!(url.parse::<DatabaseUrl>().is_err(), "{url}");
        }
    }
}
