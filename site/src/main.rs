//! The `locallibrary` program: reads the settings, builds the site, serves it until it is told to stop.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use clap::Parser;
use locallibrary::{Application, Config, cli, shutdown};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let config = Config::parse();
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .init();

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
            Ok(words) => {
                println!("{words}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    // Listened for from here on, so that a signal during the start is not lost either.
    let stop = shutdown::signalled();
    match Application::build(config).await {
        Ok(application) => {
            // Whoever started the site need not listen any more.
            let _ = writeln!(io::stdout(), "{}", application.greeting());
            application.serve(stop).await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("starting LocalLibrary: {error}");
            ExitCode::FAILURE
        }
    }
}
