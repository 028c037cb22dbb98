use std::io;
use std::process::Command;

/// An unprivileged user that a server runs as.
pub(super) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// If root runs the tests, returns the user that the server runs as: the user `name`, which the
    /// server's package creates, or else the system's unprivileged user. Returns `None` if another
    /// user runs the tests, because the server then runs as that user.
    pub(super) fn for_server(name: &str) -> io::Result<Option<Self>> {
        if id(&["-u"])? != ROOT {
            return Ok(None);
        }
        Self::named(name)
            .or_else(|_| Self::named(UNPRIVILEGED))
            .map(Some)
    }

    fn named(name: &str) -> io::Result<Self> {
        Ok(Self {
            uid: id(&["-u", name])?,
            gid: id(&["-g", name])?,
        })
    }

    /// Returns the argument for `chown`.
    pub(super) fn owner(&self) -> String {
        format!("{}:{}", self.uid, self.gid)
    }

    /// Returns the arguments for `setpriv`.
    pub(super) fn setpriv(&self) -> [String; 3] {
        let (uid, gid) = (self.uid, self.gid);
        [
            format!("--reuid={uid}"),
            format!("--regid={gid}"),
            "--clear-groups".to_owned(),
        ]
    }
}

fn id(arguments: &[&str]) -> io::Result<u32> {
    let output = Command::new("id").args(arguments).output()?;
    let number = String::from_utf8_lossy(&output.stdout).trim().parse();
    number.map_err(|_| io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

const ROOT: u32 = 0;

const UNPRIVILEGED: &str = "nobody";
