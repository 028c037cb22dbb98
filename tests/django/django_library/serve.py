"""Serves the Django site that shares LocalLibrary's database: `serve.py --bind 127.0.0.1:PORT`.

The settings are in settings.py, which reads some of them from the environment.
"""

import argparse
import os


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bind", required=True)
    arguments = arguments.parse_args()

    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

    import waitress
    from django.core.wsgi import get_wsgi_application

    waitress.serve(get_wsgi_application(), listen=arguments.bind, threads=16)


if __name__ == "__main__":
    main()
