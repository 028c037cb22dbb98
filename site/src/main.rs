//! The `locallibrary` program: reads the settings, builds the site and serves it until a signal
//! stops it.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use locallibrary::{Application, Config, cli, logs, shutdown};

fn main() -> ExitCode {
    let config = Config::parse();
    logs::init(config.log_format);

    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("starting LocalLibrary: starting the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(run(config))
}

async fn run(config: Config) -> ExitCode {
    if let Some(command) = &config.command {
        return match cli::run(&config, command).await {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    // Listen for signals before the start: a signal that arrives during the start then stops the
    // site gracefully.
    let stop = shutdown::signal_received();
    match Application::build(config).await {
        Ok(application) => {
            // If standard output is closed, serve anyway.
            let _ = writeln!(io::stdout(), "{}", application.startup_message());
            application.serve(stop).await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("starting LocalLibrary: {error}");
            ExitCode::FAILURE
        }
    }
}
