"""The ``portal`` command.

``portal web`` starts without what every other command loads (the worker, the provider's client, Alembic): a process
that was killed is back sooner, and is smaller. The others are found by name for that, as jobs are.
"""

import sys
from pkgutil import resolve_name

from sqlalchemy.exc import OperationalError

from portal import serving
from portal.revision import WrongRevision
from portal.settings import BadSettings

OTHERS = "portal.commands:main"


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 could not, 2 wrong use or settings."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        status: int = serving.main(words[1:]) if words[:1] == ["web"] else resolve_name(OTHERS)(words)
    except BadSettings as error:
        print("The settings are not complete:", file=sys.stderr)
        for problem in error.problems:
            print(f"  - {problem}", file=sys.stderr)
        return 2
    except WrongRevision as error:
        print(error, file=sys.stderr)
        return 1
    except OperationalError as error:
        print(f"The database does not answer: {error.orig}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    raise SystemExit(main())
