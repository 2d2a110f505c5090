"""Origins: an address is read as aiohttp reads it, brought into one form, or refused."""

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st
from yarl import URL

from opentrain_async._base.origin import is_loopback
from opentrain_async._client.account.origins import checked_origin
from opentrain_async.errors import ConfigurationError

from ..support.hostile import KINDS

LONG = ".".join(["a" * 61] * 4 + ["abcdef"])
"""A host name of 254 characters, one more than there can be."""


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://app.opentrain.ai", "https://app.opentrain.ai"),
        ("https://app.opentrain.ai/", "https://app.opentrain.ai"),
        ("HTTPS://APP.OpenTrain.AI:8443/", "https://app.opentrain.ai:8443"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:80/", "http://127.0.0.1"),
        ("https://app.opentrain.ai:443", "https://app.opentrain.ai"),
        ("https://app.opentrain.ai:", "https://app.opentrain.ai"),
        ("https://app.opentrain.ai.", "https://app.opentrain.ai"),
        ("https://app.opentrain.ai.:0443/", "https://app.opentrain.ai"),
        ("https://[2001:DB8:0::1]:443", "https://[2001:db8::1]"),
        ("https://MÜNCHEN.test", "https://xn--mnchen-3ya.test"),
        ("https://xn--mnchen-3ya.test", "https://xn--mnchen-3ya.test"),
        ("https://a_b.test", "https://a_b.test"),
        ("https://xn--mnchen-3ya.xn--e28h", "https://xn--mnchen-3ya.xn--e28h"),
        ("https://a-b.1a.test", "https://a-b.1a.test"),
        ("https://1.2.3.test", "https://1.2.3.test"),
        ("https://0x7f.test", "https://0x7f.test"),
        (f"https://{'a' * 63}.test", f"https://{'a' * 63}.test"),
        (f"https://{LONG[:-1]}", f"https://{LONG[:-1]}"),
        ("https://1.2.3.4.", "https://1.2.3.4"),
        ("http://\u24dbocalhost", "http://localhost"),
        ("HTTP://LOCALHOST.", "http://localhost"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("http://\uff11\uff12\uff17.0.0.1", "http://127.0.0.1"),
        ("http://127\u30020\u30020\u30021", "http://127.0.0.1"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("https://xn--mgba3gch31f060k.com", "https://xn--mgba3gch31f060k.com"),
        ("http://[::1]:1", "http://[::1]:1"),
    ],
)
def test_an_origin_is_brought_into_one_form(given: str, origin: str) -> None:
    """Lower case and punycode, without slash, default port and trailing dot; http only to this machine itself."""
    assert checked_origin(given, "base_url") == origin


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (5, "a string"), ("https://a.test ", "blanks"), ("https://a.\ntest", "control"),
        ("https://a.\ttest", "control"),
        ("https://a\x00.test", "control"), ("", "begin with https"), ("a.test", "begin with https"),
        ("//a.test", "begin with https"), ("ftp://a.test", "begin with https"), ("https://", "begin with https"),
        ("https://:443", "begin with https"), ("https:///api", "begin with https"),
        ("file:///etc/passwd", "begin with https"), ("https://a.test/api/public/v1", "an origin"),
        ("https://a.test?", "an origin"), ("https://a.test#", "an origin"), ("https://a.test/?q=1", "an origin"),
        ("https://a.test:99999", "cannot be read"), ("https://a.test:x", "cannot be read"),
        ("https://[::1", "cannot be read"), ("http://a.test", "use https"), ("http://127.0.0.1.a.test", "use https"),
        ("http://localhost.a.test", "use https"), ("http://10.0.0.1", "use https"), ("http://[::2]", "use https"),
        ("http://0.0.0.0", "use https"),
        ("http://x.localhost", "use https"), ("http://127.0.0.1@evil.example", "user info"),
        ("http://localhost\\@evil.example", "user info"), ("http://evil.example\\@localhost", "user info"),
        ("http://evil.example\\localhost", "cannot be read"), ("http://[::1%25lo]", "cannot be read"),
        ("http://[::1%lo]", "cannot be read"), ("https://%61.test", "cannot be read"),
        ("https://a.test:0", "cannot be read"), ("https://a.test:65536", "cannot be read"),
        ("https://a.test:+443", "cannot be read"), ("https://a.test:4_43", "cannot be read"),
        ("https://a.test:\u0663", "cannot be read"), ("https://a.test:99999999999", "cannot be read"),
        ("https://[1.2.3.4]", "cannot be read"), ("https://[v1.x]", "cannot be read"),
        ("https://[:]", "a valid host"),
        ("https://ex\u2100.test", "cannot be read"), ("https://a.test..", "a valid host"),
        ("https://.", "a valid host"),
        ("https://a..test", "a valid host"), ("https://*.a.test", "a valid host"), ("https://a,b", "a valid host"),
        (f"https://{'a' * 64}.test", "a valid host"), (f"https://{LONG}", "a valid host"),
        ("https://a.test//", "an origin"),
        ("https://a.test/../", "an origin"), ("https:a.test", "begin with https"), ("'https://a.test'", "in quotes"),
        ("\u201chttps://a.test\u201d", "in quotes"), ("${URL}", "placeholder"), ("%URL%", "placeholder"),
        ("https://<host>", "placeholder"), ("https://{{ host }}", "blanks"),
    ],
)  # fmt: skip
def test_a_base_url_that_cannot_be_right_is_refused(given: str, text: str) -> None:
    """Above all one that would show the token to others on the way; the text begins with where it came from."""
    with pytest.raises(ConfigurationError, match=f"^base_url.* {text}"):
        checked_origin(given, "base_url")


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize(
    "host",
    [
        "1.2.3", "1.2.3.999", "0x7f.1", "0x7f000001", "127.1", "2130706433", "017700000001", "127.0.0.01", "0177.0.0.1",
        "12345", "0", "a.1", "a.0x1", "1.2.3.4.5", "256.1.1.1", "0x", "a.b.0", "\uff11", "\uff11.\uff12", "-x-",
        "-a.test",
        "a-.test", "a.test-", "a.-b", "xn--", "xn--a", "a.xn--.test", "xn--test", "xn--a-.test",
        "..", "a..b", "a..", "~a", "a'b", "a;b", "a=b", "a&b", "a|b", "a^b", "a`b", "[12345::]", "[1:2:3:4:5:6:7:8:9]",
        "\u2025test",
    ],
)  # fmt: skip
def test_what_is_certainly_no_host_is_refused_unseen(scheme: str, host: str) -> None:
    """The resolver would find something for some of them, and no certificate names one; the error does not show it."""
    with pytest.raises(ConfigurationError, match=r"^base_url does not name a valid host: ") as caught:
        checked_origin(f"{scheme}://{host}:8443", "base_url")
    assert host not in str(caught.value) or len(host) < 3


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
        checked_origin(f"https://{given}", "base_url")
    assert "hunter2" not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


