"""The checks of two peers, for instance a Django and a Rust service, on one store.

Each check runs twice, so that each peer is the first peer once. If a check has a name in `first`,
the check runs only when the first peer has this name.
"""

import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import count

from client import Answer, Browser, Peer, at_once
from peer.prepare import ALGORITHMS, PASSWORD

ENGINES = ("db", "cache", "cached_db", "file", "signed_cookies")
SERVER_SIDE = ENGINES[:-1]
# How many seconds `until` waits. Set by `drive.py --patience`.
patience = {"secs": 30.0}
# Django's default for SESSION_COOKIE_AGE in seconds: two weeks.
AGE = 1209600


@dataclass
class Pair:
    """The parameter of a check: two peers and the engine that they share."""

    engine: str
    first: Peer
    second: Peer
    # The same peers with the default settings.
    plain: "Pair | None"
    # Numbers the new users.
    users: count
    # 0 in the first run of the check, and 1 in the second, with the peers swapped.
    turn: int

    @property
    def server_side(self) -> bool:
        return self.engine in SERVER_SIDE

    def user(self) -> str:
        """Returns the name of a user who has never logged in."""
        return f"user{next(self.users)}"

    def session_of(self, browser: Browser, name: str = "sessionid") -> str | None:
        return browser.cookies.get(name)


@dataclass
class Check:
    name: str
    run: Callable[[Pair], object]
    engines: tuple[str, ...]
    # Whether one place (a database, a cache) of each engine is enough for the check.
    once: bool
    # The name of the peers' settings in EXTRAS of drive.py, or None for the defaults.
    extra: str | None
    # The name of the peer that must be the first, or None if either peer can be the first.
    first: str | None


CHECKS: list[Check] = []


def check(
    engines: tuple[str, ...] = ENGINES,
    once: bool = False,
    extra: str | None = None,
    first: str | None = None,
):
    def add(run: Callable[[Pair], object]) -> Callable[[Pair], object]:
        CHECKS.append(Check(run.__name__, run, engines, once, extra, first))
        return run

    return add


class Failed(Exception):
    """A check has failed."""


def same(actual: object, wanted: object, what: str) -> None:
    """Compares JSON texts, which distinguish 1, 1.0 and True, and the order of members."""
    actual, wanted = json.dumps(actual), json.dumps(wanted)
    if actual != wanted:
        raise Failed(f"{what}: {actual[:300]} instead of {wanted[:300]}")


def true(condition: object, what: str) -> None:
    if not condition:
        raise Failed(what)


def ok(answer: Answer, status: int = 200) -> Answer:
    true(answer.status == status, f"the answer was {answer.status} instead of {status}")
    return answer


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + patience["secs"]
    while not condition():
        true(time.monotonic() < deadline, what)
        time.sleep(0.1)


def started(t: Pair, **items: object) -> Browser:
    """Returns a browser with a session that the first peer created."""
    browser = Browser()
    for key, value in (items or {"n": 0}).items():
        ok(browser.post(t.first, "/set", {"key": key, "value": value}))
    true(t.session_of(browser), "writing sets no cookie")
    return browser


def opens_nothing(t: Pair, browser: Browser, what: str) -> None:
    """Checks that neither peer finds a session for the cookie of this browser."""
    for peer in (t.first, t.second):
        same(browser.twin().items(peer), [], f"{what}, {peer.impl}")


# ---- Values


VALUES = {
    "zebra": "first in, first out",
    "text": 'plain, "quoted", back\\slash, /, <&>, \x7f, \x01, \n\t\r\b\f',
    "beyond ASCII": "\u00e9, \u20ac, \u2028, \U0001f9e5, \U0010ffff",
    "é \U0001f9e5 name": 1,
    "": "an empty name",
    "empty": [[], {}, "", None],
    "logic": [True, False, None],
    "whole": [0, 1, -1, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63)],
    "broken": [0.0, -0.0, 1.0, 0.1, -1.5e-7, 1e16, 1e22, 1.5e300, 5e-324, 1.7976931348623157e308],
    "nested": {"z": [{"y": {"x": [1, [2, [3]]]}, "a": 1}], "b": {"2": 1, "10": 2, "1": 3}},
    "apple": "last in",
}


