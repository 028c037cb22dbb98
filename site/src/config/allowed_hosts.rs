use super::base_url::{BaseUrl, host_of};

/// The names by which a machine reaches itself. They are always allowed, because a browser that
/// uses one of them runs on this machine.
const OWN: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The host names under which the site answers.
#[derive(Debug)]
pub(crate) struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    pub(crate) fn new(base_url: &BaseUrl, more: &[String]) -> Self {
        let more = more.iter().map(|host| host.trim().to_ascii_lowercase());
        let own = OWN.into_iter().map(str::to_owned);
        Self(
            own.chain([base_url.host().to_owned()])
                .chain(more)
                .collect(),
        )
    }

    pub(crate) fn contains(&self, authority: &str) -> bool {
        let host = host_of(authority);
        self.0
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host))
    }
}
