"""Serves the Django peer: `serve.py --bind 127.0.0.1:PORT`.

The settings are in settings.py, which reads most of them from the environment.
"""

import argparse
import os
import sys
from pathlib import Path


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bind", required=True)
    arguments.add_argument("--broken", help="serve this faulty variant of mutants.py")
    arguments = arguments.parse_args()

    here = Path(__file__).resolve().parent
    sys.path[:0] = [str(here), str(here.parent)]
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

    import waitress
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    if arguments.broken:
        import mutants

        mutants.MUTANTS[arguments.broken]()
    waitress.serve(application, listen=arguments.bind, threads=32)


if __name__ == "__main__":
    main()
