"""What is known not to hold, and why: the only checks that may be red.

An entry that turns out to hold after all makes the run fail, too, so that this table stays true; `races` lists what
depends on the moment and may come out either way. `first` and `second` are what the peers call themselves: the one
that acts first in a check, and the one that answers to it.
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
    # Faults of Django.
    Difference(
        check="overlapping_increments_all_land",
        first="django",
        races=True,
        reason="Django saves the whole session as it was read: the last one wins",
    ),
    Difference(
        check="a_slow_increment_keeps_a_faster_one_of_the_other",
        second="django",
        races=True,
        reason="Django saves the whole session as it was read, over whatever came meanwhile",
    ),
    Difference(
        check="a_cookie_that_browsers_would_drop_is_an_error",
        first="django",
        reason="Django sends signed cookies of any size, and the browser drops them without a word",
    ),
    # Where Cloakroom differs on purpose.
    Difference(
        check="an_unknown_key_that_was_read_is_removed",
        place="signed_cookies",
        first="cloakroom",
        reason="a cookie that nobody signed is removed, where Django signs an empty session in its place",
    ),
]


def known(place: str, check: str, first: str, second: str) -> Difference | None:
    for entry in DIFFERENCES:
        asked = [(place, entry.place), (check, entry.check), (first, entry.first), (second, entry.second)]
        if all(fnmatchcase(name, pattern) for name, pattern in asked):
            return entry
    return None
