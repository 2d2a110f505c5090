"""The entry point: run the commands, or say what to install for them."""

import sys
from typing import NoReturn

_EXTRA = ("click", "rich")


def _explain() -> NoReturn:
    """Say what is missing, and exit with 2."""
    sys.stderr.write("opentrain-async: the command line needs more: pip install 'opentrain_async[cli]'\n")
    sys.exit(2)


try:
    from .group import main
except ModuleNotFoundError as error:
    # Said when the command is run, not when this is imported: an import must not end the process.
    if (error.name or "").partition(".")[0] not in _EXTRA:
        raise
    main = _explain  # type: ignore[assignment]  # called by the entry point in just the same way

__all__ = ["main"]
