//! The `locallibrary` program: reads the settings, builds the site, serves it until it is told to stop.

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
    let stop = shutdown::signal_received();
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
