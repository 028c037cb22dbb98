use std::fmt;

/// Why the site did not start, in one line: what it was doing, what went wrong, what to do about it.
///
/// It is made to be read by whoever started the program, so the text of the cause is part of the line.
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
