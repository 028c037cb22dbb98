//! A chromedriver, and the one place where anybody waits for it: the stories do one thing after the other.

use std::{fmt::Display, path::Path};

use fantoccini::{Client, ClientBuilder, error::CmdError, wd::Capabilities};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::{
    runtime::{self, Runtime},
    time::timeout,
};

use super::{PATIENCE, supervised_program::SupervisedProgram};

/// A chromedriver with one browser. Both end when this is dropped.
pub(super) struct Driver {
    client: Client,
    runtime: Runtime,
    // Its folder has the profile of the browser.
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

    /// Does something in the browser, and gives what came of it.
    pub(super) fn run<T>(&self, step: impl AsyncFnOnce(&Client) -> Result<T, CmdError>) -> T {
        wait_for(&self.runtime, step(&self.client))
    }
}

impl Drop for Driver {
    /// Ends the session, whatever became of the test. Should that take too long, the program is killed with all that it has
    /// started.
    fn drop(&mut self) {
        let end = self.client.clone().close();
        let _ = self
            .runtime
            .block_on(async { timeout(PATIENCE, end).await });
    }
}

fn wait_for<T, E: Display>(runtime: &Runtime, answer: impl Future<Output = Result<T, E>>) -> T {
    // A few commands, and the driver itself gives up on each after one time this.
    let answer = runtime.block_on(async { timeout(PATIENCE * 4, answer).await });
    let answer = answer.expect("chromedriver answers in time");
    answer.unwrap_or_else(|error| panic!("{error}"))
}
