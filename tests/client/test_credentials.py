"""The credentials file that others share: written in one step, for its owner's eyes, and never over what is theirs."""

import json
import logging
import os
import resource
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from opentrain_async._base.secret import Secret
from opentrain_async._client.account import credentials
from opentrain_async._client.account.credentials import path_of_file
from opentrain_async.errors import ConfigurationError
from opentrain_async.models import Registration

from ..support.credentials import save as write
from ..support.shown import records_of, texts_of

MADE = Registration(Secret("ot_pat_made_SECRET"), Secret("ot_clm_made_SECRET"))
URL = "https://made.test"
SAVED = {"apiToken": "ot_pat_made_SECRET", "baseUrl": URL, "claimToken": "ot_clm_made_SECRET"}
THEIRS = {"apiToken": "ot_pat_theirs", "baseUrl": "https://theirs.test"}
READER = """
import json, pathlib, sys
path, seen = pathlib.Path(sys.argv[1]), set()
print("ready", flush=True)
while len(seen) < 2 or "last" not in seen:
    seen.add(json.loads(path.read_bytes())["apiToken"])
print(*sorted(seen))
"""


def content() -> object:
    """What the file holds."""
    return json.loads(path_of_file().read_bytes())


def files() -> list[str]:
    """What is in its directory."""
    return sorted(path.name for path in path_of_file().parent.iterdir())


