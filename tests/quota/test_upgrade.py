"""An upgrade: the version before format 2 and this one, on one ledger, in one day."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ..support.peers import Call, answer, job_of, live, peer, server_tls
from ..support.servers import KINDS_OF_REDIS, RedisServer
from ..support.upgrade import EARLIER_COMMIT, THIS_VERSION, Process, process_of, unpack_earlier

_LIMIT = 20
_REFUSAL = answer(
    {"error": "no more today", "details": {"limit": _LIMIT, "windowHours": 24}}, status="429 Too Many Requests"
)


def drafts(first: int, count: int) -> list[str]:
    """Return that many ids from that number on."""
    return [f"job_{number}" for number in range(first, first + count)]


@pytest.mark.parametrize("kind", ["sqlite", *KINDS_OF_REDIS])
@pytest.mark.parametrize("account", ["acme", None])
async def test_two_versions_on_one_ledger_never_publish_more_than_the_limit(
    kind: str, account: str | None, tmp_path: Path, redis_of_kind: Callable[[str], RedisServer]
) -> None:
    """The newer one continues the day. The earlier one refuses from then on, names the newer one, and sends nothing."""
    published: list[str] = []

    async def behave(call: Call) -> None:
        if len(published) >= _LIMIT:
            call.writer.write(_REFUSAL)
        else:
            published.append(job_of(call))
            call.writer.write(answer(live(published[-1])))

    earlier = unpack_earlier(tmp_path / "earlier")
    ledger = str(tmp_path / "quota.sqlite3") if kind == "sqlite" else redis_of_kind(kind).url
    async with peer(behave, tls=server_tls(tmp_path)) as server:
        async with process_of(earlier, ledger, account, server.port) as old:
            assert await old.publish(drafts(0, 12)) == (["published"] * 12, None)
            async with process_of(THIS_VERSION, ledger, account, server.port) as new:
                assert await new.publish(drafts(12, 15)) == (["published"] * 8 + ["deferred"] * 7, None)
            await refuses(old)
        async with process_of(earlier, ledger, account, server.port) as old_anew:
            await refuses(old_anew)
        assert (len(published), len(server.calls)) == (_LIMIT, _LIMIT)


async def refuses(old: Process) -> None:
    """Check that an earlier version sends nothing, and says why."""
    statuses, stopped_by = await old.publish(drafts(30, 3))
    assert statuses == ["not_sent"] * 3
    assert stopped_by is not None
    assert "something that a newer version of opentrain_async wrote" in stopped_by


def test_the_earlier_version_is_the_one_of_its_commit(tmp_path: Path) -> None:
    """File by file, where there is a history to compare it with."""
    root = Path(__file__).parents[2]
    listed = ["git", "ls-tree", "-r", EARLIER_COMMIT, "opentrain_async/"]
    history = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=False)
    if history.returncode:
        pytest.skip("this checkout has no history")
    blobs = {path: about.split()[2] for about, path in (line.split("\t") for line in history.stdout.splitlines())}
    files = [
        path for path in unpack_earlier(tmp_path).rglob("*") if path.is_file() and path.suffix in {".py", ".typed"}
    ]
    hashed = subprocess.run(
        ["git", "hash-object", *map(str, files)], cwd=root, capture_output=True, text=True, check=True
    ).stdout.split()
    named = dict(zip((path.relative_to(tmp_path).as_posix() for path in files), hashed, strict=True))
    assert named == {path: blob for path, blob in blobs.items() if not path.endswith("/LICENSE")}
