//! A browser, with methods for what its user does and sees.

use std::path::Path;

use fantoccini::{
    Client, Locator,
    actions::{InputSource, KeyAction, KeyActions},
    elements::Element,
    error::CmdError,
    key::Key,
    wd::{Capabilities, WindowHandle},
};
use serde_json::{Value, json};

use super::{PATIENCE, Site, devtools::DevTools, driver::Driver};

/// Chromium with an empty profile, for one site.
pub(crate) struct Browser<'site> {
    driver: Driver,
    site: &'site Site,
}

/// The options of a browser.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) is_without_javascript: bool,
}

impl<'site> Browser<'site> {
    pub(super) fn start(site: &'site Site, chromedriver: &Path, setup: Setup) -> Self {
        let mut options = json!({ "args": ARGUMENTS });
        if setup.is_without_javascript {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let patience = PATIENCE.as_millis() as u64;
        // With an `implicit` timeout, a search for an element waits until the element exists.
        let timeouts = json!({ "implicit": patience, "pageLoad": patience, "script": patience });
        let capabilities = Capabilities::from_iter([
            ("goog:chromeOptions".to_owned(), options),
            ("timeouts".to_owned(), timeouts),
        ]);
        Self {
            driver: Driver::start(chromedriver, capabilities),
            site,
        }
    }

    /// Opens a page of the site.
    pub(crate) fn open(&self, path: &str) {
        self.open_url(&format!("{}{path}", self.site.address()));
    }

    pub(crate) fn open_url(&self, url: &str) {
        self.driver.run(async |page| page.goto(url).await);
    }

    pub(crate) fn reload(&self) {
        self.driver.run(Client::refresh);
    }

    /// Waits for a complete page with this text.
    pub(crate) fn sees(&self, text: &str) {
        self.wait_for(&format!("{PAGE}[contains(normalize-space(), {text:?})]"));
    }

    /// Waits for a complete page without this text.
    pub(crate) fn sees_not(&self, text: &str) {
        self.wait_for(&format!(
            "{PAGE}[not(contains(normalize-space(), {text:?}))]"
        ));
    }

    /// Waits for a complete page with this main heading.
    pub(crate) fn sees_heading(&self, heading: &str) {
        self.wait_for(&format!("{PAGE}[.//h1[normalize-space() = {heading:?}]]"));
    }

    /// Clicks the link with this text.
    pub(crate) fn follow(&self, link: &str) {
        self.click(&format!("//a[normalize-space() = {link:?}]"));
    }

    /// Clicks the button with this text.
    pub(crate) fn press(&self, button: &str) {
        self.click(&format!("//button[normalize-space() = {button:?}]"));
    }

    /// Replaces the value of the field with this name in the main part of the page.
    pub(crate) fn fill(&self, field: &str, text: &str) {
        self.with_element(&named(field), async |field| {
            field.clear().await?;
            field.send_keys(text).await
        });
    }

    /// Searches with the search box in the header.
    pub(crate) fn search(&self, words: &str) {
        let words = format!("{words}{}", Key::Enter);
        self.with_element("//header//input[@name = 'q']", async |field| {
            field.send_keys(&words).await
        });
    }

    /// Selects an option of the field with this name.
    pub(crate) fn choose(&self, field: &str, choice: &str) {
        self.with_element(&named(field), async |list| {
            list.select_by_label(choice).await
        });
    }

    pub(crate) fn value_of(&self, field: &str) -> String {
        let value = self.with_element(&named(field), async |field| field.prop("value").await);
        value.unwrap()
    }

    /// Fills in the login form, and waits until the user is logged in.
    pub(crate) fn log_in(&self, username: &str) {
        self.fill("username", username);
        self.fill("password", self.site.password(username));
        self.press("Log in");
        self.sees("Log out");
    }

    /// Types on the keyboard. The focused element receives the keys.
    pub(crate) fn type_text(&self, text: &str) {
        let mut keyboard = KeyActions::new("keyboard".to_owned());
        for value in text.chars() {
            keyboard = keyboard.then(KeyAction::Down { value });
            keyboard = keyboard.then(KeyAction::Up { value });
        }
        self.driver
            .run(async |page| page.perform_actions(keyboard).await);
    }

    pub(crate) fn press_key(&self, key: Key) {
        self.type_text(&key);
    }

    /// Returns the name of the focused field, or the text of the focused link or button.
    pub(crate) fn focus(&self) -> String {
        let name_or_text =
            "(e => e.matches('input[name], select, textarea') ? e.name : e.textContent)";
        let focus = self.evaluate(&format!("{name_or_text}(document.activeElement)"));
        let words = focus.as_str().unwrap().split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn title(&self) -> String {
        self.driver.run(Client::title)
    }

    /// Returns the path and the query of the current page.
    pub(crate) fn path(&self) -> String {
        let url = self.driver.run(Client::current_url);
        let path = url.as_str().strip_prefix(&**self.site.address());
        path.unwrap().to_owned()
    }

    /// Returns the names of the cookies of the site.
    pub(crate) fn cookies(&self) -> Vec<String> {
        let cookies = self.driver.run(Client::get_all_cookies);
        let names = cookies.iter().map(|cookie| cookie.name().to_owned());
        names.collect()
    }

    /// Returns the current tab.
    pub(crate) fn tab(&self) -> WindowHandle {
        self.driver.run(Client::window)
    }

    /// Opens another tab and switches to it.
    pub(crate) fn new_tab(&self) -> WindowHandle {
        let tab = self.driver.run(async |page| page.new_window(true).await);
        self.switch_to_tab(&tab.handle);
        tab.handle
    }

    pub(crate) fn switch_to_tab(&self, tab: &WindowHandle) {
        self.driver
            .run(async |page| page.switch_to_window(tab.clone()).await);
    }

    /// Evaluates a JavaScript expression in the page. If the result is a promise, waits for the
    /// promise and returns its value.
    pub(crate) fn evaluate(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        self.driver
            .run(async |page| page.execute(&script, Vec::new()).await)
    }

    /// Runs a command of Chromium's DevTools protocol.
    pub(crate) fn devtools(&self, command: &'static str, parameters: Value) -> Value {
        let command = DevTools {
            command,
            parameters,
        };
        self.driver.run(async |page| page.issue_cmd(command).await)
    }

    fn wait_for(&self, xpath: &str) {
        self.with_element(xpath, async |_| Ok(()));
    }

    fn click(&self, xpath: &str) {
        self.with_element(xpath, async |element| element.click().await);
    }

    /// Waits for an element and runs `step` with it.
    fn with_element<T>(
        &self,
        xpath: &str,
        step: impl AsyncFnOnce(Element) -> Result<T, CmdError>,
    ) -> T {
        self.driver
            .run(async |page| step(page.find(Locator::XPath(xpath)).await?).await)
    }
}

/// Returns the XPath of the field with this name in the main part of the page.
fn named(field: &str) -> String {
    format!("//main//*[@name = {field:?}]")
}

/// The XPath of a complete page. The footer is the last element, so a page that is still loading
/// has no footer.
const PAGE: &str = "//body[footer]";

const ARGUMENTS: [&str; 13] = [
    "--headless",
    // Scroll bars would cut off parts of screenshots.
    "--hide-scrollbars",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Containers have little shared memory.
    "--disable-dev-shm-usage",
    // Blocks requests to all hosts other than the site.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
    // Dates are typed as month, day, year.
    "--lang=en-US",
];
