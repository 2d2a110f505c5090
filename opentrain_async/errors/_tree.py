"""The root of the error tree, and every error that needs no answer of the service."""

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal, TypeVar

from .._base.representation import repr_if_ready
from .._base.text import one_line
from ..models import Draft, MissingField

T = TypeVar("T")
Effect = Literal["none", "applied", "unknown"]

_UNCHANGED = "The server changed nothing."
_APPLIED: Mapping[str, str] = {"update_job": "The edit has been applied, and the job is a draft again."}
_DOUBTS: Mapping[str, str] = {
    "publish": "The server may have published it: publish it again to find out, it is charged once.",
    "create_draft": "A draft may have been made: create it again with this idempotency key, and it is that one.",
    "register": "An account may have been made whose token is lost; to register again makes another one.",
    "wait_for_claim": "The new token may have been delivered, which happens once; ask again to find out.",
}


def names_of(missing: tuple[MissingField, ...]) -> str:
    """Return the names of the first few missing fields, for an advice."""
    return ", ".join(one_line(item.field) for item in missing[:5]) or "what is missing"


class OpenTrainError(Exception):
    """The root of everything that this library raises on purpose.

    Instances can be pickled and copied. `str()` is one line, in which text that came from the server is
    escaped and cut; `message` is that text whole. None of it ever holds the token.

    Attributes:
        message: What happened, unescaped where the server said it.
        job_id: The draft or job that it is about, or `None` where it is about none.
        effect: What the server had changed.
        operation: What was being asked of the service: the name of the client's method; `None` where nothing was.
        idempotency_key: Of a draft that was being created, the key with which to do so again; otherwise `None`.
    """

    advice: ClassVar[str] = ""
    operation: str | None = None
    idempotency_key: str | None = None

    def __init__(self, message: str = "", *, job_id: str | None = None, effect: Effect = "none") -> None:
        super().__init__(message)
        self.message = message
        self.job_id = job_id
        self.effect: Effect = effect

    @repr_if_ready
    def __str__(self) -> str:
        subject = f"{one_line(self.job_id)}: " if self.job_id else ""
        said = one_line(self.message).rstrip(".")
        stop = "" if said.endswith(("?", "!")) else "."
        parts = [f"{subject}{said}{stop}", self._what_was_changed(), self._next_step()]
        return " ".join(part for part in parts if part)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>" if hasattr(self, "message") else str(self)

    def _what_was_changed(self) -> str:
        if self.effect == "none":
            return _UNCHANGED
        if self.effect == "applied":
            return _APPLIED.get(self.operation or "", "The server had applied the change.")
        key = f" ({one_line(self.idempotency_key)})" if self.idempotency_key else ""
        return _DOUBTS.get(self.operation or "publish", "The server may have done it: to do it again is safe.") + key

    def _next_step(self) -> str:
        return self.advice


def own_copy(error: T) -> T:
    """A copy of an error to raise, without a traceback: two tasks that raise the same one mix up its own.

    What is no error of ours is returned as it is.
    """
    if not isinstance(error, OpenTrainError):
        return error
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    return copied


class ConfigurationError(OpenTrainError, ValueError):
    """An argument, a setting or an id that cannot be right. Nothing was sent."""

    @repr_if_ready
    def __str__(self) -> str:
        return one_line(self.message)


class SessionError(ConfigurationError):
    """The borrowed session cannot send: it is closed, belongs to another event loop, or has a login of its own.

    Nothing was sent, and no other draft would be: a run stops.
    """


class ClientClosedError(OpenTrainError, RuntimeError):
    """The client was closed: before the call (effect none), or during the call (effect as it stood)."""

    advice = "Use a client that is open."


