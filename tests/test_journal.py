"""A run's journal: what is in it, when, whose it is, and how a run goes on with it."""

import asyncio
import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async import AsyncOpenTrain, Journal, OutcomeStatus, PublishOutcome, PublishResult
from opentrain_async import errors as all_errors
from opentrain_async._journal import JournalWriter
from opentrain_async._journal_file import JournalFile
from opentrain_async._journal_lines import Line, NotALineError, line_of, read_line
from opentrain_async.errors import (
    AuthenticationError,
    ConfigurationError,
    JournalError,
    NotPublishReadyError,
    OpenTrainError,
    ServerError,
)
from opentrain_async.models import SideEffects
from opentrain_async.sandbox import Fault, Sandbox

from .disks import folder_for_everybody, full_disk, read_only
from .peers import AT_ONCE
from .test_errors import CLASSES, full
from .virtual import VirtualClock
from .waiting import until

Connect = Callable[..., AsyncOpenTrain]
SERVICE = "https://app.opentrain.ai"
AT = datetime(2026, 11, 25, 12, 30, 15, tzinfo=UTC)
RESULT = PublishResult(
    "job_1", True, job_url="https://x/job_1", publish_attempt_id="p1", warnings=("w\x1b",),
    side_effects=SideEffects(True, "queued"), newly_published=True, body=b'{"ok": true}',
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be."""
    return tmp_path / "run.jsonl"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_comes_back_as_what_it_was(kind: type[OpenTrainError]) -> None:
    """Class, text, effect and facts; all on one line of ASCII without a control character."""
    before = PublishOutcome("job\n\x1b[31m", OutcomeStatus.UNKNOWN, error=full(kind), attempts=3, retry_at=AT)
    line = line_of(before, AT, SERVICE)
    assert line.endswith(b"\n")
    assert line[:-1].isascii()
    assert line[:-1].decode().isprintable()
    after = read_line(line).outcome
    assert (after.job_id, after.status, after.attempts, after.retry_at) == (
        before.job_id, before.status, 3, AT,
    )  # fmt: skip
    assert type(after.error) is kind
    assert kind is NotPublishReadyError or str(after.error) == str(before.error)
    left_out = {"raw", "validation"}
    assert before.error is not None
    assert {name: value for name, value in vars(after.error).items() if name not in left_out} == {
        name: value for name, value in vars(before.error).items() if name not in left_out
    }


def test_a_result_comes_back_as_it_was() -> None:
    """All but its body, which is no part of what it is."""
    before = PublishOutcome("job_1", OutcomeStatus.PUBLISHED, result=RESULT, attempts=2)
    assert read_line(line_of(before, AT, SERVICE)).outcome == before
    assert json.loads(line_of(before, AT, SERVICE))["at"] == "2026-11-25T12:30:15+00:00"


def test_the_gaps_of_a_draft_come_back() -> None:
    """They are read from the details once more; details without end are left out."""
    details = {"validation": {"missingFields": ["title", "budget"]}}
    error = NotPublishReadyError("gaps", status=400, details=details)
    after = read_line(line_of(PublishOutcome("job_1", OutcomeStatus.REJECTED, error=error), AT, SERVICE)).outcome.error
    assert isinstance(after, NotPublishReadyError)
    assert [item.field for item in after.validation.missing_fields] == ["title", "budget"]
    error.details = {"x": "y" * 20_000}
    error.message = "m" * 5_000
    line = line_of(PublishOutcome("job_1", OutcomeStatus.REJECTED, error=error), AT, SERVICE)
    assert len(line) < 2_000
    assert read_line(line).outcome.error is not None


def test_what_a_later_version_may_write_is_read() -> None:
    """Keys that are new are left out; an error that is new is an `OpenTrainError`."""
    facts = json.loads(line_of(PublishOutcome("job_1", OutcomeStatus.UNKNOWN, error=ServerError("no")), AT, SERVICE))
    facts["error"]["type"] = "WeatherError"
    facts["new"] = facts["error"]["new"] = 1
    after = read_line(json.dumps(facts).encode()).outcome.error
    assert type(after) is OpenTrainError
    assert after.message == "no"


_GOOD = json.loads(line_of(PublishOutcome("job_1", OutcomeStatus.UNKNOWN, error=ServerError("no")), AT, SERVICE))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.binary() | st.builds(lambda key, value: json.dumps(_GOOD | {key: value}).encode(),
                               st.sampled_from(sorted(_GOOD)), _JSON))  # fmt: skip
def test_whatever_a_line_is_it_is_an_outcome_or_none(line: bytes) -> None:
    """No other error ever comes of reading one."""
    with suppress(NotALineError):
        assert isinstance(read_line(line), Line)


@pytest.mark.parametrize("name", ["AsyncOpenTrain", "Effect", "_api", "__doc__"])
def test_a_line_names_no_class_but_an_error(name: str) -> None:
    """Whoever writes into the file cannot have just anything called."""
    assert hasattr(all_errors, name) or name == "AsyncOpenTrain"
    facts = _GOOD | {"error": _GOOD["error"] | {"type": name}}
    if name == "AsyncOpenTrain":
        assert type(read_line(json.dumps(facts).encode()).outcome.error) is OpenTrainError
    else:
        with pytest.raises(NotALineError):
            read_line(json.dumps(facts).encode())


async def test_a_run_writes_down_every_outcome(sandbox: Sandbox, connect: Connect, path: Path) -> None:
    """One line each, in a file for its owner alone; and it is read back as what the report says."""
    ids = [sandbox.draft() for _ in range(3)] + [sandbox.draft(missing=["experienceLevel"])]
    report = await connect(sandbox).publish_many([*ids, "no/id"], journal=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(lines(path)) == 5
    journal = Journal.open(path)
    assert [outcome.job_id for outcome in journal] == [outcome.job_id for outcome in report.outcomes]
    assert {outcome.job_id: outcome.status for outcome in journal.outcomes} == {
        outcome.job_id: outcome.status for outcome in report.outcomes
    }
    assert [journal.is_final(job_id) for job_id in [*ids, "no/id", "job_x"]] == [True] * 4 + [False] * 2
    assert repr(journal) == "<Journal of 5 drafts>"
    assert not path.with_name("run.jsonl.lock").exists()
    assert sandbox.token not in path.read_text()


async def test_an_outcome_is_on_the_disk_before_anybody_is_told(sandbox: Sandbox, connect: Connect, path: Path) -> None:
    """Whoever sees one, by callback or by stream, finds its line."""
    told = []

    def see(outcome: PublishOutcome) -> None:
        told.append(outcome.job_id in {line["job_id"] for line in lines(path)})

    client = connect(sandbox)
    await client.publish_many([sandbox.draft() for _ in range(3)], journal=path, on_outcome=see)
    async with client.publish_stream([sandbox.draft() for _ in range(3)], journal=path) as outcomes:
        async for outcome in outcomes:
            see(outcome)
    assert told == [True] * 6


async def test_a_run_goes_on_with_a_journal(sandbox: Sandbox, connect: Connect, path: Path) -> None:
    """What is live or refused is left out and reported as it was; what was deferred or is in doubt is tried."""
    ids = [sandbox.draft() for _ in range(25)]
    gaps = sandbox.draft(missing=["experienceLevel"])
    sandbox.fault(Fault.STATUS, job_id=ids[0], times=4)
    client = connect(sandbox, daily_limit=20, retry=AT_ONCE)
    first = await client.publish_many([gaps, *ids], journal=path)
    assert [len(first.published), len(first.unknown), len(first.rejected), len(first.deferred)] == [20, 1, 1, 4]
    sandbox.advance(hours=25)
    asked, told = len(sandbox.requests), list[PublishOutcome]()
    second = await client.publish_many([gaps, *ids], journal=str(path), on_outcome=told.append)
    assert [len(second.published), len(second.rejected)] == [25, 1]
    assert len(second.outcomes) == 26
    assert len(told) == len(sandbox.requests) - asked == 5
    third = [outcome async for outcome in _stream(client, [gaps, *ids], path)]
    assert third == []
    assert {job_id for job_id in ids if Journal.open(path).is_final(job_id)} == set(ids)


async def _stream(client: AsyncOpenTrain, ids: list[str], path: Path):  # type: ignore[no-untyped-def]
    async with client.publish_stream(ids, journal=path) as outcomes:
        async for outcome in outcomes:
            yield outcome


async def test_what_stopped_a_run_is_not_final_for_its_drafts(sandbox: Sandbox, connect: Connect, path: Path) -> None:
    """With a new token the run goes on where it was."""
    ids = [sandbox.draft() for _ in range(3)]
    sandbox.fault(Fault.STATUS, status=401)
    client = connect(sandbox)
    report = await client.publish_many(ids, concurrency=1, journal=path)
    assert isinstance(report.stopped_by, AuthenticationError)
    assert [line["status"] for line in lines(path)] == ["rejected", "not_sent", "not_sent"]
    assert len((await client.publish_many(ids, journal=path)).published) == 3


async def test_F24_a_torn_last_line_is_left_out(sandbox: Sandbox, connect: Connect, path: Path) -> None:
    """Wherever it was cut; a run cuts it off and writes on, and its draft is settled by asking again."""
    ids = [sandbox.draft() for _ in range(2)]
    client = connect(sandbox)
    await client.publish_many(ids, concurrency=1, journal=path)
    content = path.read_bytes()
    begins = content.index(b"\n") + 1
    for cut in range(begins, len(content), 7):
        path.write_bytes(content[:cut] + b"\0" * (cut % 2))
        assert [outcome.job_id for outcome in Journal.open(path)] == ids[:1]
    report = await client.publish_many(ids, journal=path)
    assert [outcome.status for outcome in report.outcomes] == [
        OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED,
    ]  # fmt: skip
    assert [outcome.job_id for outcome in Journal.open(path)] == ids
    assert len(lines(path)) == 2


async def test_what_another_service_has_answered_does_not_count(sandbox: Sandbox, connect: Connect, path: Path) -> None:
    """A journal of a rehearsal leaves nothing out of the real run; lines that name no service count for any."""
    async with Sandbox() as rehearsal:
        ids = [rehearsal.draft() for _ in range(2)]
        await connect(rehearsal).publish_many(ids, journal=path)
    for job_id in ids:
        sandbox.draft(job_id)
    assert len((await connect(sandbox).publish_many(ids, journal=path)).published) == 2
    assert sorted(sandbox.live) == sorted(ids)
    nameless = [json.dumps({key: line[key] for key in line if key != "service"}) for line in lines(path)]
    path.write_text("\n".join(nameless) + "\n")
    await connect(sandbox).publish_many(ids, journal=path)
    assert len(sandbox.requests) == 2


async def test_a_draft_that_is_live_stays_so_whatever_came_of_it_later(
    sandbox: Sandbox, connect: Connect, path: Path
) -> None:
    """In a stream it may come again after the run has stopped."""
    a, b = sandbox.draft(), sandbox.draft()
    sandbox.fault(Fault.STATUS, job_id=b, status=401)
    async with connect(sandbox).publish_stream([a, b, a], concurrency=1, journal=path) as outcomes:
        assert [outcome.status async for outcome in outcomes] == ["published", "rejected", "not_sent"]
    assert Journal.open(path).is_final(a)
    assert [outcome.status for outcome in Journal.open(path)] == ["published", "rejected"]


async def test_a_journal_behind_a_link_is_the_same_journal(sandbox: Sandbox, connect: Connect, path: Path) -> None:
    """Whoever has it by its own name has it for all."""
    link = path.with_name("latest.jsonl")
    path.touch()
    link.symlink_to(path)
    holding = JournalFile(path, SERVICE)
    with pytest.raises(JournalError, match="another run"):
        await connect(sandbox).publish_many([sandbox.draft()], journal=link)
    holding.close()
    await connect(sandbox).publish_many([sandbox.draft()], journal=link)
    assert link.is_symlink()
    assert len(Journal.open(path)) == 1


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
async def test_what_stands_in_the_place_of_the_lock_is_left_alone(
    sandbox: Sandbox, connect: Connect, path: Path, kind: str
) -> None:
    """A file that happens to have that name is neither emptied nor removed."""
    lock, other = path.with_name("run.jsonl.lock"), path.with_name("other")
    other.write_text("precious")
    match kind:
        case "file":
            lock.write_text("precious")
        case "link":
            lock.symlink_to(other)
        case _:
            lock.mkdir()
    with pytest.raises(JournalError, match=r"in the way|cannot be opened"):
        await connect(sandbox).publish_many([sandbox.draft()], journal=path)
    assert lock.exists()
    assert (other if kind == "folder" else lock).read_text() == "precious"
    assert sandbox.requests == []


def test_F24_a_torn_line_is_gone_before_the_disk_is_tried(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at any moment of its opening, a journal is one: with the byte behind it a torn line would be none."""
    good = line_of(PublishOutcome("job_1", OutcomeStatus.DEFERRED), AT, SERVICE)
    path.write_bytes(good + good[:50])
    states = []
    for name in ("fsync", "ftruncate", "write"):
        really = getattr(os, name)

        def spied(*arguments: object, really: Callable[..., object] = really) -> object:
            done = really(*arguments)
            states.append(path.read_bytes())
            return done

        monkeypatch.setattr(os, name, spied)
    JournalFile(path, SERVICE).close()
    monkeypatch.undo()
    for state in states:
        path.write_bytes(state)
        assert len(Journal.open(path)) == 1


@pytest.mark.parametrize("special", ["/dev/null", "/dev/full", "/dev/zero"])
def test_a_device_is_no_journal_to_read(special: str) -> None:
    """Nobody reads one to its end."""
    with pytest.raises(JournalError, match="no regular file"):
        Journal.open(special)


async def test_F24_a_run_that_was_killed_as_it_began_leaves_a_journal(
    sandbox: Sandbox, connect: Connect, path: Path
) -> None:
    """The byte with which the disk is tried, and never taken back, is no line; nor is it for who reads meanwhile."""
    client, ids = connect(sandbox), [sandbox.draft() for _ in range(2)]
    path.write_text("\n")
    assert len(Journal.open(path)) == 0
    await client.publish_many(ids[:1], journal=path)
    with path.open("a") as file:
        file.write("\n")
    await client.publish_many(ids, journal=path)
    assert [outcome.job_id for outcome in Journal.open(path)] == ids


@pytest.mark.parametrize("content", ["job_1", "job_1\njob_2\n", "{}\n", '{"job_id": "a"}\n', '{"x'])
async def test_a_file_that_is_no_journal_is_left_as_it_is(
    sandbox: Sandbox, connect: Connect, path: Path, content: str
) -> None:
    """A list of ids in its place is neither cut off nor added to, and nothing is sent."""
    path.write_text(content)
    with pytest.raises(JournalError, match=r"line 1 of .*run.jsonl is not of a journal"):
        await connect(sandbox).publish_many([sandbox.draft()], journal=path)
    with pytest.raises(JournalError, match="is not of a journal"):
        Journal.open(path)
    assert path.read_text() == content
    assert (sandbox.requests, list(path.parent.iterdir())) == ([], [path])


async def test_what_cannot_be_a_journal_is_refused_before_anything_is_sent(
    sandbox: Sandbox, connect: Connect, path: Path
) -> None:
    """A folder that is missing, a folder in its place, and what is no file."""
    client, job_id = connect(sandbox), sandbox.draft()
    os.mkfifo(path.with_name("pipe"))
    for bad, why in [
        (path / "deeper", "No such file or directory"),
        (path.parent, "Is a directory"),
        (path.with_name("pipe"), "is no regular file"),
    ]:
        with pytest.raises(JournalError, match=why):
            await client.publish_many([job_id], journal=bad)
        with pytest.raises(JournalError, match=why):
            async with client.publish_stream([job_id], journal=bad):
                pass
    with pytest.raises(JournalError, match="cannot be read: No such file"):
        Journal.open(path)
    for nonsense in (7, b"x", "", "a\0b", ".", "/"):
        with pytest.raises(ConfigurationError, match="journal has to be the path of a file"):
            await client.publish_many([job_id], journal=nonsense)  # type: ignore[arg-type]
    assert sandbox.requests == []


async def test_F25_a_second_run_on_a_journal_is_refused_and_told_whose_it_is(
    sandbox: Sandbox, connect: Connect, path: Path
) -> None:
    """In this process or another one; when the first run has ended the journal is free."""
    client, job_id = connect(sandbox), sandbox.draft()
    holding = JournalFile(path, SERVICE)
    with pytest.raises(JournalError, match=rf"another run has the journal .*run.jsonl: process {os.getpid()} on "):
        await client.publish_many([job_id], journal=path)
    other = await asyncio.to_thread(_elsewhere, f"JournalFile(Path({str(path)!r}), {SERVICE!r})")
    assert f"another run has the journal {path}: process {os.getpid()} on " in other.stderr
    path.with_name("run.jsonl.lock").write_text("")
    with pytest.raises(JournalError, match="one that has only begun"):
        await client.publish_many([job_id], journal=path)
    assert sandbox.requests == []
    holding.close()
    assert len((await client.publish_many([job_id], journal=path)).published) == 1


def _elsewhere(code: str) -> "subprocess.CompletedProcess[str]":
    imports = "import os, signal; from pathlib import Path; from opentrain_async._journal_file import JournalFile; "
    return subprocess.run([sys.executable, "-c", imports + code], capture_output=True, text=True, check=False)


def test_F25_a_run_that_was_killed_leaves_its_journal_free(path: Path) -> None:
    """The lock goes with the process, whatever the file beside the journal says."""
    _elsewhere(f"JournalFile(Path({str(path)!r}), {SERVICE!r}); os.kill(os.getpid(), signal.SIGKILL)")
    assert path.with_name("run.jsonl.lock").exists()
    JournalFile(path, SERVICE).close()
    assert not path.with_name("run.jsonl.lock").exists()


def test_a_lock_that_was_taken_away_meanwhile_is_taken_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who opened the file just before its owner removed it does not have the journal with that."""
    lock, opened = path.with_name("run.jsonl.lock"), []
    really_open = os.open

    def open_and_lose(name: Path, flags: int, mode: int = 0o777) -> int:
        file = really_open(name, flags, mode)
        if name == lock:
            opened.append(file)
            if len(opened) == 1:
                lock.unlink()
        return file

    monkeypatch.setattr(os, "open", open_and_lose)
    holding = JournalFile(path, SERVICE)
    assert len(opened) == 2
    with pytest.raises(JournalError, match="another run"):
        JournalFile(path, SERVICE)
    holding.close()


def test_a_platform_without_such_locks_has_no_journal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and leaves nothing behind."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(JournalError, match="file locks"):
        JournalFile(path, SERVICE)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("room", [0, 700])
async def test_F24_a_full_disk_stops_a_run_before_more_is_sent(
    sandbox: Sandbox, connect: Connect, path: Path, room: int
) -> None:
    """Full at the beginning, nothing is sent; full in the middle, no draft is begun after that. The report is true."""
    client, ids = connect(sandbox, daily_limit=20), [sandbox.draft() for _ in range(9)]
    with full_disk(room):
        if room:
            report = await client.publish_many(ids, concurrency=1, journal=path)
        else:
            with pytest.raises(JournalError, match="File too large"):
                await client.publish_many(ids, concurrency=1, journal=path)
    if not room:
        assert sandbox.requests == []
        return
    assert isinstance(report.stopped_by, JournalError)
    assert 1 <= len(sandbox.requests) == len(report.published) < 5
    assert len(report.not_sent) == 9 - len(report.published)
    assert len(Journal.open(path)) == len(report.published) - 1
    assert len((await client.publish_many(ids, journal=path)).outcomes) == 9
    assert len(sandbox.live) == 9


@pytest.mark.parametrize("begun", [True, False])
async def test_F24_a_file_that_may_not_be_written_is_found_out_before_anything_is_sent(
    sandbox: Sandbox, connect: Connect, begun: bool
) -> None:
    """The run raises what is wrong, and no request arrives; whether there is a journal to go on with or not."""
    client, job_id = connect(sandbox), sandbox.draft()
    with folder_for_everybody() as folder:
        path = folder / "run.jsonl"
        if begun:
            path.write_text("")
        with read_only(folder), pytest.raises(JournalError, match="Permission denied"):
            await client.publish_many([job_id], journal=path)
        assert sandbox.requests == []
        assert len((await client.publish_many([job_id], journal=path)).published) == 1


async def test_lines_that_come_while_others_are_written_follow_together(
    path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their order, and with far fewer syncs than lines."""
    syncs: list[int] = []
    monkeypatch.setattr(os, "fsync", syncs.append)
    writer = JournalWriter(path, SERVICE, clock)
    await writer.open()
    syncs.clear()
    outcomes = [PublishOutcome(f"job_{number}", OutcomeStatus.DEFERRED) for number in range(100)]
    await asyncio.gather(*(writer.write(outcome) for outcome in outcomes))
    await writer.close()
    await writer.close()
    assert [line["job_id"] for line in lines(path)] == [outcome.job_id for outcome in outcomes]
    assert len(syncs) == 2


async def test_a_run_that_is_cancelled_writes_down_what_it_knows(
    sandbox: Sandbox, connect: Connect, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outcomes that were on their way to the disk get there, and the journal is free then."""
    stuck, really_sync = asyncio.Event(), os.fsync
    loop = asyncio.get_running_loop()

    def sync(file: int) -> None:
        if path.exists() and path.stat().st_size > 1:
            loop.call_soon_threadsafe(stuck.set)
        really_sync(file)

    monkeypatch.setattr(os, "fsync", sync)
    ids = [sandbox.draft() for _ in range(3)]
    run = asyncio.create_task(connect(sandbox, daily_limit=20).publish_many(ids, journal=path))
    await stuck.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert {line["job_id"] for line in lines(path)} == set(sandbox.live)
    JournalFile(path, SERVICE).close()


async def test_a_run_cancelled_while_it_opens_its_journal_lets_it_go(
    sandbox: Sandbox, connect: Connect, path: Path
) -> None:
    """Whether it had it already or not."""
    for times in (1, 2):
        run = asyncio.create_task(connect(sandbox).publish_many([sandbox.draft()], journal=path))
        for _ in range(times):
            await asyncio.sleep(0)
            run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await until(lambda: is_free(path))
    assert sandbox.requests == []


def is_free(path: Path) -> bool:
    """Whether a run can have that journal now."""
    with suppress(JournalError):
        JournalFile(path, SERVICE).close()
        return True
    return False


async def test_a_run_cancelled_while_it_opens_what_is_no_journal_is_cancelled(
    sandbox: Sandbox, connect: Connect, path: Path
) -> None:
    """That it could not have had it is nobody's business then."""
    path.write_text("job_1\n")
    run = asyncio.create_task(connect(sandbox).publish_many([sandbox.draft()], journal=path))
    await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_a_stream_left_at_once_lets_its_journal_go(sandbox: Sandbox, connect: Connect, path: Path) -> None:
    """Also where the run itself had no time to begin."""
    async with connect(sandbox).publish_stream([sandbox.draft()], journal=path):
        assert path.with_name("run.jsonl.lock").exists()
    JournalFile(path, SERVICE).close()


async def test_F24_what_cannot_be_written_at_the_end_is_logged(
    path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A cancelled run stays a cancelled run."""
    writer = JournalWriter(path, SERVICE, clock)
    await writer.open()
    with full_disk():
        writing = [asyncio.create_task(writer.write(PublishOutcome(name, OutcomeStatus.UNKNOWN))) for name in "abc"]
        await asyncio.sleep(0)
        for task in writing:
            task.cancel()
        await asyncio.wait(writing)
        with caplog.at_level(logging.WARNING, "opentrain_async"):
            await writer.close()
    assert "is not in the journal" in caplog.text
    JournalFile(path, SERVICE).close()