@check()
def every_value_keeps_its_type_and_its_place(t: Pair):
    browser = started(t, **VALUES)
    wanted = [[key, value] for key, value in VALUES.items()]
    same(browser.items(t.second), wanted, "read by the other peer")
    ok(browser.post(t.second, "/set", {"key": "more", "value": []}))
    same(browser.items(t.first), [*wanted, ["more", []]], "rewritten by the other peer")


def rewritten(t: Pair, value: object) -> Browser:
    """Stores a value at the first peer, and checks it after the second peer saved the session."""
    browser = started(t, value=value)
    ok(browser.post(t.second, "/incr", {"key": "n"}))
    same(browser.item(t.first, "value"), value, "rewritten by the other peer")
    return browser


BEYOND_JSON = {
    "no numbers": [float("nan"), float("inf"), float("-inf")],
    "half pairs": ["\ud83d", "\udde5 \ud83d", "a\udfffb"],
}


@check()
def integers_of_any_size_survive(t: Pair):
    value = [2**63, 2**64, -(2**70), 10**40]
    same(rewritten(t, value).item(t.second, "value"), value, "read by the other peer")


@check()
def nan_and_infinity_survive(t: Pair):
    rewritten(t, BEYOND_JSON["no numbers"])


@check()
def unpaired_surrogates_survive(t: Pair):
    rewritten(t, BEYOND_JSON["half pairs"])


@check()
def values_beyond_json_can_be_read(t: Pair):
    for name, value in BEYOND_JSON.items():
        same(started(t, value=value).item(t.second, "value"), value, name)


@check(SERVER_SIDE)
def large_values_survive(t: Pair):
    large = secrets.token_hex(50_000)
    browser = started(t, large=large)
    true(browser.item(t.second, "large") == large, "the other peer reads another value")
    ok(browser.post(t.second, "/incr", {"key": "n"}))
    true(browser.item(t.first, "large") == large, "the other peer has changed the value")


@check()
def values_that_compress_survive(t: Pair):
    repeated = ["the same again and again"] * 1000
    browser = started(t, repeated=repeated)
    true(browser.item(t.second, "repeated") == repeated, "the other peer reads another value")
    ok(browser.post(t.second, "/incr", {"key": "n"}))
    true(browser.item(t.first, "repeated") == repeated, "the other peer has changed the value")


@check(("cache",), first="django")
def python_values_are_never_lost(t: Pair):
    browser = started(t, n=0)
    ok(browser.post(t.first, "/set_foreign"))
    # The other peer may refuse to change such a session.
    saved = browser.post(t.second, "/incr", {"key": "n"}).status == 200
    same(
        [browser.item(t.first, "n"), browser.get(t.first, "/foreign").json["same"]],
        [int(saved), True],
        "the counter, and whether the value is the same",
    )


@check(("signed_cookies",))
def a_cookie_that_browsers_would_drop_is_an_error(t: Pair):
    answer = Browser().post(t.first, "/set", {"key": "large", "value": secrets.token_hex(3000)})
    true(answer.status >= 500 and not answer.cookies, "a cookie over 4 kB was sent")


# ---- One item, all items


@check()
def increments_at_alternating_peers_add_up(t: Pair):
    browser = Browser()
    for n in range(1, 21):
        peer = t.first if n % 2 else t.second
        same(ok(browser.post(peer, "/incr", {"key": "n"})).json["value"], n, "the counter")


@check()
def a_removed_item_is_gone_for_both(t: Pair):
    browser = started(t, a=1, b=2)
    same(browser.post(t.second, "/del", {"key": "a"}).json, {"present": True}, "removed")
    same(
        browser.get(t.first, "/get?key=a").json,
        {"present": False, "value": None},
        "read afterwards",
    )
    same(browser.post(t.first, "/del", {"key": "a"}).json, {"present": False}, "removed again")
    same(browser.items(t.second), [["b", 2]], "what is left")


@check()
def removing_the_last_item_keeps_the_session(t: Pair):
    browser = started(t, a=1)
    key = t.session_of(browser)
    ok(browser.post(t.second, "/del", {"key": "a"}))
    same(browser.items(t.first), [], "what is left")
    if t.server_side:
        same(t.session_of(browser), key, "the key")


