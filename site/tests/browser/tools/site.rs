//! The real program, with a separate database for each test.

use std::{
    cell::{Ref, RefCell},
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{Browser, Setup, need, supervised_program::SupervisedProgram};

/// A running LocalLibrary with the demo catalogue.
pub(crate) struct Site {
    program: RefCell<SupervisedProgram>,
    /// The URL of the site without a slash at the end: `http://127.0.0.1:…`.
    address: RefCell<String>,
    passwords: HashMap<String, String>,
    chromedriver: PathBuf,
}

impl Site {
    /// Starts the site. Returns `None` if chromedriver is not installed.
    pub(crate) fn open() -> Option<Self> {
        let chromedriver = need::chromedriver()?;
        let program = SupervisedProgram::start(
            Path::new(env!("CARGO_BIN_EXE_locallibrary")),
            &["--bind", "127.0.0.1:0", "--password-iterations", "1000"],
        );
        let address = read_address(&program);
        let passwords = DEMO_USERS.map(|username| {
            let password = program.rest_of_line(&format!("  {username} "));
            (username.to_owned(), password.trim().to_owned())
        });
        Some(Self {
            program: program.into(),
            address: address.into(),
            passwords: passwords.into(),
            chromedriver,
        })
    }

    /// Stops the program and starts it again on another port. Browsers keep their cookies, because
    /// cookies do not depend on the port.
    pub(crate) fn restart(&self) {
        let mut program = self.program.borrow_mut();
        program.restart();
        self.address.replace(read_address(&program));
    }

    pub(crate) fn address(&self) -> Ref<'_, String> {
        self.address.borrow()
    }

    /// Returns the password of a demo user.
    pub(crate) fn password(&self, username: &str) -> &str {
        &self.passwords[username]
    }

    /// Waits until the program prints a mail, and returns the path of the link in the mail.
    pub(crate) fn mailed_link(&self) -> String {
        let address = self.address().clone();
        let rest = self.program.borrow().rest_of_line(&address);
        rest.trim().to_owned()
    }

    /// Starts a browser with an empty profile.
    pub(crate) fn browser(&self) -> Browser<'_> {
        self.browser_with(Setup::default())
    }

    pub(crate) fn browser_with(&self, setup: Setup) -> Browser<'_> {
        Browser::start(self, &self.chromedriver, setup)
    }

    /// Starts a browser that is logged in as this user.
    pub(crate) fn browser_of(&self, username: &str) -> Browser<'_> {
        let browser = self.browser();
        browser.open("/accounts/login/");
        browser.log_in(username);
        browser
    }
}

/// The users whose passwords the tests need, in the order in which the program prints them.
const DEMO_USERS: [&str; 4] = ["member", "newcomer", "librarian", "admin"];

fn read_address(program: &SupervisedProgram) -> String {
    let rest = program.rest_of_line("LocalLibrary is open at ");
    let (address, _) = rest.split_once("/ ").unwrap();
    address.to_owned()
}
