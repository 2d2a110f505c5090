"""Who calls, and where to: argument, environment, file, in this order, and nothing that cannot be right."""

import itertools
import os
import re
import traceback
from functools import partial
from pathlib import Path

import pytest

import opentrain_async
from opentrain_async import AsyncOpenTrain
from opentrain_async._base.secret import Secret, sealed
from opentrain_async._client.account import settings
from opentrain_async._client.account.credentials import path_of_file
from opentrain_async._client.account.settings import DEFAULT_BASE_URL, Settings, saved
from opentrain_async.errors import ConfigurationError
from opentrain_async.sandbox import Sandbox

from ..support.credentials import save

PACKAGE = Path(opentrain_async.__file__).parent
TOKEN = "ot_pat_8f2a_SECRET"
FILE = {"apiToken": "ot_pat_file", "baseUrl": "https://file.test", "claimToken": "ot_clm_file"}


def resolve(token: object, base_url: object, claim_token: object = None) -> Settings:
    """Find the settings for what a caller gave, as the client does."""
    return settings.resolve(sealed(token), sealed(base_url), sealed(claim_token))


def without_token(base_url: object) -> Settings:
    """Find the settings for calls without a token, as the client does."""
    return settings.without_token(sealed(base_url))


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
    ("argument", "first", "second", "content", "token", "origin"),
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
    content: object,
    token: str,
    origin: str,
) -> None:
    """A variable set to nothing is not set, and the file's base URL goes with the file's own token only."""
    save(content)
    for name, value in (("OT_API_TOKEN", first), ("OPENTRAIN_API_TOKEN", second)):
        if value is not None:
            monkeypatch.setenv(name, value)
    found = resolve(argument, None)
    assert (found.token, found.base_url) == (Secret(token), origin)


VARIABLES = ("OT_API_BASE_URL", "OPENTRAIN_API_BASE_URL", "OPENTRAIN_BASE_URL")


