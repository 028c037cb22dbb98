use cloakroom::store::{Meta, millis};

/// For how many seconds the server is to keep a session, counted as Django counts: whole ones, and none is dead at once.
pub(crate) fn of(meta: &Meta) -> i64 {
    let left = millis(meta.expires) - millis(meta.touched);
    left.div_euclid(1_000).max(0)
}

#[cfg(test)]
mod tests {
    use cloakroom::store::from_millis;

    use super::*;

    #[test]
    fn a_session_is_kept_for_the_whole_seconds_that_it_has_left() {
        let ttl = |expires| {
            of(&Meta {
                created: from_millis(0),
                touched: from_millis(1_764_000_000_500),
                expires: from_millis(expires),
                owner: None,
                label: None,
            })
        };

        assert_eq!(ttl(1_764_000_010_500), 10);
        assert_eq!(ttl(1_764_000_010_499), 9);
        assert_eq!(ttl(1_764_000_001_499), 0);
        assert_eq!(ttl(1_764_000_000_500), 0);
        assert_eq!(ttl(0), 0);
        assert_eq!(ttl(i64::MAX), 251_638_300_799, "the end of the year 9999");
    }
}
