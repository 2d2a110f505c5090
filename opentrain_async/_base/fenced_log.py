"""Log for the package: escape what is foreign in a record, and swallow what a filter or handler raises.

Every module logs by `logger`, and never by `logging.getLogger`.
"""

import logging
import sys
import traceback
from types import TracebackType
from typing import Final, TypeAlias

from .text import SENTENCE, lines, one_line

_ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None] | None
# The frames between the caller of a method here and the logger, which a record must not name as its origin.
_OUR_FRAMES: Final = 4


class FencedLogger:
    """A logger that raises nothing but `KeyboardInterrupt` and `SystemExit`.

    A record names the line that called, as one of `logging.Logger` does. Its arguments and its `exc_text` are escaped
    and cut; its `exc_info` has the exception itself.

    Args:
        logger: The logger of the standard library that gets the records.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, message: str, *args: object, exc_info: bool = False) -> None:
        """Log at the level DEBUG."""
        self._log(logging.DEBUG, message, args, exc_info=exc_info)

    def warning(self, message: str, *args: object, exc_info: bool = False) -> None:
        """Log at the level WARNING."""
        self._log(logging.WARNING, message, args, exc_info=exc_info)

    def exception(self, message: str, *args: object) -> None:
        """Log at the level ERROR, with the exception that is being handled."""
        self._log(logging.ERROR, message, args, exc_info=True)

    def log(self, level: int, message: str, *args: object, exc_info: bool = False) -> None:
        """Log at any level."""
        self._log(level, message, args, exc_info=exc_info)

    def keep_off_stderr(self) -> None:
        """Print no warnings to stderr where the program has configured no logging."""
        self._logger.addHandler(logging.NullHandler())

    def _log(self, level: int, message: str, args: tuple[object, ...], *, exc_info: bool) -> None:
        try:
            if self._logger.isEnabledFor(level):
                self._handle(level, message, args, sys.exc_info() if exc_info else None)
        except (KeyboardInterrupt, SystemExit):
            raise
        # Also a CancelledError, which cancels nothing here, and the BaseException by which a test framework fails.
        # It is not reported either: the logger is what has just failed.
        except BaseException:  # noqa: S110
            pass

    def _handle(self, level: int, message: str, args: tuple[object, ...], raised: _ExcInfo) -> None:
        place, line, function, _ = self._logger.findCaller(stacklevel=_OUR_FRAMES)
        shown = tuple(arg if isinstance(arg, int | float) else one_line(arg, SENTENCE) for arg in args)
        record = self._logger.makeRecord(self._logger.name, level, place, line, message, shown, raised, function)
        if raised is not None:
            # Formatters take it as it is: by themselves they would write the exceptions' texts as they came.
            record.exc_text = lines("".join(traceback.format_exception(*raised)).rstrip("\n"))
        self._logger.handle(record)


logger: Final = FencedLogger(logging.getLogger("opentrain_async"))