@pytest.mark.parametrize("name", VARIABLES)
def test_a_base_url_comes_from_any_of_its_variables(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One set to nothing is not set, and an argument goes before them all."""
    for other in VARIABLES:
        monkeypatch.setenv(other, "")
    assert resolve(TOKEN, None).base_url == without_token(None).base_url == DEFAULT_BASE_URL
    monkeypatch.setenv(name, "HTTPS://One.test./")
    assert resolve(TOKEN, None).base_url == without_token(None).base_url == "https://one.test"
    assert resolve(TOKEN, "https://arg.test").base_url == without_token("https://arg.test").base_url
    monkeypatch.setenv(name, "not-an-address")
    assert resolve(TOKEN, "https://arg.test").base_url == "https://arg.test"
    with pytest.raises(ConfigurationError, match=f"^{name} must begin with https"):
        resolve(TOKEN, None)


@pytest.mark.parametrize("addresses", list(itertools.permutations(["https://a.test", "", "https://b.test"])))
def test_F69_variables_that_name_different_origins_are_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    """The error names them and what they name; other spellings of one origin agree."""
    values = dict(zip(VARIABLES, addresses, strict=True))
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    for find in (partial(resolve, TOKEN, None), partial(without_token, None)):
        with pytest.raises(ConfigurationError, match=r"^the origin is not clear: ") as caught:
            find()
        assert all(f"{name} names {value}" in str(caught.value) for name, value in values.items() if value)
    for name, value in values.items():
        monkeypatch.setenv(name, value.replace("b.test", "A.Test.:443/"))
    assert resolve(TOKEN, None).base_url == "https://a.test"


@pytest.mark.parametrize("base_url", [None, "https://file.test", DEFAULT_BASE_URL])
@pytest.mark.parametrize("name", VARIABLES)
def test_F69_a_saved_token_does_not_go_where_a_variable_leads(
    monkeypatch: pytest.MonkeyPatch, name: str, base_url: str | None
) -> None:
    """The origin named again is fine; any other must come with a token, which the error says."""
    save({"apiToken": TOKEN, "baseUrl": base_url, "claimToken": "ot_clm_file"})
    home = base_url or DEFAULT_BASE_URL
    monkeypatch.setenv(name, f"{home.upper()}.:443/")
    assert resolve(None, None).base_url == saved().base_url == home
    monkeypatch.setenv(name, "https://other.test")
    for find in (partial(resolve, None, None), saved):
        with pytest.raises(ConfigurationError) as caught:
            find()
        assert str(caught.value) == (
            f"the saved token belongs to {home}, but {name} names https://other.test: "
            f"set OT_API_TOKEN (or pass token=) to a token of that origin, or unset {name}"
        )
        assert TOKEN not in shown(caught.value)
    monkeypatch.setenv("OT_API_TOKEN", "ot_pat_of_that_origin")
    assert resolve(None, None).base_url == "https://other.test"


def test_F69_a_saved_token_does_not_go_where_an_argument_leads() -> None:
    """Nor does its claim token."""
    save(FILE)
    assert resolve(None, "https://FILE.test/").base_url == "https://file.test"
    with pytest.raises(ConfigurationError, match=r"belongs to https:..file.test, but base_url names .* drop base_url="):
        resolve(None, "https://other.test")
    assert resolve(TOKEN, "https://other.test").claim_token is None


def test_F69_a_token_from_a_variable_does_not_go_to_the_saved_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes where the variables say, or to the service itself; so does the call that registers."""
    save(FILE)
    monkeypatch.setenv("OPENTRAIN_API_TOKEN", "ot_pat_variable")
    assert resolve(None, None) == Settings(Secret("ot_pat_variable"), DEFAULT_BASE_URL)
    assert without_token(None).base_url == DEFAULT_BASE_URL
    assert saved().base_url == "https://file.test"


SANDBOX = {"apiToken": "ot_pat_sandbox1_SECRET", "claimToken": "ot_clm_sandbox_SECRET"}


@pytest.mark.parametrize("address", [None, "https://app.opentrain.ai", "https://sandbox.test", "https://10.0.0.1"])
@pytest.mark.parametrize("kind", ["token", "variable", "file", "claim_token"])
def test_F69_a_sandbox_s_token_stays_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, kind: str, address: str | None
) -> None:
    """Without the sandbox's address it is refused, and the error says how to give that."""
    token = {"token": SANDBOX["apiToken"], "claim_token": TOKEN}.get(kind)
    claim = SANDBOX["claimToken"] if kind == "claim_token" else None
    if kind == "variable":
        monkeypatch.setenv("OT_API_TOKEN", SANDBOX["apiToken"])

    def find(address: str | None) -> Settings:
        if kind == "file":
            save({**SANDBOX, "baseUrl": address})
            return resolve(None, None)
        return resolve(token, address, claim)

    with pytest.raises(ConfigurationError, match="the sandbox's address is missing") as caught:
        find(address)
    assert "set OT_API_BASE_URL to it" in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert (address is None) == ("names" not in str(caught.value))
    for local in ("http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:1", "https://127.0.0.1"):
        assert find(local).base_url == local


async def test_the_tokens_of_a_sandbox_are_recognised(sandbox: Sandbox) -> None:
    """Those of its own account and those that it gives to agents."""
    made = await AsyncOpenTrain.register(base_url=sandbox.url, save=False)
    for token, claim in ((sandbox.token, None), (made.access_token, None), (TOKEN, made.claim_token)):
        with pytest.raises(ConfigurationError, match="the token is a sandbox's"):
            resolve(token, None, claim)


def test_what_is_saved_is_named_by_its_key_and_file() -> None:
    """Whatever of it is not valid. A claim token that is not valid matters to a claim only."""
    for content, key in (
        ({"apiToken": f'"{TOKEN}"'}, "apiToken"),
        ({"apiToken": TOKEN, "baseUrl": "file.test"}, "baseUrl"),
        ({"apiToken": TOKEN, "baseUrl": 5}, "baseUrl"),
    ):
        path = save(content)
        with pytest.raises(ConfigurationError, match=f"^{key} in {re.escape(str(path))} ") as caught:
            resolve(None, None)
        assert TOKEN not in shown(caught.value)
    save({"apiToken": TOKEN, "claimToken": "'ot_clm_x'"})
    assert resolve(None, None).claim_token is None
    with pytest.raises(ConfigurationError, match=r"^claimToken in .* is in quotes"):
        saved()
    for content, said in (({"claimToken": "ot_clm_x"}, "no account here"), ({"apiToken": TOKEN}, "does not wait")):
        save(content)
        with pytest.raises(ConfigurationError, match=said):
            saved()


