//! The engine `file`: the files in the folder and their permissions.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use cloakroom::{Clock, ErrorKind, Expiry, Session, Sessions};
use cloakroom_django::Settings;
use cloakroom_file::django;
use cloakroom_testkit::HandClock;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::promises::Visitor;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_parallel_increment_through_two_servers_is_lost() {
    let folder = Folder::new();
    let (one, other) = (folder.sessions(), folder.sessions());
    let mut guest = Visitor::of(&one);
    guest.visit(|session| session.set("n", 0)).await.unwrap();

    let mut requests = JoinSet::new();
    for sessions in [&one, &other] {
        for _ in 0..50 {
            let mut visitor = guest.at(sessions);
            requests.spawn(async move { visitor.visit(increment).await.unwrap() });
        }
    }
    requests.join_all().await;

    assert_eq!(guest.reads("n").await, Some(100));
    assert_eq!(folder.names(), [format!("sessionid{}", guest.key())]);
}

#[tokio::test]
async fn a_session_is_one_file_that_no_other_unix_user_may_read() {
    let folder = Folder::new();
    let mut guest = Visitor::of(&folder.sessions());
    guest.visit(increment).await.unwrap();
    let before = guest.key().to_owned();

    guest.visit(Session::cycle_key).await.unwrap();
    assert_ne!(guest.key(), before);
    assert_eq!(folder.names(), [format!("sessionid{}", guest.key())]);
    for file in fs::read_dir(folder.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(
            mode & 0o777,
            0o600,
            "the mode of every file, also of the lock file"
        );
    }

    guest.visit(Session::flush).await.unwrap();
    assert_eq!(folder.names(), [""; 0]);
}

