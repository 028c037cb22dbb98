use std::io;
use std::process::Command;

/// A user with few rights.
pub(super) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// Whom to run a server as when root runs the tests, because servers refuse to run as root, or should: the user that
    /// the server's package has made, or else `nobody`. Nobody else can choose.
    pub(super) fn for_server(name: &str) -> io::Result<Option<Self>> {
        if id(&["-u"])? != ROOT {
            return Ok(None);
        }
        Self::named(name)
            .or_else(|_| Self::named("nobody"))
            .map(Some)
    }

    fn named(name: &str) -> io::Result<Self> {
        Ok(Self {
            uid: id(&["-u", name])?,
            gid: id(&["-g", name])?,
        })
    }

    /// In the words of `chown`.
    pub(super) fn owner(&self) -> String {
        format!("{}:{}", self.uid, self.gid)
    }

    /// In the words of `setpriv`.
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
