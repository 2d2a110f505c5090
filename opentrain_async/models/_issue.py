"""One thing that the service finds wrong with a request."""

from collections.abc import Mapping

import attrs

from .._base.text import one_line
from .._base.value import frozen

_no_raw: Mapping[str, object] = {}


@frozen
class Issue:
    """One finding of the service about a request's body, in the form of the zod library.

    That form is documented for other endpoints (https://www.opentrain.ai/docs/developers/api-reference/messages/send/);
    that drafts and jobs have the same is inferred.

    Attributes:
        path: Where: keys, and places in lists; empty for the whole body.
        message: What is wrong.
        code: The library's code, such as ``"invalid_type"``, or `None`.
        raw: The item as it came.
    """

    path: tuple[str | int, ...] = ()
    message: str = ""
    code: str | None = None
    raw: Mapping[str, object] = attrs.field(default=_no_raw, repr=False, eq=False)

    def __str__(self) -> str:
        where = one_line(".".join(map(str, self.path)))
        what = one_line(self.message or self.code or "not accepted")
        return f"{where}: {what}" if where else what
