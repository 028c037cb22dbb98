"""Runs the checks on LocalLibrary and a Django that share a database file.

Runs them once on a file that Django created, and once on a file that LocalLibrary created.

library.py                          target/debug/locallibrary
library.py --only '*password*'      only these checks
library.py --at ours                only the file that LocalLibrary created
"""

import argparse
import json
import multiprocessing
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path

from checks import Failed
from library_checks import CHECKS, Check, Pair, Site

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
LOCALLIBRARY = TARGET / "debug/locallibrary"
BESIDE = HERE / "django_library"
DJANGO_MADE = ROOT / "site/tests/data/django-locallibrary.db"

# PBKDF2 iterations. Few of them make the tests fast.
ITERATIONS = "1000"


class File:
    """A database file and the sites that use it."""

    def __init__(self, name: str, folder: Path, program: str):
        self.name = name
        self.folder = folder
        self.program = program
        self.mails = folder / "mails"
        self.mails.mkdir()
        self.key = secrets.token_hex(32)
        self.sites: list[Site] = []
        self.environment = {
            "LIBRARY": str(folder / "library.sqlite3"),
            "MAILS": str(self.mails),
            "PASSWORD_ITERATIONS": ITERATIONS,
            "SECRET_KEY": self.key,
        }

    def make(self) -> None:
        if self.name == "django":
            shutil.copy(DJANGO_MADE, self.environment["LIBRARY"])
        else:
            self.command("migrate")
            self.command("load-demo")

    def flags(self) -> list[str]:
        return [
            *(
                "--database-url",
                f"sqlite://{self.environment['LIBRARY']}",
                "--sessions",
                "django+db",
            ),
            *("--mail", f"file:{self.mails}", "--password-iterations", ITERATIONS),
        ]

    def command(self, *words: str, **environment: str) -> subprocess.CompletedProcess:
        """Runs a command of LocalLibrary and returns the completed process."""
        command = [self.program, *self.flags(), *words]
        done = subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            raise Failed(f"locallibrary {words[0]}: {done.stderr}")
        return done

    def ours(self, key: str, *fallbacks: str) -> Site:
        """Starts LocalLibrary with this secret key and these fallbacks."""
        flags = [flag for old in fallbacks for flag in ("--secret-key-fallback", old)]
        command = shlex.join([self.program, *self.flags(), "--secret-key", key, *flags])
        return self.start("ours", command, {})

    def django(self, key: str, *fallbacks: str) -> Site:
        """Starts Django with this secret key and these fallbacks."""
        command = shlex.join([sys.executable, str(BESIDE / "serve.py")])
        keys = {"SECRET_KEY": key, "SECRET_KEY_FALLBACKS": json.dumps(fallbacks)}
        return self.start("django", command, self.environment | keys)

    def start(self, name: str, command: str, environment: dict[str, str]) -> Site:
        log = self.folder / f"{name}-{len(self.sites)}.log"
        self.sites.append(Site(name, command, environment, log))
        return self.sites[-1]


def run(name: str, only: str, program: str, logs: bool) -> dict[str, int]:
    """Runs all checks on one file.

    Each file needs a separate process, because Django has one set of settings per process.
    """
    counts = {"passed": 0, "failed": 0}

    def say(count: str, line: str) -> None:
        counts[count] += 1
        # Write the line in one call, because another process writes to the same output.
        sys.stdout.write(line.encode("ascii", "backslashreplace").decode() + "\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="cloakroom-library-") as folder:
        file = File(name, Path(folder), program)
        try:
            file.make()
            os.environ.update(file.environment, DJANGO_SETTINGS_MODULE="settings")
            sys.path.insert(0, str(BESIDE))
            import django

            django.setup()

            ours, beside = file.ours(file.key), file.django(file.key)
            new = secrets.token_hex(32)
            rotated = file.ours(new, file.key), file.django(new, file.key)
            users = count(1)
            rest = (
                ours,
                beside,
                rotated,
                file.mails,
                users,
                file.command,
                lambda: file.ours(file.key),
            )
            for check in CHECKS:
                if fnmatchcase(check.name, only):
                    orders = [(ours, beside), (beside, ours)]
                    for order in orders if check.both else orders[:1]:
                        judge(name, check, Pair(*order, *rest), say)
        except Exception as error:
            say("failed", f"FAIL  {name}: {error!r}")
        finally:
            for site in file.sites:
                site.stop()
                if logs:
                    print(f"---- {site.log.stem}\n{site.tail()}", flush=True)
    return counts


def judge(name: str, check: Check, pair: Pair, say) -> None:
    order = f" ({pair.first.name}, {pair.second.name})" if check.both else ""
    line = f"a file of {name}: {check.name}{order}"
    try:
        check.run(pair)
    except Exception as error:
        say("failed", f"FAIL  {line}: {error if isinstance(error, Failed) else repr(error)}")
    else:
        say("passed", f"ok    {line}")


def main() -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--only", default="*", help="the checks to run")
    arguments.add_argument(
        "--at", default="*", help="the file to run them on, by its creator: django or ours"
    )
    arguments.add_argument("--site", default=str(LOCALLIBRARY), help="the program of LocalLibrary")
    arguments.add_argument("--logs", action="store_true", help="show how the logs of the sites end")
    arguments = arguments.parse_args()

    began = time.monotonic()
    names = [name for name in ("django", "ours") if fnmatchcase(name, arguments.at)]
    with ProcessPoolExecutor(
        len(names) or 1, mp_context=multiprocessing.get_context("spawn")
    ) as pool:
        running = [
            pool.submit(run, name, arguments.only, arguments.site, arguments.logs) for name in names
        ]
        counts = [one.result() for one in running]
    passed, failed = (sum(one[kind] for one in counts) for kind in ("passed", "failed"))
    print(f"\n{passed} passed, {failed} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
