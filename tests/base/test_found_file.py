"""Files that are found: which are believed, where they lie, and how they are opened."""

import grp
import os
import pwd
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from opentrain_async._base import found_file
from opentrain_async._base.found_file import (
    MIB,
    NoHomeError,
    UntrustedFileError,
    check,
    check_path,
    expanded,
    home,
    make_folder,
    open_found,
    read_all,
    read_found,
    real_path,
    user_folder,
)

ROOM = 100


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """The process's umask is that, for the length of the block."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def found(mode: int, *, user: int | None = None, group: int = 0, size: int = 1) -> os.stat_result:
    """What the system may say of a file, by default of one's own."""
    return os.stat_result((mode, 1, 1, 1, os.geteuid() if user is None else user, group, size, 0, 0, 0))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is believed."""
    path = tmp_path / "file"
    path.write_text("content")
    path.chmod(0o644)
    return path


def test_a_regular_file_of_the_users_own_is_read(file: Path, tmp_path: Path) -> None:
    """By its name, and by a link to it."""
    (tmp_path / "link").symlink_to(file)
    assert read_found(file, ROOM) == read_found(tmp_path / "link", ROOM) == b"content"
    with pytest.raises(FileNotFoundError):
        read_found(tmp_path / "missing", ROOM)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkfifo, "a FIFO"),
        (Path.mkdir, "a folder"),
        (_socket, "a socket"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
    ],
)
def test_what_is_not_a_regular_file_is_named_and_never_waited_for(
    make: Callable[[Path], None], kind: str, tmp_path: Path
) -> None:
    """Neither to read it nor to write it."""
    path = tmp_path / "file"
    make(path)
    for flags in (os.O_RDONLY, os.O_RDWR | os.O_CREAT):
        with pytest.raises(UntrustedFileError, match=f"is {kind}, not a regular file. Move it away"):
            open_found(real_path(path), flags, ROOM)
    with pytest.raises(UntrustedFileError, match=kind):
        read_found(path, ROOM)


def test_a_kind_of_file_without_a_name_is_refused() -> None:
    """Whatever a system may have beside the usual kinds."""
    with pytest.raises(UntrustedFileError, match="something else"):
        check(found(0o170000), Path("file"), ROOM)


@pytest.mark.parametrize("user", [0, 1234])
def test_files_of_ones_own_and_of_root_are_believed(user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's are not, and root believes only its own."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    for own in {0, user}:
        check(found(stat.S_IFREG | 0o600, user=own), Path("file"), ROOM)
    with pytest.raises(UntrustedFileError, match=r"file belongs to another user \(uid 4321\). Use a file of your own"):
        check(found(stat.S_IFREG | 0o600, user=4321), Path("file"), ROOM)


def group_of(gid: int, *members: str) -> grp.struct_group:
    """A group of the system."""
    return grp.struct_group(("team", "x", gid, list(members)))


@pytest.mark.parametrize(
    ("gid", "members", "primary", "is_believed"),
    [
        (1000, None, None, True),
        (1000, [], None, True),
        (1000, ["me"], "me", True),
        (1000, ["me", "you"], "me", False),
        (1000, [], "you", False),
        (1000, ["you"], None, False),
        (0, [], None, False),
    ],
    ids=str,
)
def test_a_group_of_its_own_may_write_a_users_file(
    gid: int, members: list[str] | None, primary: str | None, is_believed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many systems give each user a group, and Kubernetes gives one to a pod's volume; root's is not one of these."""

    def group(number: int) -> grp.struct_group:
        if members is None:
            raise KeyError(number)
        return group_of(number, *members)

    users = [("me", os.geteuid()), ("you", 4321)]
    entries = [
        pwd.struct_passwd((name, "x", user, gid if name == primary else 7, "", "/", "/bin/sh")) for name, user in users
    ]
    monkeypatch.setattr(grp, "getgrgid", group)
    monkeypatch.setattr(pwd, "getpwall", lambda: entries)
    file = found(stat.S_IFREG | 0o660, group=gid)
    with nullcontext() if is_believed else pytest.raises(UntrustedFileError, match="other users may write to file"):
        check(file, Path("file"), ROOM)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(mode: int, file: Path) -> None:
    """The error says how to change that."""
    file.chmod(mode)
    with pytest.raises(UntrustedFileError, match=r"other users may write to file\. Forbid that with chmod go-w"):
        read_found(file, ROOM)


