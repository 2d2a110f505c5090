"""Open files that are found, and believe only the user's own.

Credentials, ledgers and journals lie where another user may have put something: a FIFO that never ends, a device that
acts when it is opened, a file that another user writes. Each is judged before it is used.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

MIB = 1 << 20
_CHUNK = MIB
_FLAGS: int = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_NOFOLLOW", "O_BINARY"))
"""Each where the system has it: Windows has only the last."""
_KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip


class UntrustedFileError(OSError):
    """A file that is found and not believed. The text says which, why, and what to do."""


class NoHomeError(OSError):
    """The home folder of the user is not known, as in many a container."""

    def __init__(self) -> None:
        super().__init__("the home folder is not known. Set HOME, or name the file with its whole path")


def home() -> Path:
    """Return the user's home folder.

    Raises:
        NoHomeError: It is not known, or HOME is not a whole path.
    """
    name = os.path.expanduser("~")  # noqa: PTH111 - pathlib takes an empty HOME for the root
    if not Path(name).is_absolute() or os.environ.get("HOME") == "":
        raise NoHomeError
    return Path(name)


def user_folder(variable: str, default: str) -> Path:
    """Return the folder that a variable of the XDG specification names, or one in the home folder.

    A relative one is ignored, as the specification says: it would be another folder in each working folder.

    Args:
        variable: The variable.
        default: The folder below the home folder.

    Raises:
        NoHomeError: The variable does not name one, and the home folder is not known.
    """
    named = Path(os.environ.get(variable, ""))
    return named if named.is_absolute() else home() / default


def expanded(name: str) -> Path:
    """Return a path with a ``~`` at its beginning replaced by the home folder, and ``~name`` by that user's.

    Raises:
        NoHomeError: That folder is not known.
    """
    first, _, rest = name.partition(os.sep)
    if first == "~":
        return home() / rest.lstrip(os.sep)
    path = os.path.expanduser(name)  # noqa: PTH111 - of a string
    if path.startswith("~") and rest:  # a folder of that name would be made
        raise NoHomeError
    return Path(path)


def real_path(path: Path) -> Path:
    """Return where the links of a path lead, also for a file that is yet to be made.

    Raises:
        UntrustedFileError: A link leads nowhere, or in a circle: its maker would choose where a file is made.
    """
    for part in (path, *path.parents):
        if part.is_symlink() and not part.exists():
            raise UntrustedFileError(f"{part} is a link that leads nowhere. Remove it")
    return Path(os.path.realpath(path))


def check(found: os.stat_result, path: Path, largest: int) -> None:
    """Refuse what is not a regular file of the user's own, of a sane size.

    A file of root is believed, as root can change any file. On Windows the kind and the size decide.

    Args:
        found: What the system says of the file.
        path: Its path, for the text.
        largest: The most bytes that it may have.

    Raises:
        UntrustedFileError: It is something else.
    """
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise UntrustedFileError(f"{path.name} is {kind}, not a regular file. Move it away, or name another file")
    check_size(found.st_size, path, largest)
    if (user := getattr(os, "geteuid", None)) is None:
        return
    if found.st_uid not in {0, user()}:
        raise UntrustedFileError(f"{path.name} belongs to another user (uid {found.st_uid}). Use a file of your own")
    if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and not _is_of_one(found.st_gid)):
        raise UntrustedFileError(
            f"other users may write to {path.name}. Forbid that with chmod go-w, on a file system that has permissions"
        )


def _is_of_one(group: int) -> bool:
    """True if nobody else is in a group: many systems give each user one, and Kubernetes each volume of a pod."""
    import grp
    import pwd

    members: set[str] = set()
    with suppress(KeyError):  # a group without a name has no list of members
        members.update(grp.getgrgid(group).gr_mem)
    users = pwd.getpwall()
    members.update(user.pw_name for user in users if user.pw_gid == group)
    own = {user.pw_name for user in users if user.pw_uid == os.geteuid()}
    return group != 0 and members <= own


def check_size(size: int, path: Path, largest: int) -> None:
    """Refuse more bytes than a file may have.

    Raises:
        UntrustedFileError: It has more.
    """
    if size > largest:
        most = f"{largest // MIB} MiB" if largest >= MIB else f"{largest // 1024} KiB"
        raise UntrustedFileError(f"{path.name} is larger than {most}. Move it away")


def check_path(path: Path, largest: int) -> bool:
    """Refuse the file of that path as `check` does, without opening it; return True if there is one.

    A link is not followed: it is not a regular file.

    Raises:
        UntrustedFileError: It is not believed.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    check(found, path, largest)
    return True


def open_found(path: Path, flags: int, largest: int) -> int:
    """Open a file that is there, or with ``O_CREAT`` is made for the user alone, and return its descriptor.

    Opening never waits, and never makes a device act.

    Args:
        path: The file. A link is not followed: pass what `real_path` returns.
        flags: As for `os.open`.
        largest: The most bytes that it may have.

    Raises:
        UntrustedFileError: It is not believed.
        OSError: It cannot be opened.
    """
    # Judged before, as to open some devices is to use them; and after, as another file may have the name by then.
    check_path(path, largest)
    descriptor = os.open(path, flags | _FLAGS, 0o600)
    try:
        check(os.fstat(descriptor), path, largest)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_all(descriptor: int, path: Path, largest: int) -> bytes:
    """Read an open file to its end, from where it stands.

    Raises:
        UntrustedFileError: It has more bytes than that, whatever the system says of its size.
        OSError: It cannot be read.
    """
    pieces: list[bytes] = []
    size = 0
    while piece := os.read(descriptor, _CHUNK):
        size += len(piece)
        check_size(size, path, largest)
        pieces.append(piece)
    return b"".join(pieces)


def read_found(path: Path, largest: int) -> bytes:
    """Read a file that is there; a link is followed, and its target judged.

    Raises:
        UntrustedFileError: It is not believed.
        OSError: It is missing, or cannot be read.
    """
    real = real_path(path)
    descriptor = open_found(real, os.O_RDONLY, largest)
    try:
        return read_all(descriptor, real, largest)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make what is missing of a folder, each level of it for the user alone.

    Raises:
        OSError: It cannot be made.
    """
    for level in (*reversed(folder.parents), folder):
        if level.exists():
            continue
        try:
            level.mkdir(mode=0o700)
        except FileExistsError:  # another process was faster
            continue
        level.chmod(0o700)  # the umask may have taken away the user's own rights