def test_new_credentials_are_for_the_eyes_of_their_owner() -> None:
    """The file has mode 0600 and its directory 0700, and nothing else is left behind."""
    credentials.check_writable(force=False)
    assert files() == []
    assert credentials.save(MADE, URL, force=False) == path_of_file()
    assert content() == SAVED
    assert files() == ["cli.json"]
    assert stat.S_IMODE(path_of_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(path_of_file().parent.stat().st_mode) == 0o700


def test_credentials_that_anybody_could_read_are_closed_to_them() -> None:
    """The mode of the earlier file is not taken over."""
    write(THEIRS).chmod(0o644)
    credentials.save(MADE, URL, force=True)
    assert stat.S_IMODE(path_of_file().stat().st_mode) == 0o600


@pytest.mark.parametrize("theirs", [THEIRS, {"apiToken": "ot_pat_theirs"}, {"claimToken": "ot_clm_theirs"}])
def test_the_credentials_of_others_stay(theirs: object, caplog: pytest.LogCaptureFixture) -> None:
    """Before something is sent they are a reason not to send it; after that the new ones are not saved."""
    write(theirs)
    with pytest.raises(ConfigurationError, match="which are replaced only with force"):
        credentials.check_writable(force=False)
    assert credentials.save(MADE, URL, force=False) is None
    assert content() == theirs
    assert "others have saved credentials meanwhile" in caplog.text
    credentials.check_writable(force=True)
    assert credentials.save(MADE, URL, force=True) == path_of_file()
    assert content() == SAVED


@pytest.mark.parametrize("force", [False, True])
def test_what_else_is_in_the_file_is_kept(force: bool) -> None:
    """Keys that this library does not know are another tool's, whatever they hold."""
    others = {"theme": "dark", "seen": ["a", {"b": ["c"]}], "profile": {"name": "x", "n": None}, "n": 1.5}
    write(others | (THEIRS if force else {}))
    credentials.check_writable(force=force)
    assert credentials.save(MADE, URL, force=force)
    assert content() == others | SAVED
    assert credentials.replace(MADE.claim_token, Secret("ot_pat_new"))
    assert content() == others | {"apiToken": "ot_pat_new", "baseUrl": URL}


def test_the_token_of_a_claimed_account_takes_the_place_of_the_earlier_one() -> None:
    """The claim token has done its work and goes."""
    credentials.save(MADE, URL, force=False)
    assert credentials.holds(MADE.claim_token)
    assert credentials.replace(MADE.claim_token, Secret("ot_pat_new")) == path_of_file()
    assert content() == {"apiToken": "ot_pat_new", "baseUrl": URL}
    assert not credentials.holds(MADE.claim_token)


@pytest.mark.parametrize("theirs", [None, THEIRS, THEIRS | {"claimToken": "ot_clm_theirs"}, {"claimToken": None}])
def test_the_file_of_somebody_else_is_left_alone_by_a_claim(theirs: object, caplog: pytest.LogCaptureFixture) -> None:
    """It is no failure that the new token is not saved there."""
    if theirs is not None:
        write(theirs)
    assert not credentials.holds(MADE.claim_token)
    assert credentials.replace(MADE.claim_token, Secret("ot_pat_new")) is None
    assert path_of_file().exists() == (theirs is not None)
    assert theirs is None or content() == theirs
    assert not caplog.records


def test_a_link_to_the_file_stays_one(tmp_path: Path) -> None:
    """Those who keep their settings elsewhere keep them there."""
    real = tmp_path / "dotfiles" / "opentrain.json"
    path_of_file().parent.mkdir(parents=True)
    path_of_file().symlink_to(real)
    real.parent.mkdir()
    real.write_text("{}")
    credentials.check_writable(force=False)
    assert credentials.save(MADE, URL, force=False) == real
    assert credentials.replace(MADE.claim_token, Secret("ot_pat_new")) == real
    assert path_of_file().is_symlink()
    assert content() == {"apiToken": "ot_pat_new", "baseUrl": URL}
    assert (files(), list(real.parent.iterdir())) == (["cli.json"], [real])


@pytest.mark.parametrize("target", ["cli.json", "missing.json"])
def test_a_link_that_leads_nowhere_is_refused(target: str, caplog: pytest.LogCaptureFixture) -> None:
    """Be it a circle or not, with force and without; nothing is made where it leads."""
    path_of_file().parent.mkdir(parents=True)
    path_of_file().symlink_to(target)
    for force in (False, True):
        with pytest.raises(ConfigurationError, match=r"cli\.json is a link that leads nowhere"):
            credentials.check_writable(force=force)
        assert credentials.save(MADE, URL, force=force) is None
    assert (files(), path_of_file().is_symlink()) == (["cli.json"], True)
    assert [record.message for record in caplog.records] == ["the credentials could not be saved"] * 2


@pytest.mark.parametrize("force", [False, True])
def test_what_cannot_be_written_is_known_before_anything_is_sent(
    force: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A directory that is a file, a file that is a directory, and a user without a home."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigurationError, match=r"credentials.*cannot be"):
        credentials.check_writable(force=force)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path_of_file().mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"credentials.*cannot be"):
        credentials.check_writable(force=force)
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    with pytest.raises(ConfigurationError, match=r"^the credentials cannot be saved: .*home"):
        credentials.check_writable(force=force)
    assert not credentials.holds(MADE.claim_token)
    assert credentials.replace(MADE.claim_token, MADE.access_token) is None


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b'"ot_pat_made_SECRET"', b"\xff\xff"])
def test_a_file_that_is_no_json_is_somebody_s(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Only by force it is replaced; found out too late, the new credentials are not saved, and that is logged."""
    write(garbage)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        credentials.check_writable(force=False)
    assert not credentials.holds(MADE.claim_token)
    assert not caplog.records
    assert credentials.replace(MADE.claim_token, MADE.access_token) is None
    assert credentials.save(MADE, URL, force=False) is None
    assert path_of_file().read_bytes() == garbage
    assert caplog.text.count("the credentials could not be saved") == 2
    assert "SECRET" not in records_of(caplog)
    credentials.check_writable(force=True)
    assert credentials.save(MADE, URL, force=True)
    assert content() == SAVED


@pytest.mark.parametrize("room", [0, 9000])
def test_a_full_disk_loses_nothing_and_shows_nothing(room: int, caplog: pytest.LogCaptureFixture) -> None:
    """The earlier file stays whole, nothing is left beside it, and no frame shows the tokens."""
    theirs = {"notes": "x" * 20_000, **THEIRS}
    write(theirs)
    caplog.set_level(logging.DEBUG)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        assert credentials.save(MADE, URL, force=True) is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (content(), files()) == (theirs, ["cli.json"])
    (record,) = caplog.records
    assert record.message == "the credentials could not be saved"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], OSError)
    assert "SECRET" not in "".join(texts_of(record.exc_info[1]))


def test_of_two_who_register_at_once_one_has_the_file() -> None:
    """The other is told that its tokens were not saved, and what was saved first stays."""
    for number in range(30):
        barrier, saved = threading.Barrier(2), dict[str, Path | None]()

        def register(token: str, barrier: threading.Barrier, saved: dict[str, Path | None]) -> None:
            made = Registration(Secret(token), Secret(f"ot_clm_{token}"))
            barrier.wait()
            saved[token] = credentials.save(made, URL, force=False)

        both = [threading.Thread(target=register, args=(f"{number}{name}", barrier, saved)) for name in "ab"]
        for one in both:
            one.start()
        for one in both:
            one.join()
        (winner,) = [token for token, path in saved.items() if path is not None]
        assert credentials.read()["apiToken"] == Secret(winner)
        assert files() == ["cli.json"]
        path_of_file().unlink()


def test_where_files_cannot_be_linked_credentials_are_saved_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the file systems of many a stick and phone; of two one is still the first."""

    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert credentials.save(MADE, URL, force=False) == path_of_file()
    assert (content(), stat.S_IMODE(path_of_file().stat().st_mode), files()) == (SAVED, 0o600, ["cli.json"])
    with pytest.raises(FileExistsError):
        credentials._put_first(path_of_file(), path_of_file())


def test_whoever_reads_meanwhile_reads_a_whole_file() -> None:
    """A reader in another process sees the one or the other, and never a piece."""
    first = Registration(Secret("first"), Secret("ot_clm_1"))
    credentials.save(first, URL, force=True)
    command = [sys.executable, "-c", READER, str(path_of_file())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for number in range(100):
            credentials.save(Registration(Secret("a" * number * 300), Secret("ot_clm_1")), URL, force=True)
        credentials.save(Registration(Secret("last"), Secret("ot_clm_1")), URL, force=True)
        assert reader.stdout.read().split()[-1] == "last"
    assert reader.returncode == 0
    assert files() == ["cli.json"]
