"""Strange files where credentials, ledger and journal lie: refused with a clear word, and never waited for."""

import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from opentrain_async import AsyncOpenTrain, Journal, SQLiteLedger
from opentrain_async._client.account.credentials import path_of_file
from opentrain_async.errors import ConfigurationError, JournalError, OpenTrainError, QuotaLedgerError
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect

_NOBODY = 65_534
_GIB = 2**30


def _listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def _link(path: Path, target: str) -> None:
    path.symlink_to(target)


def _file(path: Path, *, mode: int = 0o600, size: int = 0, owner: int | None = None) -> None:
    path.touch()
    path.chmod(mode)
    os.truncate(path, size)
    if owner is not None:
        os.chown(path, owner, -1)


_SITUATIONS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a FIFO": (os.mkfifo, "is a FIFO, not a regular file"),
    "a socket": (_listen, "is a socket, not a regular file"),
    "a folder": (Path.mkdir, "is a folder, not a regular file"),
    "a link to an endless file": (partial(_link, target="/dev/zero"), "is a device, not a regular file"),
    "a link that leads nowhere": (partial(_link, target="missing"), "is a link that leads nowhere"),
    "a link in a circle": (lambda path: path.symlink_to(path.name), "is a link that leads nowhere"),
    "a file that a group may write": (partial(_file, mode=0o660), "other users may write to"),
    "a file that all may write": (partial(_file, mode=0o606), "other users may write to"),
    "a file of another user": (partial(_file, owner=_NOBODY), "belongs to another user"),
    "a huge file": (partial(_file, size=_GIB), "is larger than"),
}


@pytest.fixture(params=_SITUATIONS)
def put(request: pytest.FixtureRequest) -> Callable[[Path], str]:
    """Puts something in the place of a file, and returns what is said of it then."""
    if request.param == "a file of another user" and os.geteuid():
        pytest.skip("only root gives files away")
    make, said = _SITUATIONS[request.param]

    def put(path: Path) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)
        return said

    return put


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[None]:
    """Where a dangling link leads nothing is made."""
    yield
    assert not [*tmp_path.rglob("missing")]


@pytest.mark.usefixtures("untouched")
async def test_F72_where_credentials_are_looked_for(
    put: Callable[[Path], str], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The client is refused at once, nothing is registered, and what is there stays."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    said = put(path_of_file())
    before = os.lstat(path_of_file())
    with pytest.raises(ConfigurationError, match=f"the credentials file .*cli.json cannot be read: .*{said}"):
        AsyncOpenTrain()
    for force in (False, True):
        with pytest.raises(ConfigurationError, match=f"credentials .*cannot be (read|saved): .*{said}"):
            await AsyncOpenTrain.register(base_url=sandbox.url, force=force)
    assert sandbox.requests == []
    after = os.lstat(path_of_file())
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, before.st_size)


@pytest.mark.usefixtures("untouched")
async def test_F72_where_the_ledger_lies(
    put: Callable[[Path], str], sandbox: Sandbox, connect: Connect, ledger_path: Path, sqlite_store: SQLiteLedger
) -> None:
    """The run stops with the reason, and nothing is sent; with that moved away the same client goes on."""
    said = put(ledger_path)
    client, job_id = connect(sandbox, ledger=sqlite_store), sandbox.draft()
    report = await client.publish_many([job_id])
    assert isinstance(report.stopped_by, QuotaLedgerError)
    assert f"the quota ledger {ledger_path} failed: " in report.stopped_by.message
    assert said in report.stopped_by.message
    assert sandbox.requests == []
    ledger_path.rename(ledger_path.with_name("away"))
    assert len((await client.publish_many([job_id])).published) == 1


@pytest.mark.usefixtures("untouched")
async def test_F72_where_the_journal_lies(
    put: Callable[[Path], str], sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """To read it and to write it; nothing is sent, and no lock is left beside it."""
    said = put(journal_path)
    client, ids = connect(sandbox), [sandbox.draft()]
    read: list[Callable[[], Awaitable[object]]] = [
        lambda: client.publish_many(ids, journal=journal_path),
        lambda: client.plan(ids, journal=journal_path),
    ]
    for call in read:
        with pytest.raises(JournalError, match=f"the journal .*run.jsonl cannot be (read|written|opened): .*{said}"):
            await call()
    with pytest.raises(JournalError, match=said):
        Journal.open(journal_path)
    assert (sandbox.requests, [*journal_path.parent.iterdir()]) == ([], [journal_path])


@pytest.mark.parametrize("umask", [0, 0o002, 0o077])
async def test_F72_folders_that_are_made_are_the_users_alone(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, umask: int
) -> None:
    """Each level of them below the home folder, whatever the umask."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    before = os.umask(umask)
    try:
        made = await AsyncOpenTrain.register(base_url=sandbox.url)
        async with SQLiteLedger() as store, AsyncOpenTrain(ledger=store) as client:
            await client.quota()
    finally:
        os.umask(before)
    assert made.saved_to == tmp_path / ".config" / "opentrain" / "cli.json"
    modes = {path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert {path for path, mode in modes.items() if mode == 0o700} == {
        ".config", ".config/opentrain", ".local", ".local/state", ".local/state/opentrain-async",
    }  # fmt: skip
    assert {mode for path, mode in modes.items() if "." in path.rpartition("/")[2][1:]} == {0o600}


async def test_F72_without_a_home_folder_what_is_named_works(
    sandbox: Sandbox, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is not named is an error that says so."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    ids = [sandbox.draft()]
    async with SQLiteLedger(tmp_path / "q.db") as store:
        report = await connect(sandbox, ledger=store).publish_many(ids, journal=tmp_path / "run.jsonl")
    assert len(report.published) == 1
    wanting_a_home: list[Callable[[], object]] = [
        AsyncOpenTrain, SQLiteLedger, lambda: SQLiteLedger("~/q.db"), lambda: Journal.open("~/run.jsonl"),
    ]  # fmt: skip
    for call in wanting_a_home:
        with pytest.raises(OpenTrainError):
            call()
