"""A secret is taken out of foreign text, however it was written there."""

import html
import json
import time
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async._base.redaction import Masks, redact_nothing, redacted, redactor
from opentrain_async._base.secret import Secret

TOKEN = "ot_pat_8f2a91cd_S3cr/t+S3cr.t~S3cr-t=="
redact = redactor(Secret(TOKEN))


def _each(form: str) -> Callable[[str], str]:
    return lambda text: "".join(form.format(ord(mark)) for mark in text)


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in lower case, as a host": str.lower,
    "in upper case": str.upper,
    "JSON": _each("\\u{:04x}"),
    "JSON in JSON": lambda text: json.dumps(_each("\\u{:04X}")(text))[1:-1],
    "PHP": lambda text: text.replace("/", "\\/"),
    "JavaScript": _each("\\x{:02x}"),
    "JavaScript, with braces": _each("\\u{{{:x}}}"),
    "a URL": urllib.parse.quote_plus,
    "a URL, wholly": _each("%{:02X}"),
    "a URL in a URL": lambda text: urllib.parse.quote(_each("%{:02X}")(text), safe=""),
    "HTML": lambda text: html.escape(text).replace("_", "&lowbar;").replace("=", "&equals;"),
    "HTML by number": _each("&#{:d};"),
    "HTML by hexadecimal number": _each("&#x{:x};"),
    "folded": lambda text: text[:9] + "\r\n\t" + text[9:],
    "with zero-width spaces": "\u200b".join,
    **{
        f"with U+{mark:04X} between": chr(mark).join
        for mark in (
            0x7F,
            0x9B,
            0xAD,
            0x34F,
            0x61C,
            0x115F,
            0x17B4,
            0x180B,
            0x180E,
            0x200B,
            0x202A,
            0x202E,
            0x2060,
            0x2066,
            0x2069,
            0x3164,
            0xFE00,
            0xFE0F,
            0xFEFF,
            0xFFA0,
            0xE0001,
            0xE0100,
        )
    },
    "cut at its end": lambda text: text[:20],
    "cut at its beginning": lambda text: text[-20:],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
@pytest.mark.parametrize("around", ["{}", "\0a {} b\r\n", '{{"error": "got Bearer {}, sorry"}}', "https://{}.test/x"])
def test_F71_a_token_is_masked_in_each_form(form: Callable[[str], str], around: str) -> None:
    """The text around it stays as it is."""
    assert redact(around.format(form(TOKEN)).encode()).decode() == around.format("***")


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_each_of_several_is_masked(form: Callable[[str], str]) -> None:
    """Also where they follow each other."""
    shown = redact(f"<{form(TOKEN)}{form(TOKEN)} {form(TOKEN)}>".encode()).decode()
    assert (shown[:4], shown[-4:], set(shown) - set("<> *")) == ("<***", "***>", set())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_a_token_is_masked_in_other_encodings(encoding: str) -> None:
    """Between its characters are zeros then."""
    assert b"8\0" not in redact(f"got {TOKEN} here".encode(encoding))


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_text_around_a_token_stays_as_it_is(before: str, after: str) -> None:
    """Whatever it is, and also where it holds no token."""
    assert redact(before.encode(errors="surrogatepass")) == before.encode(errors="surrogatepass")
    shown = redact(f"{before}< {TOKEN} >{after}".encode(errors="surrogatepass"))
    assert shown == f"{before}< *** >{after}".encode(errors="surrogatepass")


@given(st.binary(max_size=200))
def test_text_without_the_token_is_returned_unchanged(body: bytes) -> None:
    """Also if it is not a text."""
    assert redact(body) == body
    assert redact(b"%00&amp;&nosuch;&nbsp;\\u0041\\/" + body) == b"%00&amp;&nosuch;&nbsp;\\u0041\\/" + body


def test_the_preview_of_a_token_stays() -> None:
    """The service shows it on purpose."""
    assert redact(b"ot_pat_8f2a********91cd") == b"ot_pat_8f2a********91cd"


@pytest.mark.parametrize("secret", [None, Secret(""), Secret("ot_pat_x")])
def test_a_text_too_short_for_a_token_is_not_looked_for(secret: Secret | None) -> None:
    """It is part of too many words."""
    assert redactor(secret) is redact_nothing
    assert redact_nothing(b"ot_pat_x") == b"ot_pat_x"


def test_a_text_that_is_just_the_token_is_masked() -> None:
    """Where parts count, so is the shortest part; one character less is left."""
    whole = redactor(Secret(TOKEN), also_cut=False)
    assert (redacted(TOKEN, whole), redacted(TOKEN[:-1], whole)) == ("***", TOKEN[:-1])
    assert (redacted(TOKEN[:15], redact), redacted(TOKEN[:14], redact)) == ("***", TOKEN[:14])