@check()
def clear_empties_the_session_and_keeps_its_key(t: Pair):
    browser = started(t, a=1, b=2)
    key = t.session_of(browser)
    ok(browser.post(t.second, "/clear"))
    dump = browser.get(t.first, "/dump").json
    same(dump["items"], [], "what is left")
    if t.server_side:
        same([dump["session_key"], t.session_of(browser)], [key, key], "the key")


REMOVAL = 'sessionid=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax'


@check()
def flush_ends_the_session_for_both(t: Pair):
    browser = started(t, a=1)
    old = browser.twin()
    answer = ok(browser.post(t.second, "/flush"))
    same(answer.cookies.get("sessionid"), REMOVAL, "Set-Cookie")
    same(answer.vary, "Cookie", "Vary")
    same(browser.items(t.first), [], "what is left")
    if t.server_side:
        opens_nothing(t, old, "the old key")
    same(browser.post(t.first, "/incr", {"key": "n"}).json["value"], 1, "a new session")
    true(t.session_of(browser) != t.session_of(old), "the key of a flushed session is used again")


@check(SERVER_SIDE)
def cycle_moves_the_session_to_a_new_key(t: Pair):
    browser = started(t, a=1, b=[2])
    old = browser.twin()
    ok(browser.post(t.second, "/cycle"))
    true(t.session_of(browser) != t.session_of(old), "the key is the old one")
    same(browser.items(t.first), [["a", 1], ["b", [2]]], "under the new key")
    opens_nothing(t, old, "the old key")


@check()
def the_test_cookie_of_one_works_at_the_other(t: Pair):
    browser = Browser()
    same(browser.post(t.second, "/test_cookie").json, {"worked": False}, "before")
    ok(browser.post(t.first, "/test_cookie", {"set": True}))
    same(browser.items(t.first), [["testcookie", "worked"]], "as it is stored")
    same(browser.post(t.second, "/test_cookie").json, {"worked": True}, "at the other peer")
    same(browser.post(t.first, "/test_cookie").json, {"worked": False}, "afterwards")


# ---- Keys and cookies


@check(SERVER_SIDE)
def keys_have_the_same_form(t: Pair):
    browser = started(t)
    key = t.session_of(browser)
    true(re.fullmatch("[a-z0-9]{32}", key), "the key is not 32 of a-z and 0-9")
    for peer in (t.first, t.second):
        same(browser.get(peer, "/dump").json["session_key"], key, "session_key")


COOKIE = re.compile(
    r"(?P<name>\w+)=(?P<value>[\w:.-]+); "
    r"expires=(?P<expires>\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT); HttpOnly; "
    r"Max-Age=(?P<age>\d+); Path=/; SameSite=Lax"
)


def cookie_of(peer: Peer, browser: Browser, body: dict, age: int, slack: int = 0) -> None:
    """Sets an item, and checks that the session cookie has Django's form and this age."""
    before = time.time()
    text = ok(browser.post(peer, "/set", body)).cookies.get("sessionid", "")
    after = time.time()
    match = COOKIE.fullmatch(text)
    true(match, f"Set-Cookie has another form: {re.sub('=[^;]+', '=…', text, count=1)}")
    true(age - slack <= int(match["age"]) <= age, f"Max-Age is {match['age']} instead of {age}")
    expires = parsedate_to_datetime(match["expires"]).timestamp()
    true(
        before + int(match["age"]) - 2 <= expires <= after + int(match["age"]) + 2,
        "expires is not the current time plus Max-Age",
    )


@check()
def set_cookie_has_the_same_form(t: Pair):
    browser = Browser()
    for peer in (t.first, t.second):
        cookie_of(peer, browser, {"key": "a", "value": 1}, AGE)


@check()
def reading_sets_no_cookie_but_varies_on_the_cookie(t: Pair):
    browser = started(t)
    for peer in (t.first, t.second):
        for who in (browser, Browser()):
            answer = ok(who.get(peer, "/get?key=n"))
            same([answer.vary, answer.cookies], ["Cookie", {}], f"Vary and cookies, {peer.impl}")
        same(ok(browser.post(peer, "/incr", {"key": "n"})).vary, "Cookie", "Vary after writing")


@check()
def a_request_that_ignores_the_session_sets_nothing(t: Pair):
    for who in (started(t), Browser(), Browser(sessionid="k" * 32)):
        for peer in (t.first, t.second):
            answer = ok(who.get(peer, "/untouched"))
            same([answer.vary, answer.cookies], [None, {}], f"Vary and cookies, {peer.impl}")


