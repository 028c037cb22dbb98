"""The checks of LocalLibrary and a Django on one database file.

A check with `both=True` runs twice, so that each site is the first site once. The other checks run
once.
"""

import html
import io
import re
import secrets
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

from checks import Failed, ok, same, true, until
from client import Answer, Browser, Peer, at_once

PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "a heron on a ladder"

# In the check of parallel writers, one visitor makes VISITS visits from TABS browser tabs.
VISITS = 50
TABS = 5


class Site(Peer):
    """LocalLibrary or the Django beside it. Their pages have the same paths."""

    def __init__(self, name: str, command: str, environment: dict[str, str], log: Path):
        self.name = name
        super().__init__(command, environment, log)

    def health(self) -> dict:
        answer = Browser().get(self, "/accounts/login/")
        if answer.status != 200:
            raise ConnectionError(f"the login page has status {answer.status}")
        return {"impl": self.name}


@dataclass
class Pair:
    """The parameter of a check: two sites on one file."""

    first: Site
    second: Site
    ours: Site
    django: Site
    # The same two sites with a new secret key, and the old one as a fallback.
    rotated: tuple[Site, Site]
    mails: Path
    users: count
    # Runs a command of LocalLibrary.
    command: Callable[..., subprocess.CompletedProcess]
    # Starts another LocalLibrary.
    start_ours: Callable[[], Site]

    def user(self, *permissions: str, **fields: object):
        """Creates a user with Django."""
        from django.contrib.auth.models import User

        name = f"visitor{next(self.users)}"
        user = User.objects.create_user(name, f"{name}@library.example", PASSWORD, **fields)
        user.user_permissions.set(permission(code) for code in permissions)
        return user


@dataclass
class Check:
    name: str
    run: Callable[[Pair], object]
    both: bool


CHECKS: list[Check] = []


def check(both: bool = False):
    def add(run: Callable[[Pair], object]) -> Callable[[Pair], object]:
        CHECKS.append(Check(run.__name__, run, both))
        return run

    return add


def permission(code: str):
    from django.contrib.auth.models import Permission

    return Permission.objects.get(content_type__app_label="catalog", codename=code)


def log_in(browser: Browser, site: Site, user: object, password: str = PASSWORD) -> Answer:
    return browser.fill(site, "/accounts/login/", username=user.username, password=password)


def logged_in(site: Site, user: object, password: str = PASSWORD) -> Browser:
    browser = Browser()
    ok(log_in(browser, site, user, password), 302)
    return browser


def log_out(browser: Browser, site: Site) -> None:
    true(
        browser.fill(site, "/accounts/logout/", shown_at="/catalog/").status in (200, 302),
        "the logout fails",
    )


def refuses(site: Site, user: object, password: str) -> None:
    """Checks that the site refuses this login."""
    browser = Browser()
    ok(log_in(browser, site, user, password))
    same(username(browser, site), None, f"who is logged in after a refused login, {site.name}")


def username(browser: Browser, site: Site) -> str | None:
    """Visits the home page and returns the name of the logged-in user on it, or None."""
    shown = re.search(r'class="username">([^<]*)<', ok(browser.get(site, "/catalog/")).text)
    return html.unescape(shown[1]) if shown else None


def shows_user(browser: Browser, *sites: Site, user: object | None) -> None:
    """Visits the home page of each site and checks who is logged in."""
    for site in sites:
        same(username(browser, site), user and user.username, f"who is logged in, {site.name}")


def visit(browser: Browser, site: Site) -> int:
    """Visits the home page and returns the number of visits on it."""
    return int(
        re.search(r"visited this page (\d+) time", ok(browser.get(site, "/catalog/")).text)[1]
    )


def rows_of_sessions(**which: object) -> int:
    from django.contrib.sessions.models import Session

    return Session.objects.filter(**which).count()


def free_isbn() -> str:
    """Returns an ISBN that no book has."""
    digits = f"979{secrets.randbelow(10**9):09}"
    last = -sum(int(digit) * (3 if n % 2 else 1) for n, digit in enumerate(digits)) % 10
    return f"{digits}{last}"


def new_book(title: str, **fields: object):
    from catalog.models import Book

    return Book.objects.create(title=title, summary="By Django.", isbn=free_isbn(), **fields)


def finds(site: Site, words: str, *books: object) -> bool:
    """Returns whether a search finds all of these books."""
    page = ok(Browser().get(site, f"/catalog/search/?{urlencode({'q': words})}")).text
    return all(re.search(rf'href="/catalog/book/{book.pk}"', page) for book in books)