@pytest.mark.parametrize(("largest", "said"), [(6, "0 KiB"), (3 * 1024, "3 KiB"), (2 * MIB, "2 MiB")])
def test_a_file_that_is_too_large_is_refused(largest: int, said: str, file: Path) -> None:
    """Without being read; one byte less is not too large."""
    os.truncate(file, largest + 1)
    with pytest.raises(UntrustedFileError, match=f"file is larger than {said}. Move it away"):
        check_path(file, largest)
    os.truncate(file, largest)
    assert check_path(file, largest)


def test_where_there_are_no_users_the_kind_and_the_size_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where every file seems to be writable by all."""
    monkeypatch.delattr(os, "geteuid")
    check(os.stat_result((stat.S_IFREG | 0o666, 1, 1, 1, 4321, 0, 1, 0, 0, 0)), Path("file"), ROOM)


def test_what_is_put_there_between_the_two_looks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was opened is judged, and closed again."""
    path = tmp_path / "file"
    os.mkfifo(path)
    monkeypatch.setattr(found_file, "check_path", lambda *_: True)
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(UntrustedFileError, match="is a FIFO"):
        open_found(path, os.O_RDONLY, ROOM)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match="symbolic link"):
        open_found(path, os.O_RDONLY, ROOM)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_file_that_is_longer_than_the_system_says_is_not_read_to_its_end(file: Path) -> None:
    """As those of /proc are, whose size is 0."""
    descriptor = open_found(file, os.O_RDONLY, ROOM)
    try:
        file.write_text("x" * (ROOM + 1))
        with pytest.raises(UntrustedFileError, match="larger"):
            read_all(descriptor, file, ROOM)
    finally:
        os.close(descriptor)


def test_a_file_that_is_made_is_for_the_user_alone(tmp_path: Path) -> None:
    """Whatever the umask allows."""
    with umask(0):
        os.close(open_found(tmp_path / "file", os.O_RDWR | os.O_CREAT, ROOM))
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_a_path_of_nothing_is_not_refused(tmp_path: Path) -> None:
    """There may be a file later. A link is not followed."""
    assert not check_path(tmp_path / "file", ROOM)
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(UntrustedFileError, match="link is a link"):
        check_path(tmp_path / "link", ROOM)


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    """Be it the file or one of its folders, and be it a circle: nothing is made where it leads."""
    (tmp_path / "dangling").symlink_to("missing")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "good").symlink_to(tmp_path)
    for bad in ("dangling", "dangling/file", "circle", "circle/file", "good/circle/file"):
        with pytest.raises(UntrustedFileError, match=r"(dangling|circle) is a link that leads nowhere. Remove it"):
            real_path(tmp_path / bad)
    assert real_path(tmp_path / "good" / "new" / "file") == tmp_path.resolve() / "new" / "file"


@pytest.mark.parametrize("mask", [0, 0o022, 0o077, 0o277])
def test_folders_are_made_for_the_user_alone(mask: int, tmp_path: Path) -> None:
    """Each level of them, whatever the umask; one that is there stays as it is."""
    tmp_path.chmod(0o755)
    with umask(mask):
        make_folder(tmp_path / "a" / "b" / "c")
        make_folder(tmp_path / "a" / "b" / "c")
    made = [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (tmp_path, *made)] == [0o755, 0o700, 0o700, 0o700]
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "file" / "below")


def test_a_folder_that_another_process_makes_meanwhile_stays_as_that_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To have been slower is not an error."""
    (tmp_path / "a").mkdir(mode=0o750)
    monkeypatch.setattr(Path, "exists", lambda path: path != tmp_path / "a")
    make_folder(tmp_path / "a")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o750


def test_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tilde stands for it, and nothing else does."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert home() == expanded("~") == expanded("~/") == tmp_path
    assert expanded("~/a") == expanded("~//a") == tmp_path / "a"
    assert expanded("~root/a") == Path("~root/a").expanduser()
    for other in ("a~", "./~", "~no_such_user", "/a/~", ""):
        assert expanded(other) == Path(other)
    with pytest.raises(NoHomeError):
        expanded("~no_such_user/a")
    assert user_folder("XDG_STATE_HOME", ".local/state") == tmp_path / ".local" / "state"
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert user_folder("XDG_STATE_HOME", ".local/state") == Path("/state")


@pytest.mark.parametrize("value", ["", "relative", None])
def test_a_home_folder_that_is_not_known_is_not_guessed(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the working folder nor the root is one."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    if value is not None:
        monkeypatch.setenv("HOME", value)
    for find in (home, lambda: expanded("~"), lambda: expanded("~/a"), lambda: user_folder("XDG_X", "x")):
        with pytest.raises(NoHomeError, match="Set HOME, or name the file with its whole path"):
            find()
