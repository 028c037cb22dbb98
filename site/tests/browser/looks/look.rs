use std::{fs, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use super::{super::tools::Browser, pages::Page};

/// Checks pages and collects problems.
pub(super) struct Look<'a> {
    browser: &'a Browser<'a>,
    who: &'static str,
    pictures: PathBuf,
    max_bytes: u32,
    problems: Vec<String>,
}

impl<'a> Look<'a> {
    pub(super) fn new(browser: &'a Browser<'a>, who: &'static str, axe: &str) -> Self {
        // Scripts that are added through DevTools run despite the content security policy.
        let everywhere = json!({ "source": axe });
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", everywhere);
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let pictures = target.with_file_name("screenshots").join(who);
        fs::create_dir_all(&pictures).unwrap();
        Self {
            browser,
            who,
            pictures,
            max_bytes: 50_000,
            problems: Vec::new(),
        }
    }

    /// Sets the size limit of a page with its resources.
    pub(super) fn up_to_bytes(self, max_bytes: u32) -> Self {
        Self { max_bytes, ..self }
    }

    pub(super) fn at_pages(&mut self, pages: &[Page]) {
        for (name, path) in pages {
            self.browser.open(path);
            self.at(name);
        }
    }

    /// Checks the current page.
    pub(super) fn at(&mut self, name: &str) {
        self.find(name, &format!("({FETCHED})({})", self.max_bytes));
        self.set_width(NARROW);
        self.find(&format!("{name}-{NARROW}"), WIDER);
        for (scheme, widths) in VIEWS {
            self.set_scheme(scheme);
            for width in widths {
                self.set_width(width);
                let name = format!("{name}-{width}-{scheme}");
                self.find(&name, &format!("({BARRIERS})({WIDER})"));
                self.take_picture(&name);
            }
        }
    }

    /// # Panics
    /// If a problem was found.
    pub(super) fn finds_nothing(self) {
        assert!(self.problems.is_empty(), "{}", self.problems.join("\n"));
    }

    fn set_width(&self, width: u32) {
        let screen =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.browser
            .devtools("Emulation.setDeviceMetricsOverride", screen);
    }

    fn set_scheme(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.browser.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
    }

    /// Evaluates an expression that returns a list of problems, and collects them.
    fn find(&mut self, name: &str, expression: &str) {
        let found = self.browser.evaluate(expression);
        for problem in found.as_array().unwrap() {
            let (who, problem) = (self.who, problem.as_str().unwrap());
            self.problems.push(format!("{who}/{name}: {problem}"));
        }
    }

    fn take_picture(&self, name: &str) {
        let whole = json!({ "captureBeyondViewport": true, "optimizeForSpeed": true });
        let picture = self.browser.devtools("Page.captureScreenshot", whole);
        let png = BASE64_STANDARD.decode(picture["data"].as_str().unwrap());
        fs::write(self.pictures.join(format!("{name}.png")), png.unwrap()).unwrap();
    }
}

const DESKTOP: u32 = 1280;

const PHONE: u32 = 390;

/// The schemes and widths to check, in an order with few changes of the window.
const VIEWS: [(&str, [u32; 2]); 2] = [("light", [PHONE, DESKTOP]), ("dark", [DESKTOP, PHONE])];

/// The width that every page must fit into: 1280 px at a zoom of 400 %, by WCAG 2.1.
const NARROW: u32 = 320;

const WIDER: &str = "(page => page.scrollWidth <= page.clientWidth ? [] :
    [`${page.scrollWidth} px wide, one has to scroll sideways`])(document.documentElement)";

/// Adds the violations of WCAG 2.1, A and AA, to the known problems.
const BARRIERS: &str = "known =>
    axe.run(document, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'],
        resultTypes: ['violations'],
    }).then(found =>
        known.concat(found.violations.flatMap(({ id, nodes }) =>
            nodes.map(node => `${id}: ${node.html}: ${node.any.map(check => check.message)}`))))";

/// Returns requests to other hosts, and the size of the page with its resources if it is too large.
const FETCHED: &str = "max => {
        const fetched = ['navigation', 'resource']
            .flatMap(kind => performance.getEntriesByType(kind));
        const foreign = fetched.filter(({ name }) => !name.startsWith(location.origin + '/'));
        const bytes = fetched.reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0);
        return foreign.map(({ name }) => `asks ${name}`)
            .concat(bytes > 0 && bytes < max ? [] : [`${bytes} bytes`]);
    }";
