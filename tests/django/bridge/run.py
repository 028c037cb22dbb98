"""Runs Django's own session tests, unchanged, against a peer, which is the program under test.

run.py                      the store is target/debug/django_bridge
run.py --peer DJANGO        the store is Django's
run.py --mode object        the peer also runs the session objects and the middleware
"""

import argparse
import os
import shlex
import sys
import unittest
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or HERE.parents[2] / "target").resolve()
DJANGO = shlex.join([sys.executable, str(HERE / "django_peer.py")])
CLOAKROOM = shlex.quote(str(TARGET / "debug/django_bridge"))

sys.path[:0] = [
    str(HERE.parent),
    str(HERE.parent / "peer"),
    str(TARGET / "django/source/django/tests"),
]

import django
import django.test
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.conf import settings

from places import Places

# The number of tests that a correct peer passes, including those that Django skips.
EXPECTED = {"store": 414, "object": 426}

CLASSES = [
    "DatabaseSessionTests",
    "CacheDBSessionTests",
    "CacheSessionTests",
    "FileSessionTests",
    "FileSessionPathLibTests",
    "CookieSessionTests",
]
OBJECT_CLASSES = [*CLASSES, "SessionMiddlewareTests"]

LEFT_OUT = {
    "DatabaseSessionWithTimeZoneTests": "repeats tests with USE_TZ=True, which all tests here have",
    "CacheDBSessionWithTimeZoneTests": "repeats tests with USE_TZ=True, which all tests here have",
    "CustomDatabaseSessionTests": "tests a session class that a site writes in Python",
    "ClearSessionsCommandTests": "tests a Python command",
    "SessionBaseTests": "tests a Python base class",
}
MIDDLEWARE_LEFT_OUT = {
    "SessionMiddlewareTests": "tests the middleware, which the peer has in object mode only"
}

SKIPPED = {
    "CacheDBSessionTests": [
        "test_cache_set_failure_non_fatal",
        "test_cache_async_set_failure_non_fatal",
    ],
}
SKIPPED_WHY = "needs a cache class in the Python process of the peer"

# Tests in which Cloakroom differs from Django on purpose. They must fail, unless the peer is
# Django.
DIFFERENT = {
    "DatabaseSessionTests": ["test_clearsessions_command", "test_aclear_expired"],
    "FileSessionTests": ["test_clearsessions_command"],
    "FileSessionPathLibTests": ["test_clearsessions_command"],
}
DIFFERENT_WHY = "an expired session is not stored, so the test finds none to delete"

NOTES = [
    "CacheSessionTests.test_non_default_cache: run with a second Redis database, not a cache in "
    "Python's memory",
    "CookieSessionTests.test_unpickling_exception and "
    "CacheDBSessionTests.test_exists_searches_cache_first test this Python process, not the peer",
]


def configure(places: Places, database: str, cache: str) -> dict:
    """Sets up Django in this process. Returns the caches for the test of a non-default cache."""
    os.environ |= {
        "DB_URL": places.url(database),
        "CACHE_URL": places.url(cache),
        "CACHE_KEY_PREFIX": places.name,
        "SECRET_KEY": "the secret of Django's own tests",
    }
    # The settings of the Django peer of drive.py.
    import settings as ours

    settings.configure(
        CACHES=ours.CACHES,
        DATABASES=ours.DATABASES,
        INSTALLED_APPS=["django.contrib.sessions", "sessions_tests"],
        LOGGING_CONFIG=None,
        SECRET_KEY=ours.SECRET_KEY,
        TIME_ZONE="UTC",
        USE_TZ=True,
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    redis = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": places.redis_database(),
    }
    return {
        "default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
        "sessions": redis,
    }


def without_transactions() -> None:
    """Makes the tests commit their rows, so that the peer sees them.

    In Django's TestCase, a test runs in a transaction that is rolled back.
    """
    from django.contrib.sessions.models import Session

    class TestCase(django.test.TransactionTestCase):
        @classmethod
        def _fixture_setup(cls) -> None:
            Session.objects.all().delete()

        def _fixture_teardown(self) -> None:
            pass

    django.test.TestCase = TestCase


