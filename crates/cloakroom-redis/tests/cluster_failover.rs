//! Tests failovers in a Cluster under load: the replica of a shard takes over from a primary that
//! still runs, or from one that was killed.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use cloakroom::store::Store;
use cloakroom::{Session, SessionKey, Sessions};
use cloakroom_harness::servers::ClusterReplicas;
use cloakroom_redis::DjangoCache;
use cloakroom_testkit::conformance::OnlyBytes;
use cloakroom_testkit::faults::FAILOVER_LIMIT;
use futures_util::future::join_all;
use support::{VISITS, ended, unique_prefix, visit_until_counted, visitor, with_prefix};
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_of_a_shard_loses_and_repeats_nothing() {
    let Some(mut cluster) = ClusterReplicas::start() else {
        return;
    };
    let mut sites = sites(&cluster, &unique_prefix()).await;

    // Afterwards, every session has moved to another node and back.
    for shard in (0..ClusterReplicas::SHARDS).chain(0..ClusterReplicas::SHARDS) {
        let ended = wait_until_served(&mut sites).await;

        cluster.swap_roles(shard);

        assert_recovered(&mut sites, &ended).await;
    }
    for site in sites {
        site.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_whose_primary_was_killed_loses_and_repeats_nothing() {
    let Some(mut cluster) = ClusterReplicas::start() else {
        return;
    };
    let prefix = unique_prefix();
    let mut sites = sites(&cluster, &prefix).await;

    // Afterwards, every session has lost its primary once.
    for shard in 0..ClusterReplicas::SHARDS {
        let ended = wait_until_served(&mut sites).await;

        cluster.kill_primary(shard);
        cluster.wait_until_promoted(shard);

        assert_recovered(&mut sites, &ended).await;
    }
    // The URL of a process that starts now still names the killed nodes.
    let late = with_prefix(cluster.url(), &prefix).await;
    sites[0].processes.push(process(late));
    for site in sites {
        site.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_whose_primary_was_suspended_loses_and_repeats_nothing() {
    let Some(mut cluster) = ClusterReplicas::start() else {
        return;
    };
    let mut sites = sites(&cluster, &unique_prefix()).await;
    let ended = wait_until_served(&mut sites).await;

    // The connections to the suspended primary stay open, but it answers nothing.
    cluster.suspend_primary(0);
    cluster.wait_until_promoted(0);

    assert_recovered(&mut sites, &ended).await;
    for site in sites {
        site.finish().await;
    }
}

/// Starts two sites. The first uses `RedisStore` in two processes, which share the sessions. The
/// second uses `DjangoCache` in one process.
async fn sites(cluster: &ClusterReplicas, prefix: &str) -> [Site; 2] {
    let open = async || process(with_prefix(cluster.url(), prefix).await);
    let cache = DjangoCache::builder(cluster.url()).key_prefix(prefix);
    let cache = OnlyBytes::new(cache.connect().await.unwrap());
    [
        Site::start(vec![open().await, open().await]).await,
        Site::start(vec![process(cache)]).await,
    ]
}

fn process(store: impl Store) -> Sessions {
    let sessions = Sessions::builder(store).timeout(CALL_TIMEOUT);
    sessions.build().unwrap()
}

/// Waits until all visitors are served. Returns the keys of ended sessions of each site.
async fn wait_until_served(sites: &mut [Site]) -> Vec<Vec<SessionKey>> {
    let mut all = Vec::new();
    for site in sites {
        site.wait_until_served().await;
        all.push(join_all((0..SESSIONS).map(|_| ended(&site.processes[0]))).await);
    }
    all
}

/// Asserts that all visitors are served within the time limit for a failover, and that no ended
/// session is valid again.
async fn assert_recovered(sites: &mut [Site], ended: &[Vec<SessionKey>]) {
    let why = "requests succeed soon after a failover";
    let served = sites.iter_mut().map(Site::wait_until_served);
    timeout(FAILOVER_LIMIT, join_all(served)).await.expect(why);

    let opened = sites.iter().zip(ended).flat_map(|(site, ended)| {
        let processes = site.processes.iter();
        processes.flat_map(|process| ended.iter().map(|key| open(process, key)))
    });
    // A process that did not need the failed node before notices the failure only now.
    let opened = timeout(FAILOVER_LIMIT, join_all(opened)).await.expect(why);
    let valid = opened.iter().flatten().count();
    assert_eq!(valid, 0, "a logged-out session is valid again");
}

/// Opens a session, if necessary with several tries.
async fn open(process: &Sessions, key: &SessionKey) -> Option<Session> {
    loop {
        match process.open(key).await {
            Ok(found) => return found,
            Err(error) => assert_eq!(error.kind().status(), 503, "{error:?}"),
        }
    }
}

/// A site under load: visitors who send requests without a pause. Each session is used by one
/// visitor of each process. Each request increments the count of visits in its session.
struct Site {
    processes: Vec<Sessions>,
    sessions: Vec<Counted>,
    is_over: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

/// A session and its visitors, one of each process.
struct Counted {
    key: SessionKey,
    visitors: Vec<Arc<Visitor>>,
}

#[derive(Default)]
struct Visitor {
    /// How many visits were acknowledged.
    acknowledged: AtomicU64,
    /// How many visits may or may not have been counted, because their save failed.
    unknown: AtomicU64,
}

impl Site {
    async fn start(processes: Vec<Sessions>) -> Self {
        let mut site = Self {
            processes,
            sessions: Vec::new(),
            is_over: Arc::default(),
            tasks: JoinSet::new(),
        };
        for _ in 0..SESSIONS {
            let key = visitor(&site.processes[0]).await;
            let mut visitors = Vec::new();
            for process in &site.processes {
                let visitor = Arc::<Visitor>::default();
                visitors.push(Arc::clone(&visitor));
                let (process, key) = (process.clone(), key.clone());
                let is_over = Arc::clone(&site.is_over);
                site.tasks.spawn(async move {
                    while !is_over.load(SeqCst) {
                        let (_, unknown) = visit_until_counted(&process, &key).await;
                        visitor.acknowledged.fetch_add(1, SeqCst);
                        visitor.unknown.fetch_add(unknown, SeqCst);
                    }
                });
            }
            site.sessions.push(Counted { key, visitors });
        }
        site
    }

    /// Waits until a few more visits of every visitor have been counted.
    async fn wait_until_served(&mut self) {
        let acknowledged = |sessions: &[Counted]| -> Vec<u64> {
            let visitors = sessions.iter().flat_map(|session| &session.visitors);
            visitors
                .map(|visitor| visitor.acknowledged.load(SeqCst))
                .collect()
        };
        let before = acknowledged(&self.sessions);
        while acknowledged(&self.sessions)
            .iter()
            .zip(&before)
            .any(|(now, before)| *now < before + MORE_VISITS)
        {
            if let Some(ended) = self.tasks.try_join_next() {
                panic!("a visitor has ended: {ended:?}");
            }
            yield_now().await;
        }
    }

    /// Stops the visitors, and asserts that each acknowledged visit was counted and none twice.
    async fn finish(self) {
        self.is_over.store(true, SeqCst);
        self.tasks.join_all().await;
        for Counted { key, visitors } in &self.sessions {
            let sum = |count: fn(&Visitor) -> &AtomicU64| -> u64 {
                visitors.iter().map(|it| count(it).load(SeqCst)).sum()
            };
            let acknowledged = sum(|visitor| &visitor.acknowledged);
            let unknown = sum(|visitor| &visitor.unknown);
            for process in &self.processes {
                let session = open(process, key).await;
                let session = session.expect("the session was not ended");
                let visits = session.get(VISITS).unwrap().unwrap();
                assert!(
                    (acknowledged..=acknowledged + unknown).contains(&visits),
                    "{visits} visits are counted, but {acknowledged} were acknowledged, and \
                     {unknown} failed visits may be among them"
                );
            }
        }
    }
}

/// With so many sessions, most likely every shard has at least one.
const SESSIONS: usize = 9;

/// How many more visits of a visitor must be counted before the test regards the visitor as served.
const MORE_VISITS: u64 = 5;

/// The time limit of a store call. Shorter than the default, so that the tests take less time.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