#[tokio::test]
async fn hostile_keys_never_reach_the_file_system() {
    let outside = tempfile::tempdir().unwrap();
    let folder = Folder::new();
    let mut real = Visitor::of(&folder.sessions());
    real.visit(increment).await.unwrap();
    fs::copy(
        folder.path().join(format!("sessionid{}", real.key())),
        outside.path().join("abcdefgh"),
    )
    .unwrap();
    let up = format!("/../../{}/abcdefgh", outside.path().display());
    let null = format!("{}\\000", real.key());
    let long = "a".repeat(5_000);
    let upper = real.key().to_uppercase();
    for key in [
        &up,
        "../../../../etc/passwd",
        &null,
        &long,
        &upper,
        "........",
    ] {
        let mut guest = Visitor::with(&folder.sessions(), &format!("\"{key}\""));
        assert_eq!(guest.reads("n").await, None, "{key:.60}");
        guest.visit(increment).await.unwrap();
        guest.visit(Session::flush).await.unwrap();
    }

    assert_eq!(folder.names(), [format!("sessionid{}", real.key())]);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_symbolic_link_is_not_followed() {
    let folder = Folder::new();
    let mut real = Visitor::of(&folder.sessions());
    real.visit(increment).await.unwrap();
    let file = folder.path().join(format!("sessionid{}", real.key()));
    symlink(&file, folder.path().join("sessionidabcdefgh")).unwrap();
    let mut guest = Visitor::with(&folder.sessions(), "abcdefgh");

    assert_eq!(guest.reads("n").await, None);
    guest.visit(increment).await.unwrap();

    assert_ne!(guest.key(), "abcdefgh");
    assert_eq!(real.reads("n").await, Some(1));
}

#[tokio::test]
async fn an_expired_file_is_deleted_when_it_is_read() {
    let folder = Folder::new();
    let mut guest = Visitor::of(&folder.sessions());
    guest.visit(increment).await.unwrap();

    // In Django, a session with less than a second left has ended.
    folder.clock.advance(TWO_WEEKS - Duration::from_secs(1));
    assert_eq!(guest.reads("n").await, Some(1));
    folder.clock.advance(Duration::from_millis(1));
    assert_eq!(guest.reads("n").await, None);

    assert_eq!(folder.names(), [""; 0]);
}

#[tokio::test]
async fn every_touch_updates_the_time_of_the_file() {
    let folder = Folder::new();
    let settings = folder.settings().session_save_every_request(true);
    let every = settings.sessions(django::open(&settings, folder.path()).unwrap());
    let mut guest = Visitor::of(&every.clock(folder.clock.clone()).build().unwrap());
    guest.visit(increment).await.unwrap();

    for _ in 0..20 {
        folder.clock.advance(Duration::from_secs(24 * 60 * 60));
        let handle = guest.request();
        guest.finish(&handle).await.unwrap();
    }

    assert_eq!(guest.reads("n").await, Some(1));
}

#[tokio::test]
async fn a_sweep_deletes_only_expired_files() {
    let folder = Folder::new();
    let sessions = folder.sessions();
    let mut old = Visitor::of(&sessions);
    old.visit(increment).await.unwrap();
    let mut lasting = Visitor::of(&sessions);
    let minute = Expiry::Idle(Duration::from_secs(60));
    lasting.visit(increment).await.unwrap();
    lasting
        .visit(move |session| session.set_expiry(minute))
        .await
        .unwrap();
    let mut ended = Visitor::of(&sessions);
    ended.visit(increment).await.unwrap();
    let at = Expiry::At(folder.clock.now() + Duration::from_secs(60));
    ended
        .visit(move |session| session.set_expiry(at))
        .await
        .unwrap();
    for other in [
        "sessionid",
        "sessionidplaceholder",
        "sessionidx_out_12345678",
        "other",
    ] {
        fs::write(folder.path().join(other), "").unwrap();
    }

    folder.clock.advance(Duration::from_secs(61));
    assert_eq!(sessions.sweep(100).await.unwrap(), 1);
    folder.clock.advance(TWO_WEEKS);
    assert_eq!(sessions.sweep(100).await.unwrap(), 1);

    assert_eq!(
        lasting.reads("n").await,
        Some(1),
        "a session whose expiry is a number of seconds never ends, as in Django"
    );
    assert_eq!(folder.names().len(), 4);
    assert!(folder.path().join("other").exists());
}

#[tokio::test]
async fn an_empty_or_garbled_file_is_read_as_an_empty_session() {
    let folder = Folder::new();
    fs::write(folder.path().join("sessionidplaceholder"), "").unwrap();
    fs::write(folder.path().join("sessionidgarbledfile"), b"\xff\xfe:a:b").unwrap();
    for key in ["placeholder", "garbledfile"] {
        let mut guest = Visitor::with(&folder.sessions(), key);
        // The file has the real time, so set the clock to it.
        folder.clock.set(std::time::SystemTime::now());
        assert_eq!(guest.reads("n").await, None);
        guest.visit(increment).await.unwrap();
        assert_eq!(guest.key(), key);
        assert_eq!(guest.reads("n").await, Some(1));
    }
}

#[test]
fn the_folder_must_exist_and_the_cookie_name_must_be_a_file_name() {
    let folder = Folder::new();
    let settings = folder.settings();
    let error = django::open(&settings, folder.path().join("gone")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error
            .to_string()
            .contains("there is no such folder; create it"),
        "{error}"
    );
    fs::write(folder.path().join("file"), "").unwrap();
    let error = django::open(&settings, folder.path().join("file")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let up = settings.session_cookie_name("../up");
    let error = django::open(&up, folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

fn increment(session: &Session) -> cloakroom::Result<()> {
    session.update("n", |n: &mut u64| *n += 1).map(drop)
}

struct Folder {
    folder: TempDir,
    clock: HandClock,
}

impl Folder {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: HandClock::new(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn settings(&self) -> Settings {
        Settings::new("the-secret-key-of-a-test").unwrap()
    }

    /// Returns the `Sessions` of a new server on this folder.
    fn sessions(&self) -> Sessions {
        let settings = self.settings();
        let sessions = settings.sessions(django::open(&settings, self.path()).unwrap());
        sessions.clock(self.clock.clone()).build().unwrap()
    }

    /// Lists the files that Django's `clearsessions` would check.
    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(self.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.starts_with("sessionid")).collect();
        names.sort();
        names
    }
}

const TWO_WEEKS: Duration = Duration::from_secs(14 * 24 * 60 * 60);
