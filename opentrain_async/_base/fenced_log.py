"""Log for the package, behind a fence: what a filter or handler of the program raises changes nothing.

Every module logs by `logger`, and never by `logging.getLogger`.
"""

import logging
from types import TracebackType
from typing import Final, TypeAlias

_ExcInfo: TypeAlias = (
    bool
    | BaseException
    | tuple[type[BaseException], BaseException, TracebackType | None]
    | tuple[None, None, None]
    | None
)
# The frames between the caller of a method here and the logger, which a record must not name as its origin.
_OUR_FRAMES: Final = 3


class FencedLogger:
    """A logger that raises nothing but `KeyboardInterrupt` and `SystemExit`.

    A record names the line that called, as one of `logging.Logger` does.

    Args:
        logger: The logger of the standard library that gets the records.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, message: str, *args: object, exc_info: _ExcInfo = None) -> None:
        """Log at the level DEBUG."""
        self._log(logging.DEBUG, message, args, exc_info)

    def warning(self, message: str, *args: object, exc_info: _ExcInfo = None) -> None:
        """Log at the level WARNING."""
        self._log(logging.WARNING, message, args, exc_info)

    def exception(self, message: str, *args: object) -> None:
        """Log at the level ERROR, with the exception that is being handled."""
        self._log(logging.ERROR, message, args, exc_info=True)

    def log(self, level: int, message: str, *args: object, exc_info: _ExcInfo = None) -> None:
        """Log at any level."""
        self._log(level, message, args, exc_info)

    def keep_off_stderr(self) -> None:
        """Print no warnings to stderr where the program has configured no logging."""
        self._logger.addHandler(logging.NullHandler())

    def _log(self, level: int, message: str, args: tuple[object, ...], exc_info: _ExcInfo) -> None:
        try:
            if self._logger.isEnabledFor(level):
                self._logger.log(level, message, *args, exc_info=exc_info, stacklevel=_OUR_FRAMES)
        except (KeyboardInterrupt, SystemExit):
            raise
        # Also a CancelledError, which cancels nothing here, and the BaseException by which a test framework fails.
        # It is not reported either: the logger is what has just failed.
        except BaseException:  # noqa: S110
            pass


logger: Final = FencedLogger(logging.getLogger("opentrain_async"))
