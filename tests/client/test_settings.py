"""Who calls, and where to: argument, environment, file, in this order, and nothing that cannot be right."""

import os
import traceback
from pathlib import Path

import pytest

import opentrain_async
from opentrain_async import AsyncOpenTrain
from opentrain_async._base.secret import masked
from opentrain_async._client.account.credentials import path_of_file
from opentrain_async._client.account.settings import DEFAULT_BASE_URL, resolve
from opentrain_async.errors import ConfigurationError

from ..support.credentials import save

PACKAGE = Path(opentrain_async.__file__).parent
TOKEN = "ot_pat_8f2a_SECRET"
FILE = {"apiToken": "ot_pat_file", "baseUrl": "https://file.test", "claimToken": "ot_clm_file"}


def shown(error: BaseException) -> str:
    """All that a crash reporter would show of an error and of the package's frames."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [f"{frame.name} {frame.locals}" for frame in trace.stack if Path(frame.filename).is_relative_to(PACKAGE)]
    assert frames
    return " ".join([
        str(error),
        repr(error),
        repr(vars(error)),
        repr(error.__cause__),
        repr(error.__context__),
        *frames,
    ])


@pytest.mark.parametrize(
    ("argument", "first", "second", "saved", "token", "origin"),
    [
        ("ot_pat_arg", "ot_pat_1", "ot_pat_2", FILE, "ot_pat_arg", DEFAULT_BASE_URL),
        (None, "ot_pat_1", "ot_pat_2", FILE, "ot_pat_1", DEFAULT_BASE_URL),
        (None, None, "ot_pat_2", FILE, "ot_pat_2", DEFAULT_BASE_URL),
        (None, "", "ot_pat_2", FILE, "ot_pat_2", DEFAULT_BASE_URL),
        (None, None, None, FILE, "ot_pat_file", "https://file.test"),
        (None, "", "", FILE, "ot_pat_file", "https://file.test"),
        (None, None, None, {"apiToken": "ot_pat_file"}, "ot_pat_file", DEFAULT_BASE_URL),
        (None, None, None, {"apiToken": "ot_pat_file", "baseUrl": None}, "ot_pat_file", DEFAULT_BASE_URL),
    ],
)
def test_a_token_comes_from_the_first_place_that_has_one(
    monkeypatch: pytest.MonkeyPatch,
    argument: str | None,
    first: str | None,
    second: str | None,
    saved: object,
    token: str,
    origin: str,
) -> None:
    """A variable set to nothing is not set, and the file's base URL goes with the file's own token only."""
    save(saved)
    for name, value in (("OT_API_TOKEN", first), ("OPENTRAIN_API_TOKEN", second)):
        if value is not None:
            monkeypatch.setenv(name, value)
    found = resolve(argument, None)
    assert (found.token, found.base_url) == (token, origin)


@pytest.mark.parametrize(
    ("argument", "first", "second", "origin"),
    [
        ("https://arg.test", "https://one.test", "https://two.test", "https://arg.test"),
        (None, "https://one.test", "https://two.test", "https://one.test"),
        (None, None, "https://two.test", "https://two.test"),
        (None, "", "https://two.test", "https://two.test"),
        (None, None, None, "https://file.test"),
    ],
)
def test_a_base_url_comes_from_the_first_place_that_has_one(
    monkeypatch: pytest.MonkeyPatch, argument: str | None, first: str | None, second: str | None, origin: str
) -> None:
    """What is said nearer to the call counts more, also with the file's token."""
    save(FILE)
    for name, value in (("OT_API_BASE_URL", first), ("OPENTRAIN_API_BASE_URL", second)):
        if value is not None:
            monkeypatch.setenv(name, value)
    assert resolve(None, argument).base_url == origin


@pytest.mark.parametrize(
    "saved", [None, {}, {"apiToken": None}, {"claimToken": "ot_clm_1", "baseUrl": "https://f.test"}]
)
def test_without_a_token_there_is_no_client(saved: object) -> None:
    """A missing file is as good as one without a token, and the text says where one can come from."""
    if saved is not None:
        save(saved)
    with pytest.raises(ConfigurationError, match=r"^no API token: .*OT_API_TOKEN"):
        resolve(None, None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"ot_pat_8f2a_SECRET"',
        b'{"apiToken": "ot_pat_8f2a_SECRET"',
        b"\xff\xff",
        b"[" * 99999,
    ],
    ids=["empty", "cut", "list", "null", "string", "cut after the token", "binary", "deep"],
)
def test_a_broken_file_is_named_and_not_shown(content: bytes) -> None:
    """The error says which file, and shows nothing that stood in it."""
    path = save(content)
    with pytest.raises(ConfigurationError) as caught:
        resolve(None, None)
    assert str(caught.value).startswith(f"the credentials file {path} cannot be read: ")
    assert TOKEN not in shown(caught.value)


def test_a_file_that_is_a_directory_is_no_file() -> None:
    """What the system says of it is named."""
    path_of_file().mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="IsADirectoryError"):
        resolve(None, None)


def test_a_broken_file_does_not_matter_to_who_does_not_need_it() -> None:
    """With a token from elsewhere it is not even read."""
    save(b"{")
    assert resolve(TOKEN, None).token == TOKEN