# ---- Who is logged in


@check(both=True)
def a_login_at_one_is_a_login_at_the_other(t: Pair):
    user = t.user()
    browser = logged_in(t.first, user)
    shows_user(browser, t.first, t.second, t.first, user=user)
    same(rows_of_sessions(session_key=browser.cookies["sessionid"]), 1, "rows of the session")


@check(both=True)
def a_logout_at_one_is_a_logout_at_the_other(t: Pair):
    user = t.user()
    browser = logged_in(t.first, user)
    other_tab = browser.twin()
    other_browser = logged_in(t.first, user)
    shows_user(other_tab, t.second, user=user)
    key = browser.cookies["sessionid"]
    log_out(browser, t.second)
    same(rows_of_sessions(session_key=key), 0, "rows of the session")
    shows_user(browser, t.first, t.second, user=None)
    shows_user(other_tab, t.first, t.second, user=None)
    shows_user(other_browser, t.first, t.second, user=user)


@check(both=True)
def a_wrong_password_is_refused(t: Pair):
    user = t.user()
    refuses(t.first, user, "another password")
    user.is_active = False
    user.save()
    refuses(t.first, user, PASSWORD)


@check(both=True)
def a_user_who_is_no_longer_active_is_logged_out(t: Pair):
    user = t.user()
    browser = logged_in(t.first, user)
    user.is_active = False
    user.save()
    shows_user(browser, t.second, t.first, user=None)


@check(both=True)
def both_sites_continue_the_count_of_visits(t: Pair):
    browser = Browser()
    counts = [
        visit(browser, site) for site in (t.first, t.first, t.second, t.first, t.second, t.second)
    ]
    same(counts, [1, 2, 3, 4, 5, 6], "the visits")
    ok(log_in(browser, t.first, t.user()), 302)
    same([visit(browser, t.second), visit(browser, t.first)], [7, 8], "the visits after the login")


@check(both=True)
def a_message_of_one_is_shown_once_by_the_other(t: Pair):
    user = t.user("add_genre")
    browser = logged_in(t.first, user)
    name = f"Genre of {user.username}"
    ok(browser.fill(t.ours, "/catalog/genre/create/", name=name), 302)
    shown = [
        name in html.unescape(ok(browser.get(site, "/catalog/")).text)
        for site in (t.second, t.first)
    ]
    same(shown, [True, False], "whether the message is shown")


# ---- Passwords


@check(both=True)
def a_new_password_ends_the_other_sessions_at_both(t: Pair):
    user = t.user()
    browser = logged_in(t.first, user)
    others = [logged_in(t.first, user), logged_in(t.second, user)]
    new = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    ok(browser.fill(t.first, "/accounts/password_change/", old_password=PASSWORD, **new), 302)
    shows_user(browser, t.second, t.first, user=user)
    for other in others:
        shows_user(other, t.second, t.first, user=None)
    shows_user(logged_in(t.second, user, NEW_PASSWORD), t.first, t.second, user=user)
    refuses(t.first, user, PASSWORD)
    refuses(t.second, user, PASSWORD)


@check(both=True)
def a_login_renews_a_hash_with_more_iterations(t: Pair):
    from django.contrib.auth.hashers import PBKDF2PasswordHasher, get_hasher

    stock, quick = PBKDF2PasswordHasher(), get_hasher()
    user = t.user()
    user.password = stock.encode(PASSWORD, stock.salt())
    user.save()
    browser = logged_in(t.first, user)
    user.refresh_from_db()
    same(
        quick.decode(user.password)["iterations"],
        quick.iterations,
        "the iterations after the login",
    )
    shows_user(browser, t.second, t.first, user=user)
    shows_user(logged_in(t.second, user), t.first, user=user)


@check()
def a_user_created_by_our_command_logs_in_at_django(t: Pair):
    from django.contrib.auth import authenticate
    from django.contrib.auth.models import User

    name = f"visitor{next(t.users)}"
    email = f"{name}@library.example"
    t.command("create-user", name, "--email", email, "--staff", LOCALLIBRARY_NEW_PASSWORD=PASSWORD)
    user = User.objects.get(username=name)
    same(
        [user.email, user.is_staff, user.is_superuser, user.last_login],
        [email, True, False, None],
        "the user",
    )
    same(
        authenticate(username=name, password=PASSWORD) == user,
        True,
        "whether the password is right",
    )
    shows_user(logged_in(t.django, user), t.ours, user=user)
    user.refresh_from_db()
    true(user.last_login, "the login did not set last_login")


