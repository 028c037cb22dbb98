"""Django's password hasher with few iterations, for tests only."""

import os

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class Quick(PBKDF2PasswordHasher):
    iterations = int(os.environ["PASSWORD_ITERATIONS"])
