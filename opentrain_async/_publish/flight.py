"""One publish under way, and those who wait for it."""

import asyncio
import math
from contextvars import Context, copy_context
from typing import Any, Literal

from attrs import define, field

from .._retry.callers import GivenUpError, Patience
from ..errors import OpenTrainError, QuotaExceededError
from ..errors._tree import own_copy
from ..events._listener import Story
from ..models import PublishResult
from ..quota._slots import Reservation

Phase = Literal["waiting", "ready", "sending"]
Ending = PublishResult | Exception


def _nobody() -> dict["asyncio.Future[Ending]", Patience]:
    return {}


@define(eq=False)
class Flight:
    """One draft being published, in the task of the caller who owns it or in one of its own.

    Attributes:
        job_id: The draft.
        owner: The patience of the caller in whose task this runs; `None` if it has a task of its own.
        task: The task in which it runs.
        told_at_end: Its owner hears of it at the end of a run, and not before its slot is settled: that may wait.
        phase: It waits for a slot; has one and is ready to send; or is sending.
        ended: How it ended, once that is known: then its slot may be left to be settled, and nothing else.
        attempts: How many have been begun.
        reservation: Its slot, once it has one.
        kept_at: When the lease of that was last renewed, by the monotonic clock.
        in_doubt: An attempt, of this publish or of one that it follows, may have been applied.
        has_doubtful_attempt: One made with its present slot may have been.
        has_lost: The last attempt has lost its connection.
        called_off: What its owner is told because the client itself has cancelled the task; that is done once.
        denial: Why there is no slot for it, since this was last asked for.
        story: What is told of it; `None` if nobody listens.
        context: That of the last one who came aboard: what goes on without its owner is theirs.
        passengers: Those besides the owner who wait to hear how it ends, each with a patience of their own.
    """

    job_id: str
    owner: Patience | None = None
    task: "asyncio.Task[Any] | None" = None
    told_at_end: bool = False
    phase: Phase = "waiting"
    ended: Ending | None = None
    attempts: int = 0
    reservation: Reservation | None = None
    kept_at: float = -math.inf
    in_doubt: bool = False
    has_doubtful_attempt: bool = False
    has_lost: bool = False
    called_off: Exception | None = None
    denial: QuotaExceededError | None = None
    story: Story | None = None
    context: Context | None = None
    passengers: dict["asyncio.Future[Ending]", Patience] = field(factory=_nobody)
    _denied_until: float = 0.0

    @property
    def patiences(self) -> list[Patience]:
        """Of all who wait."""
        aboard = [self.passengers[ending] for ending in self.waiting()]
        return aboard if self.owner is None else [self.owner, *aboard]

    @property
    def is_given_up(self) -> bool:
        """Nothing more is to be sent in this task: its owner has given up, or all who wait for a task of its own."""
        if self.owner is not None:
            return self.owner.is_given_up
        return bool(self.passengers) and all(patience.is_given_up for patience in self.passengers.values())

    @property
    def is_holdable(self) -> bool:
        """Somebody who waits can be held in an outage."""
        return any(patience.outage for patience in self.patiences)

    @property
    def is_urgent(self) -> bool:
        """Somebody who waits cannot: a single publish, or one of a run that does not want to be held."""
        return not all(patience.outage for patience in self.patiences)

    @property
    def may_be_live(self) -> bool:
        """Whether the draft may be live although nobody knows: it is being sent, or was and is in doubt."""
        return self.phase == "sending" or self.in_doubt

    @property
    def was_sent(self) -> bool:
        """Whether a request of this publish may have put it live, and nobody knows: so its slot is dated now."""
        return self.phase == "sending" or self.has_doubtful_attempt

    def board(self, patience: Patience, now: float) -> "asyncio.Future[Ending]":
        """Wait for the end of this publish as well."""
        ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.passengers[ending] = patience
        self.context = copy_context()
        if self.denial is not None and self.phase == "waiting":
            self._turn_away(self.denial, now)
        return ending

    def leave(self, ending: "asyncio.Future[Ending]") -> bool:
        """Wait for it no longer; returns whether nobody does any more."""
        del self.passengers[ending]
        return self.owner is None and not self.passengers

    def waiting(self) -> list["asyncio.Future[Ending]"]:
        """The passengers who have not yet been told how it ended for them."""
        return [ending for ending in self.passengers if not ending.done()]

    def tell(self, ended: Ending) -> None:
        """Tell all passengers how it ended."""
        for ending in self.waiting():
            ending.set_result(own_copy(ended))

    def deny(self, denial: QuotaExceededError, until: float, now: float) -> bool:
        """Turn away all who would not wait that long; returns whether this task is to wait for the others."""
        self.denial, self._denied_until = denial, until
        self._turn_away(denial, now)
        if self.owner is None:
            return bool(self.waiting())
        return not self.owner.is_given_up and self.owner.ends_at(now) >= until

    def let_go(self) -> None:
        """Let the passengers go who have given up."""
        for ending in self.waiting():
            if self.passengers[ending].is_given_up:
                ending.set_result(GivenUpError())

    def turn_away_hasty(self, failure: OpenTrainError) -> None:
        """Tell the passengers who cannot be held how it has ended for them; the others go on waiting."""
        for ending in self.waiting():
            if not self.passengers[ending].outage:
                told = own_copy(failure)
                told.effect = "unknown" if self.in_doubt else failure.effect
                ending.set_result(told)

    def give_up(self, patience: Patience) -> bool:
        """Let those with this patience go, unless it is being sent just now; returns whether this task may end.

        One that has a slot finds out by itself, before it sends anything more.
        """
        if self.phase != "sending":
            self.let_go()
        if self.phase != "waiting":
            return False
        return not self.waiting() if self.owner is None else self.owner is patience

    def disown(self) -> None:
        """Begin again without the owner, for the passengers who have not given up themselves."""
        self.let_go()
        self.owner = self.called_off = self.task = None  # the task goes on with what its owner does next
        self.told_at_end = False
        self.phase = "waiting"

    def _turn_away(self, denial: QuotaExceededError, now: float) -> None:
        for ending in self.waiting():
            patience = self.passengers[ending]
            if patience.is_given_up or patience.ends_at(now) < self._denied_until:
                ending.set_result(own_copy(denial))
