"""A journal on the disk: whose it is, what may be in its place, and what a disk can do to it."""

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opentrain_async import Journal, OutcomeStatus, PublishOutcome, SQLiteLedger
from opentrain_async._publish.journal.file import JournalFile
from opentrain_async._publish.journal.lines import line_of
from opentrain_async.errors import (
    ConfigurationError,
    JournalError,
)
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.disks import folder_for_everybody, full_disk, read_only
from ..support.journals import AT, SERVICE


async def test_a_journal_behind_a_link_is_the_same_journal(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """Whoever has it by its own name has it for all."""
    link = journal_path.with_name("latest.jsonl")
    journal_path.touch()
    link.symlink_to(journal_path)
    holding = JournalFile(journal_path, SERVICE)
    with pytest.raises(JournalError, match="another run"):
        await connect(sandbox).publish_many([sandbox.draft()], journal=link)
    holding.close()
    await connect(sandbox).publish_many([sandbox.draft()], journal=link)
    assert link.is_symlink()
    assert len(Journal.open(journal_path)) == 1


def test_F25_a_child_that_was_forked_meanwhile_does_not_keep_the_journal(journal_path: Path) -> None:
    """It has the same open file for as long as it lives, as a second descriptor here."""
    holding = JournalFile(journal_path, SERVICE)
    inherited = os.dup(holding._file)
    holding.close()
    JournalFile(journal_path, SERVICE).close()
    os.close(inherited)


def test_F25_a_file_that_is_not_a_journal_is_not_kept_either(journal_path: Path) -> None:
    """The lock goes with the error."""
    journal_path.write_text("something else\n")
    with pytest.raises(JournalError, match="not of a journal"):
        JournalFile(journal_path, SERVICE)
    journal_path.write_text("")
    JournalFile(journal_path, SERVICE).close()


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
async def test_a_file_of_the_ledger_is_no_journal(sandbox: Sandbox, connect: Connect, tmp_path: Path, end: str) -> None:
    """SQLite would take an empty one for its own, or delete it when it closes."""
    linked = tmp_path / "linked"
    linked.symlink_to(tmp_path)
    async with SQLiteLedger(tmp_path / "q.db") as ledger:
        client = connect(sandbox, ledger=ledger)
        for path in (tmp_path / f"q.db{end}", linked / f"q.db{end}"):
            with pytest.raises(ConfigurationError, match="journal is a file of the quota ledger: name another one"):
                await client.publish_many([sandbox.draft()], journal=path)
        await client.publish_many([sandbox.draft()], journal=tmp_path / "q.db.jsonl")
    assert len(sandbox.requests) == 1


async def test_F25_a_journal_under_two_names_is_one_journal(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """By whichever of its hard links a run has it: the other is refused, and nothing is left beside it."""
    other = journal_path.with_name("other.jsonl")
    journal_path.touch()
    other.hardlink_to(journal_path)
    holding = JournalFile(journal_path, SERVICE)
    with pytest.raises(JournalError, match=r"another run has the journal .*other.jsonl: one that has it by another"):
        await connect(sandbox).publish_many([sandbox.draft()], journal=other)
    assert sandbox.requests == []
    assert not other.with_name("other.jsonl.lock").exists()
    assert len(Journal.open(other)) == 0
    holding.close()
    await connect(sandbox).publish_many([sandbox.draft()], journal=other)
    assert len(Journal.open(journal_path)) == 1


@pytest.mark.parametrize("target", ["run.jsonl", "missing.jsonl"])
async def test_a_link_that_leads_nowhere_is_no_place_for_a_journal(
    sandbox: Sandbox, connect: Connect, journal_path: Path, target: str
) -> None:
    """Nothing is made where it leads, and nothing is sent; a plan by it is refused as the run would be."""
    journal_path.symlink_to(target)
    client, job_id = connect(sandbox), sandbox.draft()
    with pytest.raises(JournalError, match=r"cannot be opened: .*run\.jsonl is a link that leads nowhere"):
        await client.publish_many([job_id], journal=journal_path)
    with pytest.raises(JournalError, match=r"cannot be read: .* leads nowhere"):
        await client.plan([job_id], journal=journal_path)
    assert (sandbox.requests, list(journal_path.parent.iterdir())) == ([], [journal_path])


async def test_a_journal_in_the_home_folder_is_found(
    sandbox: Sandbox, connect: Connect, journal_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tilde stands for that; without a home folder the run is refused."""
    monkeypatch.setenv("HOME", str(journal_path.parent))
    client = connect(sandbox)
    report = await client.publish_many([sandbox.draft()], journal="~/run.jsonl")
    assert list(Journal.open("~/run.jsonl")) == list(Journal.open(journal_path)) == list(report.outcomes)
    monkeypatch.setenv("HOME", "")
    with pytest.raises(ConfigurationError, match="journal: the home folder is not known"):
        await client.publish_many([sandbox.draft()], journal="~/run.jsonl")


@pytest.mark.parametrize("kind", ["file", "link", "folder", "pipe"])
async def test_what_stands_in_the_place_of_the_lock_is_left_alone(
    sandbox: Sandbox, connect: Connect, journal_path: Path, kind: str
) -> None:
    """A file that happens to have that name is neither emptied nor removed, and a pipe is not waited for."""
    lock, other = journal_path.with_name("run.jsonl.lock"), journal_path.with_name("other")
    other.write_text("precious")
    match kind:
        case "file":
            lock.write_text("precious")
        case "link":
            lock.symlink_to(other)
        case "folder":
            lock.mkdir()
        case _:
            os.mkfifo(lock)
    with pytest.raises(JournalError, match=r"in the way|cannot be opened"):
        await connect(sandbox).publish_many([sandbox.draft()], journal=journal_path)
    assert lock.exists()
    assert (lock if kind in {"file", "link"} else other).read_text() == "precious"
    assert sandbox.requests == []


def test_F24_a_torn_line_is_gone_before_the_disk_is_tried(journal_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at any moment of its opening, a journal is one: with the byte behind it a torn line would be none."""
    good = line_of(PublishOutcome("job_1", OutcomeStatus.DEFERRED), AT, SERVICE)
    journal_path.write_bytes(good + good[:50])
    states = []
    for name in ("fsync", "ftruncate", "write"):
        really = getattr(os, name)

        def spied(*arguments: object, really: Callable[..., object] = really) -> object:
            done = really(*arguments)
            states.append(journal_path.read_bytes())
            return done

        monkeypatch.setattr(os, name, spied)
    JournalFile(journal_path, SERVICE).close()
    monkeypatch.undo()
    for state in states:
        journal_path.write_bytes(state)
        assert len(Journal.open(journal_path)) == 1


@pytest.mark.parametrize("special", ["/dev/null", "/dev/full", "/dev/zero"])
def test_a_device_is_no_journal_to_read(special: str) -> None:
    """Nobody reads one to its end."""
    with pytest.raises(JournalError, match="is a device, not a regular file"):
        Journal.open(special)


async def test_F24_a_run_that_was_killed_as_it_began_leaves_a_journal(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """The byte with which the disk is tried, and never taken back, is no line; nor is it for who reads meanwhile."""
    client, ids = connect(sandbox), [sandbox.draft() for _ in range(2)]
    journal_path.write_text("\n")
    assert len(Journal.open(journal_path)) == 0
    await client.publish_many(ids[:1], journal=journal_path)
    with journal_path.open("a") as file:
        file.write("\n")
    await client.publish_many(ids, journal=journal_path)
    assert [outcome.job_id for outcome in Journal.open(journal_path)] == ids


@pytest.mark.parametrize(
    "content",
    ["job_1", "job_1\njob_2\n", "{}\n", '{"job_id": "a"}\n', '{"x', "\0\n", '{"job_id": "a"' + " " * 2**20 + "}\n"],
)
async def test_a_file_that_is_no_journal_is_left_as_it_is(
    sandbox: Sandbox, connect: Connect, journal_path: Path, content: str
) -> None:
    """A list of ids in its place is neither cut off nor added to, and nothing is sent."""
    journal_path.write_text(content)
    with pytest.raises(JournalError, match=r"line 1 of .*run.jsonl is not of a journal"):
        await connect(sandbox).publish_many([sandbox.draft()], journal=journal_path)
    with pytest.raises(JournalError, match="is not of a journal"):
        Journal.open(journal_path)
    assert journal_path.read_text() == content
    assert (sandbox.requests, list(journal_path.parent.iterdir())) == ([], [journal_path])


async def test_what_cannot_be_a_journal_is_refused_before_anything_is_sent(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """A folder that is missing, a folder in its place, and what is no file."""
    client, job_id = connect(sandbox), sandbox.draft()
    os.mkfifo(journal_path.with_name("pipe"))
    for bad, why in [
        (journal_path / "deeper", "No such file or directory"),
        (journal_path.parent, "is a folder, not a regular file"),
        (journal_path.with_name("pipe"), "pipe is a FIFO, not a regular file"),
    ]:
        with pytest.raises(JournalError, match=why):
            await client.publish_many([job_id], journal=bad)
        with pytest.raises(JournalError, match=why):
            async with client.publish_stream([job_id], journal=bad):
                pass
    with pytest.raises(JournalError, match="cannot be read: No such file"):
        Journal.open(journal_path)
    for nonsense in (7, b"x", "", "a\0b", ".", "/"):
        with pytest.raises(ConfigurationError, match="journal has to be the path of a file"):
            await client.publish_many([job_id], journal=nonsense)  # type: ignore[arg-type]
    assert sandbox.requests == []


async def test_F25_a_second_run_on_a_journal_is_refused_and_told_whose_it_is(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """In this process or another one; when the first run has ended the journal is free."""
    client, job_id = connect(sandbox), sandbox.draft()
    holding = JournalFile(journal_path, SERVICE)
    with pytest.raises(JournalError, match=rf"another run has the journal .*run.jsonl: process {os.getpid()} on "):
        await client.publish_many([job_id], journal=journal_path)
    other = await asyncio.to_thread(_elsewhere, f"JournalFile(Path({str(journal_path)!r}), {SERVICE!r})")
    assert f"another run has the journal {journal_path}: process {os.getpid()} on " in other.stderr
    journal_path.with_name("run.jsonl.lock").write_text("")
    with pytest.raises(JournalError, match="one that has only begun"):
        await client.publish_many([job_id], journal=journal_path)
    assert sandbox.requests == []
    holding.close()
    assert len((await client.publish_many([job_id], journal=journal_path)).published) == 1


def _elsewhere(code: str) -> "subprocess.CompletedProcess[str]":
    imports = (
        "import os, signal; from pathlib import Path; from opentrain_async._publish.journal.file import JournalFile; "
        "from opentrain_async._publish.journal.account import JournalAccount; "
    )
    return subprocess.run([sys.executable, "-c", imports + code], capture_output=True, text=True, check=False)


def test_F25_a_run_that_was_killed_leaves_its_journal_free(journal_path: Path) -> None:
    """The lock goes with the process, whatever the file beside the journal says."""
    _elsewhere(f"JournalFile(Path({str(journal_path)!r}), {SERVICE!r}); os.kill(os.getpid(), signal.SIGKILL)")
    assert journal_path.with_name("run.jsonl.lock").exists()
    JournalFile(journal_path, SERVICE).close()
    assert not journal_path.with_name("run.jsonl.lock").exists()


def test_a_lock_that_was_taken_away_meanwhile_is_taken_anew(
    journal_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who opened the file just before its owner removed it does not have the journal with that."""
    lock, opened = journal_path.with_name("run.jsonl.lock"), []
    really_open = os.open

    def open_and_lose(name: Path, flags: int, mode: int = 0o777) -> int:
        file = really_open(name, flags, mode)
        if name == lock:
            opened.append(file)
            if len(opened) == 1:
                lock.unlink()
        return file

    monkeypatch.setattr(os, "open", open_and_lose)
    holding = JournalFile(journal_path, SERVICE)
    assert len(opened) == 2
    with pytest.raises(JournalError, match="another run"):
        JournalFile(journal_path, SERVICE)
    holding.close()


def test_a_platform_without_such_locks_has_no_journal(journal_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and leaves nothing behind."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(JournalError, match="file locks"):
        JournalFile(journal_path, SERVICE)
    assert list(journal_path.parent.iterdir()) == []


@pytest.mark.parametrize("room", [0, 700])
async def test_F24_a_full_disk_stops_a_run_before_more_is_sent(
    sandbox: Sandbox, connect: Connect, journal_path: Path, room: int
) -> None:
    """Full at the beginning, nothing is sent; full in the middle, no draft is begun after that. The report is true."""
    client, ids = connect(sandbox, daily_limit=20), [sandbox.draft() for _ in range(9)]
    with full_disk(room):
        if room:
            report = await client.publish_many(ids, concurrency=1, journal=journal_path)
        else:
            with pytest.raises(JournalError, match="File too large"):
                await client.publish_many(ids, concurrency=1, journal=journal_path)
    if not room:
        assert sandbox.requests == []
        return
    assert isinstance(report.stopped_by, JournalError)
    assert 1 <= len(sandbox.requests) == len(report.published) < 5
    assert len(report.not_sent) == 9 - len(report.published)
    assert len(Journal.open(journal_path)) == len(report.published) - 1
    assert len((await client.publish_many(ids, journal=journal_path)).outcomes) == 9
    assert len(sandbox.live) == 9


def test_F24_a_journal_that_cannot_grow_is_found_out_when_it_is_opened(journal_path: Path) -> None:
    """Where there is room for the lock, and none for a line; the lock is gone then, and what is there stays."""
    good = line_of(PublishOutcome("job_1", OutcomeStatus.DEFERRED), AT, SERVICE)
    journal_path.write_bytes(good * 3)
    with full_disk(len(good) * 2), pytest.raises(JournalError, match="cannot be written: File too large"):
        JournalFile(journal_path, SERVICE)
    assert (list(journal_path.parent.iterdir()), journal_path.read_bytes()) == ([journal_path], good * 3)


@pytest.mark.parametrize("begun", [True, False])
async def test_F24_a_file_that_may_not_be_written_is_found_out_before_anything_is_sent(
    sandbox: Sandbox, connect: Connect, begun: bool
) -> None:
    """The run raises what is wrong, and no request arrives; whether there is a journal to go on with or not."""
    client, job_id = connect(sandbox), sandbox.draft()
    with folder_for_everybody() as folder:
        journal_path = folder / "run.jsonl"
        if begun:
            journal_path.write_text("")
        with read_only(folder), pytest.raises(JournalError, match="Permission denied"):
            await client.publish_many([job_id], journal=journal_path)
        assert sandbox.requests == []
        assert len((await client.publish_many([job_id], journal=journal_path)).published) == 1


async def test_F24_what_the_disk_does_not_take_at_the_end_stops_a_run_too(
    sandbox: Sandbox, connect: Connect, journal_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full, or broken, may say so only when it is asked to have all of it: then that is not there."""
    really_sync = os.fsync

    def sync(file: int) -> None:
        if journal_path.exists() and journal_path.stat().st_size > 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        really_sync(file)

    monkeypatch.setattr(os, "fsync", sync)
    ids = [sandbox.draft() for _ in range(4)]
    report = await connect(sandbox).publish_many(ids, concurrency=1, journal=journal_path)
    assert isinstance(report.stopped_by, JournalError)
    assert (len(report.published), len(report.not_sent), len(sandbox.requests)) == (1, 3, 1)
