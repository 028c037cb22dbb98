"""Creates Django's tables and the users of the tests in the database of `DB_URL`."""

import os
import sys
from pathlib import Path

PASSWORD = "correct horse battery staple"
USERS = 160
ALGORITHMS = ["pbkdf2_sha1", "argon2", "bcrypt_sha256", "scrypt"]


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    import django

    django.setup()

    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    # Hashing is slow, so all users of the default algorithm share one hash.
    password = make_password(PASSWORD)
    users = [User(username=f"user{n}", password=password) for n in range(USERS)]
    users.append(User(username="inactive", password=password, is_active=False))
    users.append(User(username="unusable", password=make_password(None)))
    for algorithm in ALGORITHMS:
        password = make_password(PASSWORD, hasher=algorithm)
        users += [User(username=f"{algorithm}-{n}", password=password) for n in range(2)]
    User.objects.bulk_create(users)


if __name__ == "__main__":
    main()
