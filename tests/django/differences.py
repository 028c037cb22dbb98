"""Known differences: the only checks that may fail, with the reason.

If the check of an entry passes, the run fails, so that this table stays accurate. In an entry with
`races=True`, the result depends on timing, and the check may pass or fail. `first` matches the name
of the peer that acts first in a check, and `second` matches the name of the other peer.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Difference:
    check: str
    reason: str
    place: str = "*"
    first: str = "*"
    second: str = "*"
    races: bool = False


DIFFERENCES = [
    # Defects of Django.
    Difference(
        check="no_overlapping_increment_is_lost",
        first="django",
        races=True,
        reason="Django saves the whole session as it was read, so the last save wins",
    ),
    Difference(
        check="a_slow_increment_keeps_a_faster_increment_of_the_other_peer",
        second="django",
        races=True,
        reason="Django saves the whole session as it was read, and overwrites a concurrent save",
    ),
    Difference(
        check="a_cookie_that_browsers_would_drop_is_an_error",
        first="django",
        reason="Django sends signed cookies of any size, and the browser drops them silently",
    ),
    # Where Cloakroom differs on purpose.
    Difference(
        check="an_unknown_key_that_was_read_is_removed",
        place="signed_cookies",
        first="cloakroom",
        reason="a forged cookie is removed; Django replaces it by a signed empty session",
    ),
    Difference(
        check="nan_and_infinity_survive",
        first="cloakroom",
        reason="NaN and infinity are refused when they are set; those that Django stored are kept",
    ),
    Difference(
        check="values_beyond_json_can_be_read",
        first="cloakroom",
        reason="NaN and infinity are refused when they are set; those that Django stored are kept",
    ),
]


def known(place: str, check: str, first: str, second: str) -> Difference | None:
    for entry in DIFFERENCES:
        asked = [
            (place, entry.place),
            (check, entry.check),
            (first, entry.first),
            (second, entry.second),
        ]
        if all(fnmatchcase(name, pattern) for name, pattern in asked):
            return entry
    return None