@check(both=True)
def a_link_that_resets_a_password_works_at_the_other(t: Pair):
    user = t.user()
    browser = logged_in(t.first, user)
    stranger = Browser()
    ok(stranger.fill(t.first, "/accounts/password_reset/", email=user.email), 302)
    links: list[str] = []

    def mailed() -> bool:
        texts = [mail.read_text() for mail in t.mails.iterdir() if not mail.name.startswith(".")]
        mine = [text for text in texts if f"To: {user.email}" in text]
        links[:] = re.findall(r"/accounts/reset/[\w/-]+/", "\n".join(mine))
        return bool(links)

    until(mailed, "no mail with a link came")
    link = links[0]
    form = ok(stranger.get(t.second, link), 302).location
    new = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    ok(stranger.fill(t.second, form, **new), 302)
    shows_user(browser, t.first, t.second, user=None)
    shows_user(logged_in(t.first, user, NEW_PASSWORD), t.second, user=user)
    # A link works once.
    for site in (t.first, t.second):
        ok(Browser().get(site, link))


@check(both=True)
def a_reset_started_at_one_continues_at_the_other(t: Pair):
    from django.contrib.auth.tokens import default_token_generator
    from django.utils.encoding import force_bytes
    from django.utils.http import urlsafe_base64_encode

    user = t.user()
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    link = f"/accounts/reset/{uid}/{default_token_generator.make_token(user)}/"
    browser = Browser()
    form = ok(browser.get(t.first, link), 302).location
    new = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    ok(browser.fill(t.second, form, **new), 302)
    shows_user(logged_in(t.first, user, NEW_PASSWORD), t.second, user=user)


# ---- The catalogue


@check()
def a_book_of_our_form_is_read_by_django(t: Pair):
    from catalog.models import Author, Book, Genre, Language

    browser = logged_in(t.django, t.user("add_book"))
    author, language, genres = (
        Author.objects.first(),
        Language.objects.last(),
        list(Genre.objects.order_by("id")[:3]),
    )
    number = free_isbn()
    title = "Wörter & \u201cWörter\u201d, 100 %"
    fields = {
        "title": title,
        "summary": "Two\nlines.",
        "isbn": number,
        "author": author.pk,
        "language": language.pk,
    }
    answer = browser.fill(
        t.ours, "/catalog/book/create/", **fields, genre=[genre.pk for genre in genres]
    )
    ok(answer, 302)
    book = Book.objects.select_related("author", "language").get(isbn=number)
    same(answer.location, f"/catalog/book/{book.pk}", "where the form leads")
    same([book.title, book.summary.split()], [title, ["Two", "lines."]], "title and summary")
    true(
        (book.author, book.language) == (author, language),
        "the author or the language is another one",
    )
    same([g.name for g in book.genre.order_by("id")], [g.name for g in genres], "the genres")
    true(
        book in author.book_set.all() and book in genres[2].book_set.all(),
        "the author or the genre does not list the book",
    )


@check()
def a_loan_of_django_is_on_our_pages(t: Pair):
    from catalog.models import BookInstance

    reader = t.user()
    clerk = logged_in(t.ours, t.user("can_mark_returned"))
    book = new_book(f"Lent to {reader.username}")
    # The list starts with the copy that is due first. A very old date puts this copy on the first
    # page.
    loan = BookInstance.objects.create(
        book=book,
        imprint="First",
        status="o",
        due_back=date.today() - timedelta(days=9999),
        borrower=reader,
    )
    page = ok(logged_in(t.ours, reader).get(t.ours, "/catalog/mybooks/")).text
    true(book.title in page and "overdue" in page, "the reader does not see the loan")
    page = ok(clerk.get(t.ours, "/catalog/borrowed/")).text
    true(book.title in page and reader.username in page, "the desk does not see the loan")
    true(
        "First" in ok(clerk.get(t.ours, f"/catalog/bookinstance/{loan.pk}")).text,
        "the copy has no page",
    )

    due = date.today() + timedelta(days=7)
    ok(clerk.fill(t.ours, f"/catalog/book/{loan.pk}/renew/", renewal_date=due.isoformat()), 302)
    loan.refresh_from_db()
    same(
        [loan.due_back.isoformat(), loan.status],
        [due.isoformat(), "o"],
        "the loan after our renewal",
    )
    path = f"/catalog/bookinstance/{loan.pk}/return/"
    ok(clerk.fill(t.ours, path, shown_at=f"/catalog/book/{loan.pk}/renew/"), 302)
    loan.refresh_from_db()
    same(
        [loan.due_back, loan.status, loan.borrower_id],
        [None, "a", None],
        "the loan after our return",
    )


