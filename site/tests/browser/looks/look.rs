use std::{fs, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use super::{super::tools::Browser, pages::Page};

/// Checks the accessibility and layout of pages, and collects the problems.
pub(super) struct Look<'a> {
    browser: &'a Browser<'a>,
    /// The name of the browser's user in screenshots and problems.
    who: &'static str,
    /// The folder of the screenshots.
    pictures: PathBuf,
    /// The size limit of a page together with its resources.
    max_bytes: u32,
    problems: Vec<String>,
}

impl<'a> Look<'a> {
    pub(super) fn new(browser: &'a Browser<'a>, who: &'static str, axe: &str) -> Self {
        // The content security policy of a page does not apply to scripts that DevTools adds.
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

    /// Sets the size limit of a page together with its resources. The default is 50,000 bytes.
    pub(super) fn with_max_bytes(self, max_bytes: u32) -> Self {
        Self { max_bytes, ..self }
    }

    pub(super) fn check_pages(&mut self, pages: &[Page]) {
        for (name, path) in pages {
            self.browser.open(path);
            self.check_page(name);
        }
    }

    /// Checks the current page. `name` is its name in screenshots and problems.
    pub(super) fn check_page(&mut self, name: &str) {
        self.collect(name, &format!("({REQUESTS})({})", self.max_bytes));
        self.set_width(NARROW_WIDTH);
        self.collect(&format!("{name}-{NARROW_WIDTH}"), WIDTH);
        for (scheme, widths) in VIEWS {
            self.set_scheme(scheme);
            for width in widths {
                self.set_width(width);
                let name = format!("{name}-{width}-{scheme}");
                self.collect(&name, &format!("({VIOLATIONS})({WIDTH})"));
                self.take_picture(&name);
            }
        }
    }

    /// Asserts that no page has a problem.
    pub(super) fn assert_no_problems(self) {
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

    /// Evaluates a JavaScript expression that returns a list of problems, and adds these problems
    /// to `self.problems`.
    fn collect(&mut self, name: &str, expression: &str) {
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

const DESKTOP_WIDTH: u32 = 1280;

const PHONE_WIDTH: u32 = 390;

/// The colour schemes and widths to check. The second scheme starts with the last width of the
/// first scheme, so that the width does not change between the schemes.
const VIEWS: [(&str, [u32; 2]); 2] = [
    ("light", [PHONE_WIDTH, DESKTOP_WIDTH]),
    ("dark", [DESKTOP_WIDTH, PHONE_WIDTH]),
];

/// The width that every page must fit into. WCAG 2.1 requires that pages fit into a window of
/// 1280 px at a zoom of 400 %, which leaves 320 px.
const NARROW_WIDTH: u32 = 320;

/// A JavaScript expression that returns a problem if the page is wider than the window.
const WIDTH: &str = "(page => page.scrollWidth <= page.clientWidth ? [] :
    [`${page.scrollWidth} px wide, wider than the window`])(document.documentElement)";

/// A JavaScript function that takes the problems found so far, adds the violations of WCAG 2.1
/// (levels A and AA), and returns the list.
const VIOLATIONS: &str = "known =>
    axe.run(document, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'],
        resultTypes: ['violations'],
    }).then(found =>
        known.concat(found.violations.flatMap(({ id, nodes }) =>
            nodes.map(node => `${id}: ${node.html}: ${node.any.map(check => check.message)}`))))";

/// A JavaScript function that returns the requests to other hosts. If the size of the page together
/// with its resources is too large or unknown, also returns this size.
const REQUESTS: &str = "max => {
        const fetched = ['navigation', 'resource']
            .flatMap(kind => performance.getEntriesByType(kind));
        const foreign = fetched.filter(({ name }) => !name.startsWith(location.origin + '/'));
        const bytes = fetched.reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0);
        return foreign.map(({ name }) => `requests ${name}`)
            .concat(bytes > 0 && bytes < max ? [] : [`${bytes} bytes`]);
    }";