def load_tests(
    mode: str, peer: str, different: dict, other_caches: dict
) -> tuple[unittest.TestSuite, object]:
    from importlib import import_module

    from django.contrib.sessions.models import Session

    import engines
    from line import Line

    line = Line(peer)
    make = engines.stored if mode == "store" else engines.remote
    modules = {
        name: import_module(f"django.contrib.sessions.backends.{name}") for name in engines.ENGINES
    }
    own = {name: module.SessionStore for name, module in modules.items()}
    for name, module in modules.items():
        module.SessionStore = make(line, name, own[name])
    # In the tests, the model still encodes and decodes its rows with Django's engine.
    Session.get_session_store_class = classmethod(lambda cls: own["db"])
    if mode == "object":
        import_module("django.contrib.sessions.middleware").SessionMiddleware = engines.middleware(
            line
        )
    without_transactions()
    tests = import_module("sessions_tests.tests")
    report_and_check_classes(tests, mode)
    for name, methods in different.items():
        for method in methods:
            print(f"different {name}.{method}: {DIFFERENT_WHY}")
            test = getattr(getattr(tests, name), method)
            if iscoroutinefunction(test):
                # Django would also convert an async test, but would lose its mark as an expected
                # failure.
                test = async_to_sync(test)
            setattr(
                getattr(tests, name),
                method,
                unittest.expectedFailure(lambda self, test=test: test(self)),
            )

    for name, methods in SKIPPED.items():
        for method in methods:
            test = getattr(getattr(tests, name), method)
            setattr(getattr(tests, name), method, unittest.skip(SKIPPED_WHY)(test))
    test = tests.CacheSessionTests.test_non_default_cache.__wrapped__
    override = django.test.override_settings(CACHES=other_caches, SESSION_CACHE_ALIAS="sessions")
    tests.CacheSessionTests.test_non_default_cache = override(test)

    loader = unittest.defaultTestLoader
    classes = CLASSES if mode == "store" else OBJECT_CLASSES
    suites = [loader.loadTestsFromTestCase(getattr(tests, name)) for name in classes]
    for name, suite in zip(classes, suites, strict=True):
        print(f"run       {name}: {suite.countTestCases()}")
    return unittest.TestSuite(suites), line


def report_and_check_classes(tests: ModuleType, mode: str) -> None:
    left_out = LEFT_OUT if mode == "object" else LEFT_OUT | MIDDLEWARE_LEFT_OUT
    for name, why in left_out.items():
        print(f"left out  {name}: {why}")
    for name, methods in SKIPPED.items():
        print(f"skipped   {name}.{', '.join(methods)}: {SKIPPED_WHY}")
    for note in NOTES:
        print(f"note      {note}")
    found = {
        name
        for name, value in vars(tests).items()
        if isinstance(value, type)
        and issubclass(value, unittest.TestCase)
        and value.__module__ == tests.__name__
    }
    named = set(OBJECT_CLASSES) | set(LEFT_OUT)
    if found != named:
        raise SystemExit(
            f"these classes of Django's tests are new or missing: {sorted(found ^ named)}"
        )


def main() -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument(
        "--peer", default=CLOAKROOM, help="the command of the peer (default: Cloakroom)"
    )
    arguments.add_argument("--mode", choices=EXPECTED, default="store")
    arguments.add_argument("--database", choices=["sqlite", "postgres", "mysql"], default="sqlite")
    arguments.add_argument("--cache", choices=["redis", "memcached"], default="redis")
    arguments = arguments.parse_args()
    is_django = arguments.peer.startswith("DJANGO")
    peer = arguments.peer.replace("DJANGO", DJANGO, 1) if is_django else arguments.peer
    different = {} if is_django else DIFFERENT

    with Places() as places:
        if missing := places.missing(arguments.database, arguments.cache, "redis"):
            print(f"not run: Django's session tests: {missing[0]}")
            return int(missing[1])
        other_caches = configure(places, arguments.database, arguments.cache)
        suite, line = load_tests(arguments.mode, peer, different, other_caches)
        django.test.utils.setup_test_environment()
        try:
            result = unittest.TextTestRunner(verbosity=0, warnings="ignore").run(suite)
        finally:
            line.close()
            from django.db import connections

            connections.close_all()

    differ = sum(map(len, different.values()))
    bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses) + differ
    good = result.testsRun - bad
    expected = EXPECTED[arguments.mode] - differ
    print(
        f"\nDjango's session tests, {arguments.mode} mode, {arguments.database}, {arguments.cache}:"
    )
    print(
        f"{good} of {result.testsRun} pass, {expected} must pass "
        f"({len(result.skipped)} of them skipped, "
        f"{len(result.expectedFailures) - differ} expected to fail)"
        + (f"; {differ} differ on purpose" if differ else "")
    )
    return 0 if good >= expected and result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