ADDRESSES = st.from_regex(r"(?i)https?://[a-z0-9.:@\\\\\\[\\]%/?#_\uff11\u3002\xfc -]{0,20}", fullmatch=True)


@given_any(ADDRESSES | st.text(max_size=20).map("http://".__add__))
def test_what_is_checked_is_what_is_connected_to(address: str) -> None:
    """The parser of the one that connects reads the origin as the same host and port, and nothing else in it."""
    try:
        origin = checked_origin(address, "base_url")
    except ConfigurationError:
        return
    url, given = URL(origin), URL(address)
    assert (url.scheme, url.port) == (given.scheme, given.port)
    assert url.raw_host == (given.raw_host or "").removesuffix(".")
    assert (url.user, url.password, url.raw_path, url.raw_query_string) == (None, None, "/", "")
    assert url.scheme == "https" or is_loopback(origin)
    assert checked_origin(origin, "base_url") == origin


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_address_of_any_class_has_its_own_value(kind: type[str]) -> None:
    """As an exact string."""
    origin = checked_origin(kind("https://A.test"), "base_url")
    assert (type(origin), origin) == (str, "https://a.test")


@pytest.mark.parametrize(
    ("origin", "is_here"),
    [
        ("http://127.0.0.1:1", True),
        ("https://127.9.9.9", True),
        ("https://localhost", True),
        ("https://[::1]", True),
        ("https://127.1", False),
        ("https://0.0.0.0", False),
        ("https://localhost.test", False),
        ("https://10.0.0.1", False),
    ],
)
def test_loopback_is_what_is_certainly_on_this_machine(origin: str, is_here: bool) -> None:
    """By its address, or by the name localhost."""
    assert is_loopback(origin) == is_here
