use std::{path::PathBuf, str::FromStr};

/// Where mails go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailTo {
    /// To whoever reads the output of the program.
    Stdout,
    /// To a folder, one text file for each.
    Folder(PathBuf),
}

impl FromStr for MailTo {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "stdout" => Ok(Self::Stdout),
            Some(("file", folder)) if !folder.is_empty() => Ok(Self::Folder(folder.into())),
            _ => Err("mails go to `stdout` or to `file:FOLDER`"),
        }
    }
}
