"""Runs the checks on a Django and a Rust service with Cloakroom that share a store.

drive.py                          Django and target/debug/django_peer
drive.py --b DJANGO               Django and Django
drive.py --only 'increments*'     only these checks
drive.py --at 'db/*'              only these places: engines, databases and caches
"""

import argparse
import os
import secrets
import shlex
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path

from checks import CHECKS, Check, Failed, Pair, patience
from client import Peer
from differences import known
from places import Places

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or HERE.parent.parent / "target").resolve()
DJANGO = shlex.join([sys.executable, str(HERE / "peer/serve.py")])
CLOAKROOM = shlex.quote(str(TARGET / "debug/django_peer"))

# How many places are checked at once. Three need little processor time, because the checks mostly
# wait for slow requests and for sessions to expire.
AT_ONCE = 3


@dataclass(frozen=True)
class Place:
    """Where sessions and users are stored."""

    engine: str
    database: str = "sqlite"
    cache: str = ""
    # Whether cache keys have Django's default prefix and version.
    plain_keys: bool = False

    @property
    def name(self) -> str:
        parts = {
            "db": [self.database],
            "cache": [self.cache],
            "cached_db": [self.database, self.cache],
        }
        return "/".join([self.engine, *parts.get(self.engine, [])])


# Every engine, every database and every cache, but not every combination for cached_db: its rows
# are the same as those of db, and its cache entries the same as those of cache. An engine without a
# database keeps its users in SQLite.
PLACES = [
    Place("db", "sqlite"),
    Place("db", "postgres"),
    Place("db", "mysql"),
    Place("cache", cache="redis", plain_keys=True),
    Place("cache", cache="memcached"),
    Place("cached_db", "postgres", "redis"),
    Place("cached_db", "mysql", "memcached"),
    Place("file"),
    Place("signed_cookies"),
]

# The settings of checks that do not use the defaults.
EXTRAS = {
    "short": '{"SESSION_COOKIE_AGE": 1}',
    "close": '{"SESSION_EXPIRE_AT_BROWSER_CLOSE": true}',
    "attributes": """{"SESSION_COOKIE_NAME": "cloak", "SESSION_COOKIE_AGE": 4000,
        "SESSION_COOKIE_PATH": "/shop", "SESSION_COOKIE_DOMAIN": "example.org",
        "SESSION_COOKIE_SECURE": true, "SESSION_COOKIE_HTTPONLY": false,
        "SESSION_COOKIE_SAMESITE": "Strict", "SESSION_SAVE_EVERY_REQUEST": true}""",
    # Only the secret key is new. The old key is a fallback; see `Run.run`.
    "rotated": "{}",
}
# These settings only change cookies, which are the same at every place.
ONE_PLACE_EXTRAS = ("close", "attributes")


