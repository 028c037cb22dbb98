//! The programs that the browser tests need. If a program is missing, its name is printed and the
//! tests that need it are skipped. With `CLOAKROOM_TEST_REQUIRE_SERVERS=1`, as in `scripts/test`,
//! these tests fail.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Returns the path of chromedriver, which starts Chromium.
pub(super) fn chromedriver() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|folder| folder.join("chromedriver"))
        .find(|program| program.is_file());
    required(
        found,
        "chromedriver (Debian: apt-get install chromium chromium-driver)",
    )
}

/// Returns the source of axe-core, which checks the accessibility of a page.
pub(crate) fn axe() -> Option<String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let script = target.unwrap().join("axe/node_modules/axe-core/axe.min.js");
    required(fs::read_to_string(script).ok(), "axe-core in target/axe")
}

fn required<T>(found: Option<T>, name: &str) -> Option<T> {
    if found.is_none() {
        let missing = format!("not run: needs {name}; scripts/test installs it");
        let is_required = env::var("CLOAKROOM_TEST_REQUIRE_SERVERS").as_deref() == Ok("1");
        assert!(!is_required, "{missing}");
        // Does not use `eprintln!`, whose output the test runner discards if the test passes.
        let _ = writeln!(io::stderr(), "{missing}");
    }
    found
}
