use std::fmt;

/// The reason why the site did not start or a subcommand failed, in one line: what the program was
/// doing, what went wrong, and what to do about it.
///
/// The line is printed to the person who started the program, so it includes the text of the cause.
#[derive(Debug)]
pub struct StartError {
    doing: String,
    problem: String,
    advice: &'static str,
}

impl StartError {
    pub(crate) fn new(
        doing: impl Into<String>,
        problem: impl fmt::Display,
        advice: &'static str,
    ) -> Self {
        Self {
            doing: doing.into(),
            problem: problem.to_string(),
            advice,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.doing, self.problem, self.advice)
    }
}

impl std::error::Error for StartError {}