def test_a_short_token_is_masked_whole() -> None:
    """Twelve characters are enough."""
    assert redactor(Secret("ot_pat_abcde"))(b"<ot_pat_abcde>") == b"<***>"


def test_a_string_is_redacted_too() -> None:
    """It may hold what UTF-8 cannot."""
    assert redacted(f"ü\ud800 {TOKEN} \U0001f600", redact) == "ü\ud800 *** \U0001f600"


@pytest.mark.parametrize(
    "hostile",
    [
        b"\\u0041" * 170_000,
        b"\\" * 1_000_000,
        b"%25" * 300_000,
        b"&#x00000061" * 90_000,
        b"\\u{0" + b"0" * 1_000_000,
        TOKEN[:14].encode() * 70_000,
        TOKEN.encode() * 27_000,
        b" \0" * 500_000,
    ],
    ids=["escapes", "backslashes", "percents", "entities", "zeros", "beginnings", "tokens", "blanks"],
)
def test_no_text_takes_long(hostile: bytes) -> None:
    """A hundred times as much text takes some hundred times as long, and not ten thousand times."""

    def seconds(text: bytes) -> float:
        began = time.process_time()
        redact(text)
        return time.process_time() - began

    few = min(seconds(hostile[:10_000]) for _ in range(5))
    assert seconds(hostile) < 1000 * max(few, 1e-3)


def test_what_either_function_masks_is_masked() -> None:
    """The token of a client, and the one in the body of a request."""
    both = Masks.of(Secret("ot_pat_2f81c0de")).and_of(Secret("ot_clm_91ab22ef")).of_success
    assert both(b"ot_pat_2f81c0de ot_clm_91ab22ef ot_pat_another") == b"*** *** ot_pat_another"


def test_all_that_looks_like_a_token_is_masked() -> None:
    """In any encoding, and but for previews."""
    body = '{"ü": ["ot_pat_2f81c0de", "ot_pat_2f81"]}'.encode()
    of_refusal = Masks.of(None).of_refusal
    assert of_refusal(body) == body.replace(b"ot_pat_2f81c0de", b"***")
    assert of_refusal(b"\xff ot_clm_91ab22ef") == b"\xff ***"


@given(
    st.data(),
    st.text(st.sampled_from('…\u2028é\\\n\ta026/\x01中"%&;'), max_size=12),
    st.text(st.sampled_from('…\u2028é\\\n\ta026/\x01中"%&;'), max_size=12),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_json_stays_json(data: st.DataObject, before: str, after: str, first: int, last: int) -> None:
    """However it escapes what stands around the token: a mask never begins or ends within an escape."""

    def escape(mark: str) -> str:
        if mark in '"\\' or mark < " ":
            return json.dumps(mark)[1:-1]
        return f"\\u{ord(mark):04x}" if data.draw(st.booleans()) else mark

    text = f"{before}{TOKEN[first : len(TOKEN) - last]}{after}"
    body = f'{{"a": "{"".join(map(escape, text))}", "b": 1}}'
    shown = json.loads(redact(body.encode()))
    assert shown == {"a": shown["a"], "b": 1}
    assert TOKEN[5:-5] not in shown["a"]


def test_a_part_of_the_token_is_left_in_a_success() -> None:
    """It may be an id that stands in the token, or a part of the next one; the whole token is masked all the same."""
    body = json.dumps({"organizationId": TOKEN[7:30], "accessToken": TOKEN[:22] + "another"}).encode()
    masks = Masks.of(Secret(TOKEN))
    assert masks.of_success(body) == body
    assert TOKEN[7:30].encode() not in masks.of_refusal(body)
    for form in FORMS.values():
        if "***" in (whole := redact(form(TOKEN).encode()).decode()) and len(form(TOKEN)) >= len(TOKEN):
            assert masks.of_success(form(TOKEN).encode()).decode() == whole


def test_a_shorter_secret_is_looked_for_where_that_is_wanted() -> None:
    """As a password, of eight characters at least."""
    assert redactor(Secret("pass-w0rd"), shortest=8)(b"-ERR 'pass-w0rd' %70ass-w0rd") == b"-ERR '***' ***"
    assert redactor(Secret("pass"), shortest=8)(b"pass") == b"pass"


@pytest.mark.parametrize("password", ['S3cret/p w"d@x', "it's a long password"])
@pytest.mark.parametrize("form", ["as it is", "in lower case, as a host", "JSON", "a URL, wholly", "HTML by number"])
def test_a_password_may_have_blanks_and_quotes(password: str, form: str) -> None:
    """It is found in other forms all the same, and as a string of JSON."""
    mask = redactor(Secret(password), shortest=8)
    assert mask(f"<{FORMS[form](password)}>".encode()) == b"<***>"
    assert mask(json.dumps({"a": password}).encode()) == b'{"a": "***"}'