@check()
def an_unknown_key_is_never_adopted(t: Pair):
    unknown = secrets.token_hex(16)
    browser = Browser(sessionid=unknown)
    ok(browser.post(t.first, "/set", {"key": "a", "value": 1}))
    true(t.session_of(browser) not in (None, unknown), "the unknown key was adopted")
    same(browser.items(t.second), [["a", 1]], "under the new key")
    opens_nothing(t, Browser(sessionid=unknown), "the unknown key")


@check()
def an_unknown_key_that_was_read_is_removed(t: Pair):
    browser = Browser(sessionid=secrets.token_hex(16))
    answer = ok(browser.get(t.first, "/dump"))
    same(answer.json["items"], [], "what it opens")
    if t.server_side and t.engine != "file":
        same(answer.json["session_key"], None, "session_key")
    if t.server_side:
        same(answer.cookies.get("sessionid"), REMOVAL, "Set-Cookie")
    else:
        # With signed cookies, Django signs an empty session instead of removing the cookie.
        true(
            answer.cookies.get("sessionid", "").startswith("sessionid=e30:"),
            "no empty session was signed",
        )


MALFORMED = {
    "short": "1234567",
    "empty": "",
    "a path": "../../../../etc/passwd",
    "spaces": "some words with spaces",
    "in quotes": '"abcdefgh12345678"',
    "long": "k" * 3000,
    "longer than the column": "k" * 41,
    "not ASCII": "caf\u00e9caf\u00e9caf\u00e9",
    "percent": "%00%00%00%00%00%00%00%00",
    "SQL": "' OR '1'='1' -- 12345678",
    "forged": "e30:1vHabc:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "colons": ":::::::::::",
}


@check()
def malformed_cookies_open_nothing_and_are_never_adopted(t: Pair):
    for name, value in MALFORMED.items():
        cookie = f"sessionid={value}"
        same(ok(Browser().get(t.first, "/dump", Cookie=cookie)).json["items"], [], name)
        browser = Browser()
        ok(browser.post(t.first, "/set", {"key": "a", "value": 1}, Cookie=cookie))
        true(t.session_of(browser) not in (None, value), f"{name}: the cookie was adopted as a key")
        same(browser.items(t.second), [["a", 1]], f"{name}: under the new key")


@check(SERVER_SIDE)
def a_short_cookie_is_removed_even_if_the_session_is_not_opened(t: Pair):
    answer = ok(Browser(sessionid="1234567").get(t.first, "/untouched"))
    same([answer.cookies.get("sessionid"), answer.vary], [REMOVAL, "Cookie"], "Set-Cookie and Vary")


@check(once=True)
def of_two_session_cookies_the_last_counts(t: Pair):
    one, two = started(t, a=1), started(t, a=2)
    cookie = f"sessionid={t.session_of(one)}; sessionid={t.session_of(two)}"
    same(Browser().get(t.first, "/get?key=a", Cookie=cookie).json["value"], 2, "the item")


@check(("signed_cookies",))
def a_signed_cookie_that_was_changed_opens_nothing(t: Pair):
    text = t.session_of(started(t, a=1))
    payload, stamp, signature = text.rsplit(":", 2)
    other = t.session_of(started(t, a=2)).rsplit(":", 2)[0]
    flipped = signature[:-1] + chr(ord(signature[-1]) ^ 1)
    for changed in (
        f"{other}:{stamp}:{signature}",
        f"{payload}:000001:{signature}",
        f"{payload}:{stamp}:{flipped}",
    ):
        opens_nothing(t, Browser(sessionid=changed), "a changed cookie")


# ---- Status


@check()
def a_server_error_saves_nothing(t: Pair):
    for browser in (started(t, a=1), Browser()):
        cookies = dict(browser.cookies)
        answer = ok(browser.post(t.second, "/fail", {"key": "b", "value": 1, "status": 500}), 500)
        same(answer.cookies, {}, "Set-Cookie")
        same(browser.cookies, cookies, "the cookies of the browser")
        same(browser.item(t.first, "b"), None, "the item")