def test_the_file_is_in_the_configuration_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """That is XDG_CONFIG_HOME, or ~/.config where that is not set or set to nothing."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert path_of_file() == tmp_path / "opentrain" / "cli.json"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    assert path_of_file() == tmp_path / ".config" / "opentrain" / "cli.json"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert path_of_file() == tmp_path / ".config" / "opentrain" / "cli.json"


def test_a_user_without_a_home_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container under a made-up user id there is none, which is a missing token like any other."""
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    with pytest.raises(ConfigurationError, match="no API token"):
        resolve(None, None)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (f"{TOKEN} ", "the API token holds blanks, control characters or non-ASCII characters"),
        (f" {TOKEN}", "the API token holds blanks, control characters or non-ASCII characters"),
        (f"{TOKEN}\r\nX-Forged: 1", "the API token holds blanks, control characters or non-ASCII characters"),
        (f"{TOKEN}\x7f", "the API token holds blanks, control characters or non-ASCII characters"),
        (f"{TOKEN}é", "the API token holds blanks, control characters or non-ASCII characters"),
        (f"ot_clm_{TOKEN}", "a token that begins with ot_clm_ is not for the API (ot_pat_… is)"),
        (f"ot_cat_{TOKEN}", "a token that begins with ot_cat_ is not for the API (ot_pat_… is)"),
        (f"ot_ptk_{TOKEN}", "a token that begins with ot_ptk_ is not for the API (ot_pat_… is)"),
        (f"whsec_{TOKEN}", "a token that begins with whsec_ is not for the API (ot_pat_… is)"),
    ],
)
@pytest.mark.parametrize("place", ["argument", "environment", "file"])
def test_a_token_that_cannot_be_right_is_refused_unseen(
    monkeypatch: pytest.MonkeyPatch, place: str, token: str, text: str
) -> None:
    """Wherever it comes from, neither the text nor a local variable of the package's frames shows it."""
    if place == "environment":
        monkeypatch.setenv("OT_API_TOKEN", token)
    elif place == "file":
        save({"apiToken": token})
    with pytest.raises(ConfigurationError) as caught:
        resolve(masked(token) if place == "argument" else None, None)
    assert str(caught.value) == text
    assert TOKEN not in shown(caught.value)


@pytest.mark.parametrize("token", ["", 5, 0, True, ["ot_pat_x"], {"token": "ot_pat_x"}])
@pytest.mark.parametrize("place", ["argument", "file"])
def test_a_token_that_is_empty_or_no_string_is_refused(place: str, token: object) -> None:
    """It is there, so nobody looks for another one elsewhere."""
    if place == "file":
        save({"apiToken": token})
    with pytest.raises(ConfigurationError, match=r"^the API token is empty or no string$"):
        resolve(token if place == "argument" else None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("token", ["ot_pat_8f2a_x", "no-known-prefix", "x", "ot_clm", "~!@#$%^&*()"])
def test_a_token_of_a_kind_that_is_not_known_is_let_through(token: str) -> None:
    """The service may come to issue others: only those that are documented to be no API token are refused."""
    assert resolve(token, None).token == token


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://app.opentrain.ai", "https://app.opentrain.ai"),
        ("https://app.opentrain.ai/", "https://app.opentrain.ai"),
        ("HTTPS://APP.OpenTrain.AI:8443/", "https://app.opentrain.ai:8443"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:80/", "http://127.0.0.1:80"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:1", "http://[::1]:1"),
    ],
)
def test_an_origin_is_brought_into_one_form(given: str, origin: str) -> None:
    """Lower case, without the slash; without encryption only to this machine itself."""
    assert resolve(TOKEN, given).base_url == origin


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (5, "no string"), ("https://a.test ", "blanks"), ("https://a.\ntest", "control"),
        ("https://a\x00.test", "control"), ("", "begin with https"), ("a.test", "begin with https"),
        ("//a.test", "begin with https"), ("ftp://a.test", "begin with https"), ("https://", "begin with https"),
        ("https://:443", "begin with https"), ("https:///api", "begin with https"),
        ("file:///etc/passwd", "begin with https"), ("https://a.test/api/public/v1", "an origin"),
        ("https://a.test?", "an origin"), ("https://a.test#", "an origin"), ("https://a.test/?q=1", "an origin"),
        ("https://a.test:99999", "cannot be read"), ("https://a.test:x", "cannot be read"),
        ("https://[::1", "cannot be read"), ("http://a.test", "use https"), ("http://127.0.0.1.a.test", "use https"),
        ("http://localhost.a.test", "use https"), ("http://10.0.0.1", "use https"), ("http://[::2]", "use https"),
    ],
)  # fmt: skip
def test_a_base_url_that_cannot_be_right_is_refused(given: str, text: str) -> None:
    """Above all one that would show the token to others on the way."""
    with pytest.raises(ConfigurationError, match=text):
        resolve(TOKEN, given)


@pytest.mark.parametrize(
    "given",
    [
        "user:hunter2@a.test",
        "hunter2@a.test",
        ":hunter2@a.test",
        "a.test@hunter2@b.test",
        "u:hunter2@ex℀.test",
        "u:hunter2@[::1",
    ],
)
def test_user_info_is_refused_unseen(given: str) -> None:
    """A password in the base URL is a secret too, however the rest of the URL is wrong."""
    with pytest.raises(ConfigurationError) as caught:
        resolve(TOKEN, f"https://{given}")
    assert "hunter2" not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


def test_a_bad_base_url_does_not_show_the_token() -> None:
    """Also where the token was the right one, and something else was wrong."""
    save({"apiToken": TOKEN, "baseUrl": "ftp://a.test"})
    with pytest.raises(ConfigurationError) as caught:
        resolve(None, None)
    assert TOKEN not in shown(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        AsyncOpenTrain(TOKEN, base_url="http://a.test")
    assert TOKEN not in shown(caught.value)
