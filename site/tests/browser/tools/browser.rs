//! A browser, in the words of the person before it.

use std::path::Path;

use serde_json::{Value, json};

use super::{PATIENCE, Site, driver::Driver};

/// Chromium with an empty profile, at the site.
pub(crate) struct Browser<'site> {
    driver: Driver,
    site: &'site Site,
}

/// How the browser is set up.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) is_without_javascript: bool,
}

/// An element of the page that is shown.
struct Element(String);

/// A key that writes nothing.
pub(crate) enum Key {
    Tab,
    Enter,
}

impl<'site> Browser<'site> {
    pub(super) fn start(site: &'site Site, chromedriver: &Path, setup: Setup) -> Self {
        let mut options = json!({ "args": ARGUMENTS });
        if setup.is_without_javascript {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let patience = PATIENCE.as_millis() as u64;
        let capabilities = json!({
            "goog:chromeOptions": options,
            // Whoever looks for an element waits for it.
            "timeouts": { "implicit": patience, "pageLoad": patience, "script": patience },
        });
        Self {
            driver: Driver::start(chromedriver, &capabilities),
            site,
        }
    }

    /// Types an address of the site.
    pub(crate) fn open(&self, path: &str) {
        self.open_anywhere(&format!("{}{path}", self.site.address()));
    }

    pub(crate) fn open_anywhere(&self, url: &str) {
        self.driver.post("url", &json!({ "url": url }));
    }

    pub(crate) fn reload(&self) {
        self.driver.post("refresh", &json!({}));
    }

    /// Waits for a whole page with this text.
    pub(crate) fn sees(&self, text: &str) {
        self.find(&format!("{PAGE}[contains(normalize-space(), {text:?})]"));
    }

    /// Waits for a whole page without this text.
    pub(crate) fn sees_not(&self, text: &str) {
        self.find(&format!(
            "{PAGE}[not(contains(normalize-space(), {text:?}))]"
        ));
    }

    /// Waits for a page with this main heading.
    pub(crate) fn reads(&self, heading: &str) {
        self.find(&format!("{PAGE}[.//h1[normalize-space() = {heading:?}]]"));
    }

    pub(crate) fn follow(&self, link: &str) {
        self.click(&self.find(&format!("//a[normalize-space() = {link:?}]")));
    }

    pub(crate) fn press(&self, button: &str) {
        self.click(&self.find(&format!("//button[normalize-space() = {button:?}]")));
    }

    fn click(&self, element: &Element) {
        self.driver
            .post(&format!("element/{}/click", element.0), &json!({}));
    }

    /// Types into the field of this name in the page's own form.
    pub(crate) fn fill(&self, field: &str, text: &str) {
        let Element(id) = self.field(field);
        self.driver.post(&format!("element/{id}/clear"), &json!({}));
        self.driver
            .post(&format!("element/{id}/value"), &json!({ "text": text }));
    }

    /// Types into the box in the header.
    pub(crate) fn search(&self, words: &str) {
        let Element(id) = self.find("//header//input[@name = 'q']");
        self.driver.post(
            &format!("element/{id}/value"),
            &json!({ "text": format!("{words}{ENTER}") }),
        );
    }

    /// Chooses from the list of this name.
    pub(crate) fn choose(&self, field: &str, choice: &str) {
        let option = format!("option[normalize-space() = {choice:?}]");
        self.click(&self.find(&format!("//main//select[@name = {field:?}]/{option}")));
    }

    pub(crate) fn value_of(&self, field: &str) -> String {
        let Element(id) = self.field(field);
        let value = self.driver.get(&format!("element/{id}/property/value"));
        value.as_str().unwrap().to_owned()
    }

    fn field(&self, name: &str) -> Element {
        self.find(&format!("//main//*[@name = {name:?}]"))
    }

    /// Fills in the login form, and waits until it worked.
    pub(crate) fn log_in(&self, username: &str) {
        self.fill("username", username);
        self.fill("password", self.site.password(username));
        self.press("Log in");
        self.sees("Log out");
    }

    /// Types on the keyboard, wherever the focus is.
    pub(crate) fn type_text(&self, text: &str) {
        let keys = text.chars().map(|key| key.to_string());
        self.strike(keys);
    }

    pub(crate) fn hit(&self, key: Key) {
        let code = match key {
            Key::Tab => TAB,
            Key::Enter => ENTER,
        };
        self.strike([code.to_string()]);
    }

    fn strike(&self, keys: impl IntoIterator<Item = String>) {
        let strokes: Vec<Value> = keys
            .into_iter()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|stroke| json!({ "type": stroke, "value": key }))
            })
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.driver
            .post("actions", &json!({ "actions": [keyboard] }));
    }

    /// What the focus is on: the name of a field, or the text of a link or button.
    pub(crate) fn focus(&self) -> String {
        let named = "(e => e.matches('input[name], select, textarea') ? e.name : e.textContent)";
        let focus = self.evaluate(&format!("{named}(document.activeElement)"));
        let words = focus.as_str().unwrap().split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn title(&self) -> String {
        self.driver.get("title").as_str().unwrap().to_owned()
    }

    /// The path and query of the page that is shown.
    pub(crate) fn path(&self) -> String {
        let url = self.driver.get("url");
        let path = url.as_str().unwrap().strip_prefix(&**self.site.address());
        path.unwrap().to_owned()
    }

    /// The names of the cookies that the browser has of the site.
    pub(crate) fn cookies(&self) -> Vec<String> {
        let cookies = self.driver.get("cookie");
        let names = cookies.as_array().unwrap().iter();
        names
            .map(|cookie| cookie["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The tab that is looked at.
    pub(crate) fn tab(&self) -> Value {
        self.driver.get("window")
    }

    /// Opens another tab and looks at it.
    pub(crate) fn new_tab(&self) -> Value {
        let tab = self.driver.post("window/new", &json!({ "type": "tab" }));
        self.turn_to(&tab["handle"]);
        tab["handle"].clone()
    }

    pub(crate) fn turn_to(&self, tab: &Value) {
        self.driver.post("window", &json!({ "handle": tab }));
    }

    /// The value of an expression in the page, which its policy does not keep from the developer's tools.
    pub(crate) fn evaluate(&self, expression: &str) -> Value {
        let question = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
        });
        let mut answer = self.driver.devtools("Runtime.evaluate", question);
        let problem = &answer["exceptionDetails"];
        assert!(problem.is_null(), "{problem}");
        answer["result"]["value"].take()
    }

    /// Something of Chromium's own protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.driver.devtools(command, parameters)
    }

    /// Waits for an element.
    fn find(&self, xpath: &str) -> Element {
        let question = json!({ "using": "xpath", "value": xpath });
        let answer = self.driver.post("element", &question);
        let id = answer.as_object().unwrap().values().next();
        Element(id.unwrap().as_str().unwrap().to_owned())
    }
}

/// A page of which nothing more will come: the footer is its end.
const PAGE: &str = "//body[footer]";

const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

const ARGUMENTS: [&str; 13] = [
    "--headless",
    // Or pictures are cut off where one was.
    "--hide-scrollbars",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Memory that containers are short of.
    "--disable-dev-shm-usage",
    // Nobody but the site is asked.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
    // Dates are typed as month, day, year.
    "--lang=en-US",
];