@pytest.mark.parametrize(
    "content", [None, {}, {"apiToken": None}, {"claimToken": "ot_clm_1", "baseUrl": "https://f.test"}]
)
def test_without_a_token_there_is_no_client(content: object) -> None:
    """A missing file is as good as one without a token, and the text says where one can come from."""
    if content is not None:
        save(content)
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
    """It is named as what it is."""
    path_of_file().mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"cli\.json is a folder, not a regular file"):
        resolve(None, None)


def test_a_broken_file_does_not_matter_to_who_does_not_need_it() -> None:
    """With a token from elsewhere it is not even read."""
    save(b"{")
    assert resolve(TOKEN, None).token == Secret(TOKEN)


def test_the_file_is_in_the_configuration_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """That is XDG_CONFIG_HOME, or ~/.config where that is not set, set to nothing, or not a whole path."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert path_of_file() == tmp_path / "opentrain" / "cli.json"
    monkeypatch.setenv("HOME", str(tmp_path))
    for ignored in ("", "relative", "./here", "~/elsewhere"):
        monkeypatch.setenv("XDG_CONFIG_HOME", ignored)
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
        (f"{TOKEN} ", "holds blanks, control characters or non-ASCII characters"),
        (f" {TOKEN}", "holds blanks, control characters or non-ASCII characters"),
        (f"{TOKEN}\r\nX-Forged: 1", "holds blanks, control characters or non-ASCII characters"),
        (f"{TOKEN}\x7f", "holds blanks, control characters or non-ASCII characters"),
        (f"{TOKEN}é", "holds blanks, control characters or non-ASCII characters"),
        (f"ot_clm_{TOKEN}", "begins with ot_clm_, but a token for the API begins with ot_pat_"),
        (f"ot_cat_{TOKEN}", "begins with ot_cat_, but a token for the API begins with ot_pat_"),
        (f"ot_ptk_{TOKEN}", "begins with ot_ptk_, but a token for the API begins with ot_pat_"),
        (f"whsec_{TOKEN}", "begins with whsec_, but a token for the API begins with ot_pat_"),
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
        resolve(token if place == "argument" else None, None)
    named = {"argument": "token", "environment": "OT_API_TOKEN", "file": f"apiToken in {path_of_file()}"}[place]
    assert str(caught.value) == f"{named} {text}"
    assert TOKEN not in shown(caught.value)


@pytest.mark.parametrize("token", ["", 5, 0, True, ["ot_pat_x"], {"token": "ot_pat_x"}])
@pytest.mark.parametrize("place", ["argument", "file"])
def test_a_token_that_is_empty_or_no_string_is_refused(place: str, token: object) -> None:
    """It is there, so nobody looks for another one elsewhere."""
    if place == "file":
        save({"apiToken": token})
    with pytest.raises(ConfigurationError, match=r" must be a string that is not empty(, not \w+)?$"):
        resolve(token if place == "argument" else None, None)


@pytest.mark.parametrize("token", ["ot_pat_8f2a_x", "no-known-prefix", "x", "ot_clm", "a.b_c~d+e/f=="])
def test_a_token_of_a_kind_that_is_not_known_is_let_through(token: str) -> None:
    """The service may come to issue others: only those that are documented to be no API token are refused."""
    assert resolve(token, None).token == Secret(token)


def test_a_bad_base_url_does_not_show_the_token() -> None:
    """Also where the token was the right one, and something else was wrong."""
    save({"apiToken": TOKEN, "baseUrl": "ftp://a.test"})
    with pytest.raises(ConfigurationError) as caught:
        resolve(None, None)
    assert TOKEN not in shown(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        AsyncOpenTrain(TOKEN, base_url="http://a.test")
    assert TOKEN not in shown(caught.value)