class QuotaExceededError(OpenTrainError):
    """The account has used up its publishes of the last 24 hours.

    Attributes:
        limit: Publishes per window, or `None` while it is not known.
        used: How many of them the ledger counts, unknown ones too.
        retry_at: When a slot comes back at the earliest, as far as is known. Not a booking.
        source: ``"ledger"``, and nothing was sent; or ``"server"``, and it answered 429.
        window_hours: The server's own `windowHours`; `None` where it names none, and from the ledger.
        retry_after: The server's own Retry-After in seconds, or `None`.
        request_id: The server's, to quote to support, or `None` from the ledger.
    """

    def __init__(
        self,
        message: str = "",
        *,
        job_id: str | None = None,
        effect: Effect = "none",
        limit: int | None = None,
        used: int | None = None,
        retry_at: datetime | None = None,
        source: Literal["ledger", "server"] = "ledger",
        window_hours: float | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, job_id=job_id, effect=effect)
        self.limit = limit
        self.used = used
        self.retry_at = retry_at
        self.source: Literal["ledger", "server"] = source
        self.window_hours = window_hours
        self.retry_after = retry_after
        self.request_id = request_id

    def _next_step(self) -> str:
        return f"Try again at {self.retry_at:%Y-%m-%d %H:%M:%S} UTC." if self.retry_at else ""


class QuotaLedgerError(OpenTrainError):
    """The quota ledger could not be read or written, so nothing was sent."""

    advice = "Nothing was sent: look at the ledger's storage."


class JournalError(OpenTrainError):
    """A run's journal could not be read or written, or is another run's just now. Nothing was sent, or nothing more."""


class DraftIncompleteError(OpenTrainError):
    """A draft still has missing fields, and there is no answer for them. The fields that were filled in are kept.

    Attributes:
        draft: The draft as the service had it last.
    """

    def __init__(
        self, message: str = "", *, job_id: str | None = None, effect: Effect = "none", draft: Draft | None = None
    ) -> None:
        super().__init__(message, job_id=job_id, effect=effect)
        self.draft = draft

    @property
    def missing(self) -> tuple[MissingField, ...]:
        """The missing fields."""
        return self.draft.missing if self.draft else ()

    def _next_step(self) -> str:
        return f"Fill in {names_of(self.missing)}, then publish it."


class TransportError(OpenTrainError):
    """No answer arrived. Its cause is a plain copy (type name and text) of what the network library raised."""


class ConnectError(TransportError):
    """No connection could be made in time: refused, not resolved, or none free in the pool. Nothing was sent."""

    advice = "Check the base URL and the network."


class PoolTimeoutError(ConnectError):
    """Every pooled connection was in use until the connect timeout. Nothing was sent."""

    advice = "Raise max_connections, or lower the concurrency."


class TLSError(TransportError):
    """The certificate or its host name is wrong. Nothing was sent, the token included."""

    advice = "Check the base URL, the clock and the certificates of this machine."


class RequestTimeoutError(TransportError, TimeoutError):
    """The request was sent and no whole answer came within the timeout."""


class ConnectionLostError(TransportError):
    """The request was sent, in whole or in part, and the connection ended before the answer."""


class SessionHookError(TransportError):
    """A tracer, middleware or resolver of the borrowed session raised.

    Attributes:
        raised: The class name of what it raised.
        was_sent: False if nothing was sent by then; True if something was, or may have been.
    """

    advice = "Fix the session's own code."

    def __init__(
        self,
        message: str = "",
        *,
        job_id: str | None = None,
        effect: Effect = "none",
        raised: str = "",
        was_sent: bool = False,
    ) -> None:
        super().__init__(message, job_id=job_id, effect=effect)
        self.raised = raised
        self.was_sent = was_sent


class ResponseError(OpenTrainError):
    """An answer that cannot be taken for what was promised.

    Attributes:
        status: The HTTP status, or `None` where not even that could be read.
        request_id: The server's, where it gave one.
    """

    def __init__(
        self,
        message: str = "",
        *,
        job_id: str | None = None,
        effect: Effect = "none",
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, job_id=job_id, effect=effect)
        self.status = status
        self.request_id = request_id


class UnexpectedResponseError(ResponseError):
    """Not the promised format: HTML, misshapen JSON, a proxy's answer; or a redirect, which is not followed."""


class TruncatedResponseError(UnexpectedResponseError):
    """The answer ended before its end, or was given up at 1 MiB."""


class ContradictoryResponseError(UnexpectedResponseError):
    """A body in the promised format that says ``"ok": false``, or is about another job."""
