"""Checks that the checks can fail: each mutant, a faulty Django, must fail the check named here."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

# The mutants of mutants.py, and the checks of drive.py that they must fail at every place.
DRIVEN = {
    "resurrects": "a_logout_is_not_undone_by_a_slower_request",
    "ignores_expiry": "a_session_*s_*",
    "uses_a_wrong_salt": "increments_at_alternating_peers_add_up",
    "adopts_unknown_keys": "an_unknown_key_is_never_adopted",
    "sorts_items": "every_value_keeps_its_type_and_its_place",
    "saves_on_errors": "a_server_error_saves_nothing",
    "varies_always": "a_request_that_ignores_the_session_sets_nothing",
    "keeps_the_key": "a_login_is_known_to_the_other",
    "ignores_passwords": "a_new_password_ends_the_other_sessions",
    "mixes_visitors": "fifteen_visitors_at_once_are_not_mixed_up",
}
# A signed cookie has no key to adopt or to keep.
IMMUNE = {"adopts_unknown_keys": {"signed_cookies"}, "keeps_the_key": {"signed_cookies"}}

# The mutants that Django's session tests in bridge/run.py must notice.
BRIDGED = ["resurrects", "ignores_expiry", "uses_a_wrong_salt", "adopts_unknown_keys"]


def run(script: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, HERE / script, *arguments]
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def driven(mutant: str, check: str) -> str | None:
    """Returns a text that names the places at which the check does not notice the mutant.

    Returns None if there is no such place. The places in IMMUNE do not count.
    """
    done = run("drive.py", "--b", f"DJANGO --broken {mutant}", "--only", check, "--patience", "4")
    red = set(re.findall(r"^FAIL  ([\w/]+): \w+ \(", done.stdout, re.M))
    seen = set(re.findall(r"^(?:ok  |FAIL|known)\s+([\w/]+): \w+ \(", done.stdout, re.M))
    green = seen - red - IMMUNE.get(mutant, set())
    if not red or done.returncode == 0:
        return f"{check} passes everywhere:\n{done.stdout}"
    return f"{check} passes at {', '.join(sorted(green))}" if green else None


def bridged(mutant: str, mode: str) -> str | None:
    done = run("bridge/run.py", "--peer", f"DJANGO --broken {mutant}", "--mode", mode)
    if done.returncode == 1 and re.search(r"^FAILED ", done.stdout, re.M):
        return None
    return f"Django's tests pass in {mode} mode, or did not run:\n{done.stdout}"


def main() -> int:
    problems = 0
    attempts = [(mutant, driven, check) for mutant, check in DRIVEN.items()]
    attempts += [(mutant, bridged, mode) for mutant in BRIDGED for mode in ("store", "object")]
    for mutant, attempt, argument in attempts:
        problem = attempt(mutant, argument)
        problems += problem is not None
        print(f"{'FAIL' if problem else 'red '}  {mutant}: {problem or argument}", flush=True)
    print(f"\n{len(attempts) - problems} of {len(attempts)} were noticed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
