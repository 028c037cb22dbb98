"""Django's hashes with so few iterations as only tests may have."""

import os

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class Quick(PBKDF2PasswordHasher):
    iterations = int(os.environ["PASSWORD_ITERATIONS"])
