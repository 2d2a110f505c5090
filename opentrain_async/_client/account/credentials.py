"""Read and write the credentials file that the service's own tools share.

Source: https://www.opentrain.ai/docs/developers/cli/overview/.
"""

import json
import os
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import cast

from ..._base.fenced_log import logger
from ..._base.found_file import (
    NoHomeError,
    UntrustedFileError,
    check_path,
    check_size,
    make_folder,
    read_found,
    real_path,
    user_folder,
)
from ..._base.secret import Secret
from ..._base.text import exact_str
from ...errors import ConfigurationError
from ...models import Registration

API_TOKEN, BASE_URL, CLAIM_TOKEN = "apiToken", "baseUrl", "claimToken"
_LARGEST = 64 * 1024


def path_of_file() -> Path:
    """The credentials file that the service's own tools share (…/docs/developers/cli/overview/).

    Raises:
        NoHomeError: The home folder is not known, as in many a container.
    """
    return user_folder("XDG_CONFIG_HOME", ".config") / "opentrain" / "cli.json"


def read() -> Mapping[str, object]:
    """Return the saved credentials; every string in them is a secret from the moment it is read.

    Raises:
        ConfigurationError: The file is not believed, as others may write to it, or does not hold a JSON object.
    """
    problem = "it does not hold a JSON object"
    try:
        path = path_of_file()
    except NoHomeError:
        return {}
    try:
        saved: object = json.loads(read_found(path, _LARGEST), object_pairs_hook=_with_secrets)
    except FileNotFoundError:
        return {}
    except UntrustedFileError as error:
        saved, problem = None, str(error)
    except (OSError, ValueError, RecursionError) as error:
        saved, problem = None, type(error).__name__
    if not isinstance(saved, dict):
        saved = None  # it may be the token itself
        raise ConfigurationError(f"the credentials file {path} cannot be read: {problem}")
    return cast("Mapping[str, object]", saved)


def _with_secrets(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object with its strings as secrets."""
    return {key: _as_secrets(value) for key, value in pairs}


def _as_secrets(value: object) -> object:
    """The same of what is in lists; what is in objects has been done by then."""
    if isinstance(value, list):
        return [_as_secrets(item) for item in cast("list[object]", value)]
    text = exact_str(value)
    return value if text is None else Secret(text)


def check_writable(*, force: bool) -> None:
    """See that new credentials can be saved, before they are asked for: they are delivered once.

    Raises:
        ConfigurationError: There are credentials already and *force* is not set, or nothing can be written there.
    """
    if not force and _are_in(read()):
        raise ConfigurationError(
            f"there are credentials in {path_of_file()}, which are replaced only with force (--force, force=True)"
        )
    try:
        _new_file(_place()).unlink()
    except OSError as error:
        raise ConfigurationError(f"the credentials cannot be saved: {error}") from None


def _are_in(saved: Mapping[str, object]) -> bool:
    """Whether something would be lost: a token, or what an account can be claimed with."""
    return saved.get(API_TOKEN) is not None or saved.get(CLAIM_TOKEN) is not None


def save(made: Registration, base_url: str, *, force: bool) -> Path | None:
    """Save the tokens of a new account. Those of others stay as they are unless *force* is set.

    What else is in the file stays there, unless *force* replaces one that cannot be read.

    Returns:
        The file; `None` where it was not written, which is logged if it was to be: the tokens are not to be lost for
        that.
    """
    content = {API_TOKEN: made.access_token, BASE_URL: base_url, CLAIM_TOKEN: made.claim_token}
    with _logged():
        saved: Mapping[str, object] = {}
        is_first = not force and not path_of_file().exists()  # before it is read: what comes then is somebody else's
        with suppress(ConfigurationError) if force else nullcontext():
            saved = read()
        with suppress(FileExistsError):
            if force or not _are_in(saved):
                return _write({**saved, **content}, is_first=is_first)
        logger.warning("others have saved credentials meanwhile: the new ones were not saved")
    return None


def holds(claim_token: Secret) -> bool:
    """Whether the saved credentials are those of the account for which that claim token was made."""
    with suppress(ConfigurationError):  # of whoever it is that keeps such a file there
        return read().get(CLAIM_TOKEN) == claim_token
    return False


def replace(claim_token: Secret, token: Secret) -> Path | None:
    """Put the token of a claimed account in the place of the one for which that claim token was made.

    Returns:
        The file; `None` where it is of others, or could not be written, which is logged.
    """
    with _logged():
        saved = dict(read())
        if saved.pop(CLAIM_TOKEN, None) == claim_token:
            return _write({**saved, API_TOKEN: token})
    return None


@contextmanager
def _logged() -> Generator[None, None, None]:
    try:
        yield
    except (OSError, ConfigurationError):
        logger.warning("the credentials could not be saved", exc_info=True)


def _write(content: Mapping[str, object], *, is_first: bool = False) -> Path:
    """Write the file in one step, for its owner's eyes only: who reads meanwhile has the old one or the new one.

    Raises:
        FileExistsError: It was to be the first one, and somebody else's is there by now.
    """
    real = _place()
    text = Secret(json.dumps(content, indent=2, default=_revealed))
    check_size(len(text.reveal()), real, _LARGEST)  # the keys of other tools take more room with their indents
    new = _new_file(real)
    try:
        with new.open("w", encoding="utf-8") as file:
            file.write(text.reveal())
            file.flush()
            os.fsync(file.fileno())
        if is_first:
            _put_first(new, real)
        else:
            new.replace(real)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
    return real


def _place() -> Path:
    """Return where the file is or will be. A file that is there is replaced, so it must be the user's own.

    Raises:
        OSError: It is not, or the place is not known.
    """
    real = real_path(path_of_file())
    check_path(real, _LARGEST)
    return real


def _revealed(secret: Secret) -> str:
    """Return the text of a secret for the one file that holds it."""
    return secret.reveal()


def _put_first(new: Path, real: Path) -> None:
    """Give a file its name, if nobody else has that.

    Raises:
        FileExistsError: Somebody has.
    """
    try:
        real.hardlink_to(new)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: there, for a moment, the file is empty
        real.touch(mode=0o600, exist_ok=False)
        new.replace(real)
    else:
        new.unlink()


def _new_file(path: Path) -> Path:
    """An empty file beside that one, which nobody else may read; its directory is made where it is missing."""
    make_folder(path.parent)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".cli.json.")
    os.close(descriptor)
    new = Path(name)
    new.chmod(0o600)  # the umask may have taken away the user's own rights
    return new
