use clap::ValueEnum;

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For somebody who reads it.
    Human,
    /// One JSON object a line, for a program that collects them.
    Json,
}
