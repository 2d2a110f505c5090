"""The log of the package: its records are as any logger's, and what a program's filter raises stays there."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opentrain_async._base.fenced_log import FencedLogger, logger

from ..support.raw import HOSTILE, assert_harmless

NAME = "opentrain_async"


class FailedByFramework(BaseException):
    """What a test framework raises to fail a test."""


class Raising(logging.Filter):
    """A filter that raises."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def filter(self, record: logging.LogRecord) -> bool:
        raise self.error


class RaisingHandler(logging.Handler):
    """A handler that raises."""

    def handle(self, record: logging.LogRecord) -> bool:
        raise RuntimeError("the handler is broken")


@pytest.fixture
def filtered() -> Iterator[Callable[[BaseException], None]]:
    """Makes the package's logger have a filter that raises."""
    ours, filters = logging.getLogger(NAME), []

    def add(error: BaseException) -> None:
        filters.append(Raising(error))
        ours.addFilter(filters[-1])

    yield add
    for added in filters:
        ours.removeFilter(added)


def log_in_all_ways(to: FencedLogger) -> None:
    """One record by each method."""
    to.debug("%s", "a")
    to.log(logging.INFO, "%s", "c")
    try:
        raise KeyError("of b and d")
    except KeyError:
        to.warning("%s", "b", exc_info=True)
        to.exception("%s", "d")


def test_records_are_those_of_the_package_s_logger(caplog: pytest.LogCaptureFixture) -> None:
    """With their levels, their exceptions, and the line that called as their origin."""
    caplog.set_level(logging.DEBUG, logger=NAME)
    log_in_all_ways(logger)
    assert [(r.name, r.levelname, r.getMessage()) for r in caplog.records] == [
        (NAME, "DEBUG", "a"),
        (NAME, "INFO", "c"),
        (NAME, "WARNING", "b"),
        (NAME, "ERROR", "d"),
    ]
    assert [r.exc_info and repr(r.exc_info[1]) for r in caplog.records] == [
        None,
        None,
        "KeyError('of b and d')",
        "KeyError('of b and d')",
    ]
    assert {(r.funcName, Path(r.pathname)) for r in caplog.records} == {("log_in_all_ways", Path(__file__))}


def test_F70_a_record_shows_nothing_raw(caplog: pytest.LogCaptureFixture) -> None:
    """Its arguments are escaped and cut, and so are the texts of exceptions, with their causes and notes."""
    caplog.set_level(logging.DEBUG, logger=NAME)
    try:
        try:
            raise LookupError(HOSTILE)
        except LookupError as first:
            error = ValueError(HOSTILE)
            error.add_note(HOSTILE)
            raise error from first
    except ValueError as raised:
        logger.warning("%d, %.1f: %s", 5, 0.25, raised, exc_info=True)
        logger.exception("%s raised", HOSTILE)
    for record in caplog.records:
        text = logging.Formatter().format(record)
        assert_harmless(record.getMessage())
        assert_harmless(text, may_begin_a_line=True)
        assert "Traceback" in text
    assert caplog.records[0].getMessage().startswith("5, 0.2: ")


def test_a_traceback_without_end_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    """Of each line its beginning is left, and of the lines the first thousand."""
    try:
        raise ValueError("x" * 1_000_000 + "\n" * 1_000_000)
    except ValueError:
        logger.exception("raised")
    assert caplog.records[0].exc_text is not None
    assert len(caplog.records[0].exc_text) < 10_000


def test_a_level_that_is_off_makes_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arguments are not even looked at."""
    ours = logging.getLogger(NAME)
    monkeypatch.setattr(ours, "level", logging.ERROR)
    monkeypatch.setattr(ours, "_cache", {})
    monkeypatch.setattr(ours, "makeRecord", lambda *_, **__: pytest.fail("a record"))
    logger.warning("%s", "not seen")


@pytest.mark.parametrize(
    "error",
    [RuntimeError("no context"), LookupError(), asyncio.CancelledError(), GeneratorExit(), FailedByFramework()],
    ids=lambda error: type(error).__name__,
)
def test_F64_a_filter_that_raises_ends_nothing(
    filtered: Callable[[BaseException], None], caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """Neither an exception nor what cancels a task or fails a test elsewhere leaves the call."""
    caplog.set_level(logging.DEBUG, logger=NAME)
    filtered(error)
    log_in_all_ways(logger)
    assert caplog.records == []


def test_F64_a_handler_that_raises_ends_nothing() -> None:
    """Nor does a logger that is no good at all."""
    alone = logging.Logger("alone")
    alone.addHandler(RaisingHandler())
    log_in_all_ways(FencedLogger(alone))
    alone.manager = None  # type: ignore[assignment]
    log_in_all_ways(FencedLogger(alone))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)], ids=lambda error: type(error).__name__)
def test_what_ends_the_program_is_let_through(filtered: Callable[[BaseException], None], error: BaseException) -> None:
    """A Ctrl-C may come while a filter runs."""
    filtered(error)
    with pytest.raises(type(error)) as caught:
        logger.warning("stop")
    assert caught.value is error


def test_warnings_can_be_kept_off_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """For a program that prints by itself what a person needs."""
    alone = logging.Logger("alone")
    fenced = FencedLogger(alone)
    fenced.warning("seen")
    fenced.keep_off_stderr()
    fenced.warning("not seen")
    assert capsys.readouterr().err == "seen\n"