class Run:
    def __init__(self, arguments: argparse.Namespace, places: Places):
        self.arguments = arguments
        self.places = places
        self.secret = secrets.token_hex(32)
        self.users = count(1)
        self.printing = threading.Lock()
        self.counts = {"passed": 0, "failed": 0, "known": 0}

    def prepare(self, place: Place) -> dict[str, str]:
        """Returns the environment of both peers at this place."""
        environment = {
            "DB_URL": self.places.url(place.database),
            "SECRET_KEY": self.secret,
            "SESSION_ENGINE": f"django.contrib.sessions.backends.{place.engine}",
            "SESSION_FILE_PATH": self.places.files(),
            "TZ": "UTC",
        }
        if place.cache:
            environment["CACHE_URL"] = self.places.url(place.cache)
        if place.cache and not place.plain_keys:
            environment |= {
                "CACHE_KEY_PREFIX": f"{self.places.name}-{place.engine}",
                "CACHE_VERSION": "7",
            }
        return environment

    def checks(self, place: Place) -> list[tuple[str | None, Check]]:
        first_of_engine = place is next(p for p in PLACES if p.engine == place.engine)
        wanted = [
            check
            for check in CHECKS
            if place.engine in check.engines
            and (first_of_engine or not check.once)
            and (check.extra not in ONE_PLACE_EXTRAS or place is PLACES[0])
            and fnmatchcase(check.name, self.arguments.only)
        ]
        return sorted(((check.extra, check) for check in wanted), key=lambda pair: pair[0] or "")

    def run(self, place: Place, environment: dict[str, str]) -> None:
        peers: list[Peer] = []
        try:
            plain = self.start(place, "plain", environment, peers)
            pairs = {None: plain}
            for extra, check in self.checks(place):
                if extra not in pairs:
                    more = {"SETTINGS_JSON": EXTRAS[extra]}
                    if extra == "rotated":
                        more |= {
                            "SECRET_KEY": secrets.token_hex(32),
                            "SECRET_KEY_FALLBACKS": f'["{self.secret}"]',
                        }
                    pairs[extra] = self.start(place, extra, environment | more, peers)
                for turn, order in enumerate((slice(None), slice(None, None, -1))):
                    first, second = pairs[extra][order]
                    if check.first not in (None, first.impl):
                        continue
                    before = Pair(place.engine, *plain[order], None, self.users, turn)
                    self.judge(
                        place, check, Pair(place.engine, first, second, before, self.users, turn)
                    )
        except Exception as error:
            self.say("failed", f"FAIL  {place.name}: {error!r}")
        finally:
            for peer in peers:
                peer.stop()
                if self.arguments.logs:
                    print(f"---- {peer.log.stem}\n{peer.tail()}", flush=True)

    def start(
        self, place: Place, extra: str, environment: dict[str, str], peers: list[Peer]
    ) -> list[Peer]:
        pair = []
        for letter in "ab":
            log = self.places.folder / f"{place.name.replace('/', '-')}-{extra}-{letter}.log"
            peer = Peer(getattr(self.arguments, letter), environment, log)
            peers.append(peer)
            pair.append(peer)
        return pair

    def judge(self, place: Place, check: Check, pair: Pair) -> None:
        first, second = pair.first.impl, pair.second.impl
        order = "a, b" if pair.turn == 0 else "b, a"
        line = f"{place.name}: {check.name} ({order}: {first}, {second})"
        difference = known(place.name, check.name, first, second)
        try:
            check.run(pair)
        except Exception as error:
            failure = str(error) if isinstance(error, Failed) else repr(error)
        else:
            failure = None
        if failure is None and difference and not difference.races:
            self.say("failed", f"FAIL  {line}: passes, but differences.py lists it as failing")
        elif failure is None:
            self.say("passed", f"ok    {line}")
        elif difference:
            self.say("known", f"known {line}: {failure}; {difference.reason}")
        else:
            self.say("failed", f"FAIL  {line}: {failure}")

    def say(self, count: str, line: str) -> None:
        with self.printing:
            self.counts[count] += 1
            print(line.encode("ascii", "backslashreplace").decode(), flush=True)


def main() -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--a", default=DJANGO, help="the command of one peer (default: Django)")
    arguments.add_argument(
        "--b", default=CLOAKROOM, help="the command of the other peer (default: Cloakroom)"
    )
    arguments.add_argument("--only", default="*", help="the checks to run")
    arguments.add_argument("--at", default="*", help="the places to run them at")
    arguments.add_argument("--logs", action="store_true", help="show how the logs of the peers end")
    arguments.add_argument(
        "--patience", type=float, default=30, help="seconds that a session may take to expire"
    )
    arguments = arguments.parse_args()
    patience["secs"] = arguments.patience
    for letter in "ab":
        command = getattr(arguments, letter)
        setattr(
            arguments,
            letter,
            command.replace("DJANGO", DJANGO, 1) if command.startswith("DJANGO") else command,
        )

    began = time.monotonic()
    with Places() as places:
        run = Run(arguments, places)
        chosen = [place for place in PLACES if fnmatchcase(place.name, arguments.at)]
        able = []
        for place in chosen:
            missing = places.missing(place.database, place.cache)
            if missing is None:
                able.append(place)
            elif missing[1]:
                run.say("failed", f"FAIL  {place.name}: {missing[0]}")
            else:
                print(f"not run: {place.name}: {missing[0]}")
        for database in sorted({place.database for place in able}):
            environment = os.environ | {"DB_URL": places.url(database), "SECRET_KEY": run.secret}
            subprocess.run([sys.executable, HERE / "peer/prepare.py"], env=environment, check=True)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(run.run, able, [run.prepare(place) for place in able]))

    print(
        f"\n{run.counts['passed']} passed, {run.counts['failed']} failed, "
        f"{run.counts['known']} known differences, "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if run.counts["failed"] or not run.counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
