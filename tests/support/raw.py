"""A text that attacks whatever shows it, and a check that nothing of it came out raw."""

import re
import unicodedata

TOKEN, ANOTHER_TOKEN = "ot_pat_8f2a91cd_S3cretS3cretS3cret", "ot_ptk_An0therAn0therAn0ther"
HOSTILE = (
    "\u00e9\u6f22"  # harmless, where the encoding has it
    "\x1b]8;;http://evil.example\x07EVIL\x1b]8;;\x1b\\"  # a link of the terminal's
    "\x1b[2J\x1b[7;5mEVIL\x1b[8m\x9b7m\x90q\x9c\x85"  # clears the screen, reverses, conceals; the same in C1
    "\x00\x07\x08\t\x0b\x0c\r\x7f\nFORGED\r\n"
    "\u202egnp.exe\u202c\u2066\u2069\u200e\u200f\u061c"  # bidi
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e"  # zero width
    "\u2028\u2029\u00a0\u3000"
    "\u034f\u115f\u1160\u17b4\u180b\u3164\uffa0\ufe0f\U000e0041\U000e0101\u2800"  # invisible
    "\ud800\udfff\ue000\uffff"
    "[red]EVIL[/red][link=http://evil.example]x[/link][/] :smile: ]] {0} {x} %s %(x)d \\"
    f" {TOKEN} {ANOTHER_TOKEN} <script>alert(1)</script>"
)
"""It has one of each kind."""
NAMEABLE = HOSTILE.replace(TOKEN, "").replace(ANOTHER_TOKEN, "")
"""Without the tokens, as no name may hold one."""
_FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_INVISIBLE = re.compile(
    "[\u00a0\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3000\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_STYLES = re.compile(r"\x1b\[(?:0|1|2|9?3\d|90|38;5;\d+)(?:;(?:1|2|9?3\d|38;5;\d+))*m|\x1b\[m")
"""What rich paints with here: bold, dim and colours. The hostile text has others."""
_MOVES = re.compile(r"\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A|\r(?=[\n\r\x1b]|\Z)")
"""What rich moves a progress bar with."""


def without_paint(text: str) -> str:
    """Return what a terminal got, without what rich itself paints and moves with."""
    return _MOVES.sub("", _STYLES.sub("", text)).replace("\r\n", "\n")


def raw_in(text: str, *, may_begin_a_line: bool = False, longest: int = 10_000) -> list[str]:
    """Return everything in a text that a person must not get as it came."""
    found = [f"U+{ord(mark):04X}" for mark in text if unicodedata.category(mark) in _FORBIDDEN and mark != "\n"]
    found += [f"U+{ord(mark):04X}" for mark in _INVISIBLE.findall(text)]
    found += ["a token" for token in (TOKEN, ANOTHER_TOKEN) if token in text]
    found += ["a line of its own"] * (not may_begin_a_line and "\nFORGED" in text)
    found += [f"a line of {len(line)}" for line in text.split("\n") if len(line) > longest]
    return found


def assert_harmless(text: str, *, may_begin_a_line: bool = False) -> None:
    """See that nothing came out raw. In a traceback a line of an exception's text is one of its own."""
    assert raw_in(text, may_begin_a_line=may_begin_a_line) == [], ascii(text)[:2000]