@check()
def our_search_finds_what_django_saves(t: Pair):
    from catalog.models import Author

    name = secrets.token_hex(6)
    author = Author.objects.create(first_name="Zoë", last_name=f"Ångström-{name}")
    book = new_book(f"By {name}", author=author)
    true(finds(t.ours, f"zoe angstrom-{name}", book), "the new author's book is not found")
    author.last_name = f"Łódź-{name}"
    author.save()
    true(finds(t.ours, f"lodz-{name}", book), "the book is not found by its author's new name")
    true(not finds(t.ours, f"angstrom-{name}", book), "the book is found by its author's old name")
    Author.objects.filter(pk=author.pk).update(last_name=f"Ødegård-{name}")
    true(finds(t.ours, f"odegard-{name}", book), "the book is not found after a bulk update")
    book.title = f"Öl {name}"
    book.save()
    true(finds(t.ours, f"ol {name}", book), "the book is not found by its new title")
    number = book.pk
    book.delete()
    book.pk = number
    true(not finds(t.ours, name, book), "the deleted book is found")


# ---- Permissions


@check()
def permissions_given_by_django_count_at_once(t: Pair):
    from django.contrib.auth.models import Group

    user = t.user()
    browser = logged_in(t.ours, user)

    def may(path: str) -> bool:
        return browser.get(t.ours, path).status == 200

    desk, form, staff = "/catalog/borrowed/", "/catalog/book/create/", "/admin/"
    same([may(desk), may(form), may(staff)], [False, False, False], "what every user may do")
    group = Group.objects.create(name=f"Group of {user.username}")
    group.permissions.add(permission("can_mark_returned"))
    user.groups.add(group)
    same([may(desk), may(form)], [True, False], "what the group may do")
    group.permissions.set([permission("add_book")])
    same([may(desk), may(form)], [False, True], "what the changed group may do")
    user.user_permissions.add(permission("can_mark_returned"))
    user.groups.remove(group)
    same([may(desk), may(form)], [True, False], "what the user may do")
    user.user_permissions.clear()
    user.is_staff = user.is_superuser = True
    user.save()
    same([may(desk), may(form), may(staff)], [True, True, True], "what a superuser may do")
    user.is_staff = user.is_superuser = False
    user.save()
    same([may(desk), may(form), may(staff)], [False, False, False], "what is left")


@check()
def groups_given_in_our_staff_area_count_at_django(t: Pair):
    from django.contrib.auth.models import Group, User

    superuser = t.user(is_staff=True, is_superuser=True)
    browser = logged_in(t.django, superuser)
    name = f"Group by {superuser.username}"
    wanted = [permission("add_book"), permission("can_mark_returned")]
    path = "/admin/auth/group/add/"
    ok(browser.fill(t.ours, path, name=name, permissions=[p.pk for p in wanted]), 302)
    group = Group.objects.get(name=name)
    user = t.user()
    user.groups.add(group)
    user = User.objects.get(pk=user.pk)
    codes = sorted(user.get_all_permissions())
    same(codes, ["catalog.add_book", "catalog.can_mark_returned"], "the permissions at Django")
    # Django's staff area shows the action in its log.
    true(name in ok(browser.get(t.django, "/admin/")).text, "Django's staff area does not show it")


# ---- Commands of Django


@check()
def djangos_commands_find_nothing_to_change(t: Pair):
    before = schema()
    management("check", fail_level="WARNING", databases=["default"])
    management("makemigrations", check_changes=True, dry_run=True)
    management("migrate", check_unapplied=True)
    management("migrate")
    management("migrate", fake_initial=True)
    same(schema(), before, "the tables, types, permissions and migrations after Django's commands")


def management(command: str, **options: object) -> None:
    from django.core.management import CommandError, call_command

    out = io.StringIO()
    try:
        call_command(command, stdout=out, stderr=out, **options)
    except (CommandError, SystemExit) as error:
        raise Failed(f"{command} {options}: {error!r}, {out.getvalue()}") from error


