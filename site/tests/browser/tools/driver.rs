//! A chromedriver with a blocking interface, because a test takes one step after another.

use std::{fmt::Display, path::Path};

use fantoccini::{Client, ClientBuilder, error::CmdError, wd::Capabilities};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::{
    runtime::{self, Runtime},
    time::timeout,
};

use super::{PATIENCE, supervised_program::SupervisedProgram};

/// A chromedriver with one browser. Both programs end when this value is dropped.
pub(super) struct Driver {
    client: Client,
    runtime: Runtime,
    // The chromedriver. The folder in which it runs contains the profile of the browser.
    _program: SupervisedProgram,
}

impl Driver {
    /// Starts a browser with an empty profile and these capabilities.
    pub(super) fn start(chromedriver: &Path, capabilities: Capabilities) -> Self {
        let program = SupervisedProgram::start(chromedriver, &["--port=0"]);
        let rest = program.rest_of_line("ChromeDriver was started successfully on port ");
        let address = format!("http://127.0.0.1:{}", rest.trim_end_matches('.'));
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let browser = builder.capabilities(capabilities).connect(&address);
        Self {
            client: wait_for(&runtime, browser),
            runtime,
            _program: program,
        }
    }

    /// Runs a step in the browser and returns its result.
    pub(super) fn run<T>(&self, step: impl AsyncFnOnce(&Client) -> Result<T, CmdError>) -> T {
        wait_for(&self.runtime, step(&self.client))
    }
}

impl Drop for Driver {
    /// Closes the browser, whether or not the test passed. If closing takes too long, the browser
    /// is killed together with chromedriver when `_program` is dropped.
    fn drop(&mut self) {
        let end = self.client.clone().close();
        let _ = self
            .runtime
            .block_on(async { timeout(PATIENCE, end).await });
    }
}

fn wait_for<T, E: Display>(runtime: &Runtime, answer: impl Future<Output = Result<T, E>>) -> T {
    // A step sends a few commands, and chromedriver lets each command fail after `PATIENCE`. So the
    // limit for a step is longer.
    let answer = runtime.block_on(async { timeout(PATIENCE * 4, answer).await });
    let answer = answer.expect("chromedriver answers in time");
    answer.unwrap_or_else(|error| panic!("{error}"))
}
