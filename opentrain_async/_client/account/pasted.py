"""Recognise what goes wrong when a token or an address is pasted: quotes around it, or a placeholder left in it."""

_QUOTES = frozenset(
    "\"'`\u00b4\u2032\u2033\uff02\uff07\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb\u2039\u203a"
)
_BEGIN_PLACEHOLDERS = ("$", "<", "{", "[", "%")
_END_PLACEHOLDERS = (">", "}", "%", "...", "…")


def pasting_error(text: str) -> str | None:
    """Return what is wrong and what to do; `None` if nothing is wrong. The answer shows nothing of the text.

    Args:
        text: An exact `str`.
    """
    if text[:1] in _QUOTES or text[-1:] in _QUOTES:
        return "is in quotes: remove them"
    if text.startswith(_BEGIN_PLACEHOLDERS) or text.endswith(_END_PLACEHOLDERS) or "${" in text or "{{" in text:
        return "is a placeholder that was not filled in: set the value itself"
    return None