def schema() -> list:
    from django.db import connection

    queries = (
        "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name",
        "SELECT app, name FROM django_migrations ORDER BY id",
        "SELECT id, app_label, model FROM django_content_type ORDER BY id",
        "SELECT id, content_type_id, codename, name FROM auth_permission ORDER BY id",
        "PRAGMA foreign_key_check",
        "PRAGMA integrity_check",
    )
    rows = []
    with connection.cursor() as cursor:
        for query in queries:
            rows.append([list(row) for row in cursor.execute(query).fetchall()])
    same(rows[-2:], [[], [["ok"]]], "the results of SQLite's checks of the file")
    return rows


@check()
def clearsessions_keeps_live_sessions(t: Pair):
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    user = t.user()
    ours, djangos, anonymous = logged_in(t.ours, user), logged_in(t.django, user), Browser()
    visit(anonymous, t.ours)
    expired = SessionStore()
    expired["n"] = 1
    expired.create()
    expired_at_ours = logged_in(t.ours, user)
    ended = [expired.session_key, expired_at_ours.cookies["sessionid"]]
    past = timezone.now() - timedelta(seconds=1)
    same(
        Session.objects.filter(session_key__in=ended).update(expire_date=past),
        2,
        "rows that have expired",
    )
    shows_user(expired_at_ours.twin(), t.ours, user=None)
    management("clearsessions")
    same(rows_of_sessions(expire_date__lt=timezone.now()), 0, "expired rows that are left")
    shows_user(ours, t.ours, t.django, user=user)
    shows_user(djangos, t.django, t.ours, user=user)
    same(visit(anonymous, t.django), 2, "the visits of an anonymous visitor")


# ---- Keys, and time


@check(both=True)
def a_login_survives_a_new_secret_key(t: Pair):
    user = t.user()
    first, second = t.rotated if t.first is t.ours else t.rotated[::-1]
    browser, other = logged_in(t.first, user), logged_in(t.second, user)
    visits = visit(browser, t.second)
    shows_user(browser, first, second, user=user)
    # `shows_user` made two more visits.
    same(visit(browser, first), visits + 3, "the visits")
    shows_user(other, first, second, user=user)
    new = logged_in(first, user)
    shows_user(new, second, user=user)


@check()
def django_writes_while_locallibrary_is_stopped(t: Pair):
    """Stops LocalLibrary while Django writes, and starts it again."""
    user = t.user()
    browser = Browser()
    ours = t.start_ours()
    try:
        visit(browser, ours)
        ok(log_in(browser, ours, user), 302)
    finally:
        ours.stop()
    same(visit(browser, t.django), 2, "the visits")
    book = new_book(f"Saved {user.username}")
    ours = t.start_ours()
    try:
        shows_user(browser, ours, user=user)
        # `shows_user` made the third visit.
        same(visit(browser, ours), 4, "the visits")
        true(finds(ours, f"saved {user.username}", book), "the new book is not found")
    finally:
        ours.stop()


# ---- At the same time


@check()
def parallel_writers_lose_no_visit_and_find_no_lock(t: Pair):
    """One visitor uses many tabs at LocalLibrary and other visitors use Django.

    At the same time, a program edits books and a search looks for them.
    """
    from catalog.models import Book
    from django.db import connections

    user = t.user()
    ours = logged_in(t.ours, user)
    visit(ours, t.ours)
    djangos = [logged_in(t.django, t.user()) for _ in range(2)]
    marker = secrets.token_hex(6)
    books = [new_book(f"{marker} {n}") for n in range(5)]
    each = VISITS // TABS

    def in_a_tab() -> None:
        tab = ours.twin()
        for _ in range(each):
            visit(tab, t.ours)

    def at_django(browser: Browser) -> list[int]:
        return [visit(browser, t.django) for _ in range(each)]

    def write() -> None:
        try:
            for n in range(VISITS):
                book = books[n % len(books)]
                book.title = f"{marker} changed {n}"
                book.save()
                book.genre.set([1 + n % 7])
        finally:
            connections.close_all()

    def search() -> None:
        for _ in range(each):
            true(finds(t.ours, marker, *books), "a book is not found")

    writes = [in_a_tab] * TABS + [lambda b=b: at_django(b) for b in djangos] + [write, search]
    answers = at_once(*writes)
    for counted in answers[TABS : TABS + len(djangos)]:
        same(counted, list(range(1, each + 1)), "the visits at Django")
    same(visit(ours, t.ours), 1 + VISITS + 1, "the visits at LocalLibrary")
    same(
        Book.objects.filter(title__startswith=f"{marker} changed").count(),
        len(books),
        "the books that were changed",
    )
    for site in (t.ours, t.django):
        true(
            "locked" not in site.log.read_text(errors="replace"),
            f"{site.name} found the file locked:\n{site.tail()}",
        )
