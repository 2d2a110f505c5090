"""Logging: each module logs behind the package's fence, in a form that the arguments fit."""

import ast
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import opentrain_async
from opentrain_async import AsyncOpenTrain
from opentrain_async.sandbox import Sandbox

ROOT = Path(opentrain_async.__file__).parent
METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
FENCE = ROOT / "_base" / "fenced_log.py"


def calls() -> Iterator[tuple[Path, ast.Call, str, str]]:
    """Every call of a method in the package, with the names of the object and of the method."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield path, node, ast.unparse(node.func.value), node.func.attr


def test_no_module_gets_a_logger_of_its_own() -> None:
    """What a filter of the program raises would end whatever logs by it."""
    for path in ROOT.rglob("*.py"):
        if path != FENCE:
            assert "getLogger" not in path.read_text(), path
    unfenced = [f"{path}: {ast.unparse(call)}" for path, call, owner, _ in calls() if owner == "logging"]
    assert [place for place in unfenced if not place.startswith(str(FENCE))] == []


def test_the_arguments_of_each_log_call_fit_its_message() -> None:
    """One that did not fit would be lost: the fence swallows what it raises."""
    seen = 0
    for path, call, owner, method in calls():
        if owner != "logger" or method not in METHODS:
            continue
        message, *arguments = call.args[1:] if method == "log" else call.args
        text = ast.literal_eval(message)
        assert text % ((1,) * len(arguments)), path
        seen += 1
    assert seen > 20


async def test_F64_a_run_does_not_notice_a_filter_that_raises(
    sandbox: Sandbox, connect: Callable[..., AsyncOpenTrain], monkeypatch: pytest.MonkeyPatch, journal_path: Path
) -> None:
    """Retries, refusals and callbacks that fail are logged to no one, and every draft has its outcome."""
    seen: list[str] = []

    def fail(record: logging.LogRecord) -> bool:
        seen.append(record.msg)
        raise LookupError("no request in this context")

    ids = [sandbox.draft() for _ in range(4)]
    sandbox.fault("reset", times=3)
    monkeypatch.setattr(logging.getLogger("opentrain_async"), "filters", [fail])
    client = connect(sandbox, on_event=lambda _: 1 / 0)
    report = await client.publish_many([*ids, "unknown"], journal=journal_path, on_outcome=lambda _: 1 / 0)
    assert {outcome.job_id for outcome in report.published} == set(ids)
    assert [outcome.job_id for outcome in report.rejected] == ["unknown"]
    assert any(message.startswith("trying again") for message in seen)