@check()
def a_client_error_saves(t: Pair):
    for browser in (started(t, a=1), Browser()):
        ok(browser.post(t.second, "/fail", {"key": "b", "value": 1, "status": 400}), 400)
        same(browser.item(t.first, "b"), 1, "the item")


# ---- Expiry


def now_and(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@check()
def an_idle_time_counts_from_every_save(t: Pair):
    browser = Browser()
    ok(browser.post(t.first, "/expiry", {"value": 300}))
    dump = browser.get(t.second, "/dump").json
    same([dump["expiry_age"], dump["expire_at_browser_close"]], [300, False], "at the other peer")
    for peer in (t.second, t.first):
        cookie_of(peer, browser, {"key": "a", "value": 1}, 300)


@check()
def a_duration_and_an_instant_are_not_extended(t: Pair):
    for value in ({"timedelta": 3600}, {"datetime": now_and(3600)}):
        browser = Browser()
        ok(browser.post(t.first, "/expiry", {"value": value}))
        text = dict(browser.items(t.first))["_session_expiry"]
        for peer in (t.second, t.first):
            cookie_of(peer, browser, {"key": "a", "value": 1}, 3600, slack=60)
            dump = browser.get(peer, "/dump").json
            true(3540 <= dump["expiry_age"] <= 3600, f"expiry_age is {dump['expiry_age']}")
            same(dump["expire_at_browser_close"], False, "expire_at_browser_close")
            same(dict(dump["items"])["_session_expiry"], text, "the stored moment")


@check()
def zero_ends_the_session_with_the_browser(t: Pair):
    browser = Browser()
    ok(browser.post(t.first, "/expiry", {"value": 0}))
    for peer in (t.second, t.first):
        dump = browser.get(peer, "/dump").json
        same([dump["expiry_age"], dump["expire_at_browser_close"]], [AGE, True], peer.impl)
        text = ok(browser.post(peer, "/incr", {"key": "n"})).cookies["sessionid"]
        same(
            text, f"sessionid={t.session_of(browser)}; HttpOnly; Path=/; SameSite=Lax", "Set-Cookie"
        )


@check()
def none_resets_the_expiry(t: Pair):
    browser = Browser()
    ok(browser.post(t.first, "/expiry", {"value": 300}))
    ok(browser.post(t.second, "/expiry", {"value": None}))
    same(browser.get(t.first, "/dump").json["expiry_age"], AGE, "expiry_age")
    cookie_of(t.first, browser, {"key": "a", "value": 1}, AGE)
    same(browser.items(t.second), [["a", 1]], "the items, without an expiry")


@check()
def an_idle_time_may_have_a_fraction(t: Pair):
    browser = Browser()
    ok(browser.post(t.first, "/expiry", {"value": 300.5}))
    same(browser.get(t.second, "/dump").json["expiry_age"], 300.5, "expiry_age")
    cookie_of(t.second, browser, {"key": "a", "value": 1}, 300)


@check(SERVER_SIDE)
def a_session_ends_when_it_expires(t: Pair):
    # With the file engine, Django never expires a session whose expiry is a number of seconds.
    number = [] if t.engine == "file" else [1]
    browsers = [started(t, a=1) for _ in [*number, 0, 0]]
    for browser, value in zip(
        browsers, [*number, {"timedelta": 1}, {"datetime": now_and(1)}], strict=True
    ):
        ok(browser.post(t.first, "/expiry", {"value": value}))
    old = [browser.twin() for browser in browsers]
    for browser in browsers:
        until(lambda: browser.twin().items(t.second) == [], "the expired session is still there")
    for browser in old:
        key = t.session_of(browser)
        same(
            ok(browser.post(t.second, "/incr", {"key": "n"})).json["value"], 1, "written afterwards"
        )
        true(
            t.session_of(browser) not in (None, key), "the key of an expired session is used again"
        )


@check(SERVER_SIDE)
def a_time_in_the_past_ends_the_session(t: Pair):
    for value in (-10, {"timedelta": -10}, {"datetime": now_and(-10)}):
        browser = started(t, a=1)
        old = browser.twin()
        ok(browser.post(t.first, "/expiry", {"value": value}))
        same(t.session_of(browser), None, "the cookie")
        # Django replaces an expired file by an empty session, so the other peer reads first.
        same(old.twin().items(t.second), [], "what is left")
        same(old.twin().items(t.first), [], "what is left")


# ---- Users


def logged_in(t: Pair, peer: Peer, user: str, password: str = PASSWORD) -> Browser:
    browser = Browser()
    same(ok(log_in(browser, peer, user, password)).json["user"], user, "the answer to the login")
    return browser


def log_in(browser: Browser, peer: Peer, user: str, password: str = PASSWORD) -> Answer:
    return browser.post(peer, "/login", {"username": user, "password": password})


def who(browser: Browser, peer: Peer) -> str | None:
    return ok(browser.get(peer, "/whoami")).json["user"]


@check()
def a_login_is_known_to_the_other(t: Pair):
    user = t.user()
    browser = started(t, cart=[1, 2])
    before = browser.twin()
    answer = ok(log_in(browser, t.first, user)).json
    same(browser.get(t.second, "/whoami").json, answer, "at the other peer")
    same(answer["user"], user, "the user")
    true(isinstance(answer["user_id"], str), "user_id is not text")
    same(browser.item(t.second, "cart"), [1, 2], "what was there before the login")
    true(t.session_of(browser) != t.session_of(before), "the key is the one from before the login")
    if t.server_side:
        opens_nothing(t, before, "the key from before the login")
    # Log out at the other peer.
    old = browser.twin()
    ok(browser.post(t.second, "/logout"))
    same(who(browser, t.first), None, "after the logout")
    if t.server_side:
        same(who(old.twin(), t.first), None, "by the old key")
        opens_nothing(t, old, "the key from before the logout")


@check(("db",), once=True)
def a_wrong_login_is_refused(t: Pair):
    browser = started(t, a=1)
    for user, password in (
        ("user0", "wrong"),
        ("unknown", PASSWORD),
        ("unusable", PASSWORD),
        ("inactive", PASSWORD),
    ):
        ok(log_in(browser, t.first, user, password), 401)
    same(who(browser, t.second), None, "afterwards")
    same(browser.items(t.second), [["a", 1]], "the session")


@check(once=True)
def a_login_of_another_user_drops_the_items(t: Pair):
    browser = logged_in(t, t.first, t.user())
    ok(browser.post(t.first, "/set", {"key": "cart", "value": 1}))
    other = t.user()
    ok(log_in(browser, t.second, other))
    same(who(browser, t.first), other, "the user")
    same(browser.item(t.first, "cart"), None, "the item of the previous user")


@check(once=True)
def a_new_password_ends_the_other_sessions(t: Pair):
    user = t.user()
    here, there = logged_in(t, t.first, user), logged_in(t, t.second, user)
    ok(here.post(t.second, "/change_password", {"password": "a better one"}))
    same([who(here, t.first), who(here, t.second)], [user, user], "where it was changed")
    same([who(there.twin(), t.first), who(there.twin(), t.second)], [None, None], "elsewhere")
    ok(log_in(Browser(), t.first, user, PASSWORD), 401)
    same(who(logged_in(t, t.first, user, "a better one"), t.second), user, "with the new password")
    ok(Browser().post(t.second, "/change_password", {"password": "x"}), 401)


@check(("db",), once=True)
def passwords_hashed_by_every_algorithm_log_in(t: Pair):
    for algorithm in ALGORITHMS:
        user = f"{algorithm}-{t.turn}"
        browser = logged_in(t, t.first, user)
        same(who(browser, t.second), user, algorithm)
        # The first login may have replaced the hash, but the password is the same.
        same(who(logged_in(t, t.second, user), t.first), user, f"{algorithm}, again")


# ---- Messages and CSRF


@check()
def messages_of_one_are_shown_by_the_other(t: Pair):
    browser = Browser()
    sent = [
        {"level": 20, "text": "plain", "extra_tags": ""},
        {"level": 25, "text": '\u00e9 \U0001f9e5 <b>"quoted"</b>', "extra_tags": "one two"},
        {"level": 40, "text": "the last", "extra_tags": ""},
    ]
    for message in sent:
        ok(browser.post(t.first, "/message", message))
    for dropped in ({"level": 10, "text": "for developers"}, {"level": 40, "text": ""}):
        ok(browser.post(t.first, "/message", dropped | {"extra_tags": ""}))
    same(browser.get(t.second, "/messages").json["messages"], sent, "at the other peer")
    same(browser.get(t.first, "/messages").json["messages"], [], "afterwards")


CSRF_COOKIE = re.compile(
    r"csrftoken=[a-zA-Z0-9]{32}; expires=[^;]+; Max-Age=31449600; Path=/; SameSite=Lax"
)


@check(once=True)
def a_csrf_token_of_one_is_valid_at_the_other(t: Pair):
    browser = Browser()
    answer = ok(browser.get(t.first, "/csrf_token"))
    token = answer.json["token"]
    true(re.fullmatch("[a-zA-Z0-9]{64}", token), "the token is not 64 letters and digits")
    true(
        CSRF_COOKIE.fullmatch(answer.cookies.get("csrftoken", "")),
        "the cookie has another form",
    )
    true("Cookie" in (answer.vary or ""), "the page does not vary on its cookies")
    again = ok(browser.get(t.second, "/csrf_token")).json["token"]
    true(again != token, "both peers sent the same token")
    for good in (token, again, browser.cookies["csrftoken"]):
        ok(browser.post(t.second, "/csrf_protected", X_CSRFToken=good))
    other = Browser()
    foreign = ok(other.get(t.first, "/csrf_token")).json["token"]
    for bad in (foreign, "", "x" * 64, token[:-1], token[::-1]):
        ok(browser.post(t.second, "/csrf_protected", X_CSRFToken=bad), 403)
    ok(browser.post(t.second, "/csrf_protected"), 403)
    ok(Browser().post(t.second, "/csrf_protected", X_CSRFToken=token), 403)


@check(("db",), once=True)
def a_login_makes_a_new_csrf_secret(t: Pair):
    browser = Browser()
    token = ok(browser.get(t.first, "/csrf_token")).json["token"]
    ok(log_in(browser, t.second, t.user()))
    ok(browser.post(t.first, "/csrf_protected", X_CSRFToken=token), 403)
    token = ok(browser.get(t.first, "/csrf_token")).json["token"]
    ok(browser.post(t.second, "/csrf_protected", X_CSRFToken=token))


# ---- Many at once


@check()
def fifteen_visitors_at_once_are_not_mixed_up(t: Pair):
    def visit(n: int) -> list:
        browser = Browser()
        ok(browser.post(t.first, "/set", {"key": "visitor", "value": n}))
        for turn in range(4):
            ok(browser.post((t.first, t.second)[turn % 2], "/incr", {"key": "n"}))
        return browser.items(t.second)

    found = at_once(*[lambda n=n: visit(n) for n in range(15)])
    same(found, [[["visitor", n], ["n", 4]] for n in range(15)], "what each of them has")


# Head starts in seconds: a slow request must read the session within this time, because another
# request then ends the session. They are tried in this order.
HEAD_STARTS_SECS = (0.3, 2, 8)


def end_during_a_request(t: Pair, path: str) -> Browser:
    """Ends or moves a session with a fast request while a slower request uses it."""
    for head_start in HEAD_STARTS_SECS:
        browser = started(t, a=1)
        slow = browser.twin()
        old = browser.twin()

        def end() -> None:
            time.sleep(head_start)
            ok(browser.post(t.second, path))

        body = {"key": "n", "ms": int(head_start * 2000)}
        answer, _ = at_once(lambda: slow.post(t.first, "/slow_incr", body), end)
        opens_nothing(t, old, "the session under the old key")
        # With a status other than 400, the slow request read the session too late and created a new
        # session, which proves nothing. Try again with a longer head start.
        if answer.status == 400:
            same(answer.cookies, {}, "Set-Cookie of the slow request")
            return browser
    raise Failed(f"the slow request was answered {answer.status} instead of 400")


@check(SERVER_SIDE)
def a_logout_is_not_undone_by_a_slower_request(t: Pair):
    same(end_during_a_request(t, "/logout").items(t.first), [], "what the browser has")


@check(SERVER_SIDE)
def a_moved_session_is_not_restored_by_a_slower_request(t: Pair):
    same(end_during_a_request(t, "/cycle").items(t.first), [["a", 1]], "under the new key")


@check(SERVER_SIDE)
def no_overlapping_increment_is_lost(t: Pair):
    browser = started(t)
    at_once(*[lambda: ok(browser.twin().post(t.first, "/slow_incr", {"key": "n", "ms": 1000}))] * 4)
    same(browser.item(t.second, "n"), 4, "the increments that were saved, of 4")


@check(("db",))
def a_slow_increment_keeps_a_faster_increment_of_the_other_peer(t: Pair):
    browser = started(t)
    calls = [(t.first, 200), (t.second, 1500), (t.second, 1500)]
    at_once(
        *[
            lambda peer=peer, ms=ms: ok(
                browser.twin().post(peer, "/slow_incr", {"key": "n", "ms": ms})
            )
            for peer, ms in calls
        ]
    )
    same(browser.item(t.first, "n"), 3, "the increments that were saved, of 1 fast and 2 slow ones")


# ---- Other settings


@check(once=True, extra="short")
def a_session_ends_at_its_age(t: Pair):
    browser = started(t, a=1)
    until(lambda: browser.twin().items(t.second) == [], "the expired session is still there")
    same(ok(browser.post(t.second, "/incr", {"key": "n"})).json["value"], 1, "written afterwards")
    true(browser.item(t.second, "a") is None, "the items of the expired session are back")


@check(extra="close")
def sessions_may_end_with_the_browser(t: Pair):
    browser = Browser()
    for peer in (t.first, t.second):
        text = ok(browser.post(peer, "/incr", {"key": "n"})).cookies["sessionid"]
        same(
            text, f"sessionid={t.session_of(browser)}; HttpOnly; Path=/; SameSite=Lax", "Set-Cookie"
        )
        same(browser.get(peer, "/dump").json["expire_at_browser_close"], True, peer.impl)
    ok(browser.post(t.first, "/expiry", {"value": 300}))
    cookie_of(t.second, browser, {"key": "a", "value": 1}, 300)


@check(extra="attributes")
def a_cookie_has_the_attributes_of_the_settings(t: Pair):
    browser = Browser()
    for peer in (t.first, t.second):
        text = ok(browser.post(peer, "/incr", {"key": "n"})).cookies["cloak"]
        text = re.sub("expires=[^;]+", "expires=…", text)
        attributes = (
            "Domain=example.org; expires=…; Max-Age=4000; Path=/shop; SameSite=Strict; Secure"
        )
        same(text, f"cloak={browser.cookies['cloak']}; {attributes}", "Set-Cookie")
    removal = (
        'cloak=""; Domain=example.org; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; '
        "Path=/shop; SameSite=Strict"
    )
    same(ok(browser.post(t.second, "/flush")).cookies["cloak"], removal, "Set-Cookie")


@check(extra="attributes")
def every_request_renews_the_cookie_if_configured(t: Pair):
    browser = Browser()
    ok(browser.post(t.first, "/incr", {"key": "n"}))
    for path in ("/untouched", "/get?key=n"):
        answer = ok(browser.get(t.second, path))
        true("cloak" in answer.cookies, f"{path} does not renew the cookie")
        same(answer.vary, "Cookie", "Vary")


@check(once=True, extra="rotated")
def sessions_survive_a_new_secret(t: Pair):
    browser = started(t.plain, a=1)
    same(browser.items(t.second), [["a", 1]], "read with the old secret as a fallback")
    ok(browser.post(t.second, "/incr", {"key": "n"}))
    same(browser.items(t.first), [["a", 1], ["n", 1]], "written with the new secret")
    if t.engine == "db":
        # Caches contain no signature. An unreadable row is read as an empty session under its old
        # key.
        dump = browser.twin().get(t.plain.first, "/dump").json
        same(
            [dump["items"], dump["session_key"]],
            [[], t.session_of(browser)],
            "read with the old secret only",
        )
    if not t.server_side:
        same(browser.twin().items(t.plain.first), [], "read with the old secret only")


@check(once=True, extra="rotated")
def logins_survive_a_new_secret(t: Pair):
    user = t.user()
    browser = logged_in(t.plain, t.plain.first, user)
    old = dict(browser.items(t.plain.first))["_auth_user_hash"]
    before = browser.twin()
    same(who(browser, t.second), user, "by the fallback")
    true(t.session_of(browser) != t.session_of(before), "the key is the old one")
    true(browser.item(t.first, "_auth_user_hash") != old, "the hash is made with the old secret")
    same(who(browser, t.first), user, "by the new secret")
    if t.server_side:
        opens_nothing(t, before, "the key from before the new secret")
