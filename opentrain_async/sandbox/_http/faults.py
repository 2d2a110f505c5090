"""Plan the faults of requests."""

from collections import Counter
from enum import StrEnum

from attrs import define, frozen

from ..._base.text import shown


class Fault(StrEnum):
    """How a request goes wrong. Each but `REDIRECT` may follow upon what was asked for."""

    STATUS = "status"
    """An answer of that HTTP status, with the body that the service's errors have."""
    GATEWAY = "gateway"
    """An answer of that HTTP status in plain text, such as that of an ingress during a deploy."""
    REDIRECT = "redirect"
    """307 to another host."""
    RESET = "reset"
    """The connection is reset, without an answer."""
    CLOSE = "close"
    """The connection is closed, without an answer."""
    STALL = "stall"
    """No answer comes."""
    DRIP = "drip"
    """The answer comes byte by byte."""
    TRUNCATED = "truncated"
    """The answer is cut in the middle of its body."""
    HTML = "html"
    """200, and a page such as a captive portal's."""
    OVERSIZED = "oversized"
    """200, and two megabytes of JSON."""


def fault_named(word: str) -> Fault:
    """The fault of that name, which may be a `Fault` itself.

    Raises:
        ValueError: There is none; the text says which there are.
    """
    try:
        return Fault(word)
    except ValueError:
        raise ValueError(f"no such fault: {shown(word)}; there are {', '.join(sorted(Fault))}") from None


@frozen
class PlannedFault:
    """A fault, and when it strikes.

    Attributes:
        kind: How the request goes wrong.
        on: The operation of the request.
        job_id: Of which draft, or `None` for any.
        calls: The numbers of the calls it strikes, counted from the sandbox's beginning: for the operation and the
            draft, or over all of the operation.
        published: What was asked for is done before the fault strikes.
        status: The status of a `STATUS` or `GATEWAY`.
        retry_after: The value of a Retry-After header, as text, or `None`.
    """

    kind: Fault
    on: str
    job_id: str | None
    calls: range
    published: bool
    status: int
    retry_after: str | None


@define
class FaultPlan:
    """The faults to come, and the calls counted so far."""

    _planned: list[PlannedFault]
    _calls: Counter[tuple[str, str | None]]

    @classmethod
    def empty(cls) -> "FaultPlan":
        """No faults."""
        return cls([], Counter())

    def counted(self, operation: str, job_id: str | None) -> int:
        """How many calls there were so far: of the operation for that draft, or of all of it."""
        return self._calls[operation, job_id]

    def add(self, fault: PlannedFault) -> None:
        """Plan a fault."""
        self._planned.append(fault)

    def clear(self) -> None:
        """Plan no faults; the calls stay counted."""
        self._planned.clear()

    def on_call(self, operation: str, job_id: str | None) -> PlannedFault | None:
        """Count a call; returns the fault that strikes it, if any."""
        counted = {(operation, job_id), (operation, None)}
        self._calls.update(counted)
        return next((fault for fault in self._planned if self._strikes(fault, counted)), None)

    def _strikes(self, fault: PlannedFault, counted: set[tuple[str, str | None]]) -> bool:
        key = (fault.on, fault.job_id)
        return key in counted and self._calls[key] in fault.calls
