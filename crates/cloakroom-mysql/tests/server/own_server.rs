//! A MariaDB with options that can be set only when the server starts.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use cloakroom_harness::servers;
use cloakroom_testkit::{reusable_port, unique_name};
use mysql_async::Conn;

/// A server with its own folder, for one test. Stops when this value is dropped.
pub(crate) struct OwnServer {
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl OwnServer {
    /// Starts a server with these options, which has an empty database `cloakroom`. Returns `None`
    /// if the tests run without MariaDB or its programs are not installed.
    pub(crate) async fn start(options: &[&str]) -> Option<Self> {
        servers::mariadb()?;
        let folder = env::temp_dir().join(format!("cloakroom-{}", unique_name()));
        let data = folder.join("data");
        fs::create_dir_all(data.join("cloakroom")).unwrap();
        let prepared = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--skip-test-db"])
            .arg("--auth-root-authentication-method=normal")
            .args(user())
            .arg(format!("--datadir={}", data.display()))
            .output();
        let Ok(prepared) = prepared else {
            eprintln!("not run: `mariadb-install-db` is not installed");
            fs::remove_dir_all(folder).unwrap();
            return None;
        };
        assert!(prepared.status.success(), "{prepared:?}");
        let port = reusable_port().unwrap().local_addr().unwrap().port();
        let process = spawn(&folder, port, options);
        let mut server = Self {
            folder,
            port,
            process,
        };
        server.wait_until_ready().await;
        Some(server)
    }

    /// Stops the server, and starts it again with other options on the same data.
    pub(crate) async fn restart(&mut self, options: &[&str]) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        self.process.wait().unwrap();
        self.process = spawn(&self.folder, self.port, options);
        self.wait_until_ready().await;
    }

    /// Returns the URL with which the administrator logs in.
    pub(crate) fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/cloakroom", self.port)
    }

    async fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Conn::from_url(self.url()).await.is_err() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(self.process.try_wait().unwrap().is_none(), "{log}");
            assert!(Instant::now() < deadline, "{log}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(folder: &Path, port: u16, options: &[&str]) -> Child {
    let log = fs::File::create(folder.join("log")).unwrap();
    let program = ["/usr/sbin/mariadbd", "/usr/libexec/mariadbd"]
        .into_iter()
        .find(|program| Path::new(program).exists())
        .unwrap_or("mariadbd");
    // The kernel ends the server if the test ends without dropping it.
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", program, "--no-defaults"])
        .args(user())
        .arg("--bind-address=127.0.0.1")
        .args(["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=8M"])
        .arg(format!("--datadir={}", folder.join("data").display()))
        .arg(format!("--socket={}", folder.join("socket").display()))
        .arg(format!("--port={port}"))
        .args(options)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Returns the option with which root may run the server.
fn user() -> Option<&'static str> {
    let uid = fs::metadata("/proc/self").unwrap().uid();
    (uid == 0).then_some("--user=root")
}
