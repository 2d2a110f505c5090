"""Run each draft's publish once, however many callers want it.

Each publish is a task, so one caller's cancellation does not affect the others. When its last caller leaves, the task
is cancelled, and that caller waits until the slot is settled.

The workers of a bulk run own their publishes: such a publish runs in the worker's task, which saves a task for each
draft. If the run is cancelled while others wait for one of its drafts, that draft is published anew for them, in its
old slot.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Literal

from attrs import define, field

from .._base.clock import Clock
from .._base.tasks import ended
from .._retry.callers import Caller, GivenUpError
from ..errors import ClientClosedError, Effect, OpenTrainError, QuotaExceededError
from ..errors._tree import own_copy
from ..events._listener import CallTrace
from ..models import PublishResult
from ..quota._slots import Reservation, Wait

Phase = Literal["waiting", "ready", "sending"]
Ending = PublishResult | Exception


def _no_callers() -> dict["asyncio.Future[Ending]", Caller]:
    return {}


@define(eq=False)
class SharedPublish:
    """The publish of one draft, in the task of the caller who owns it or in a task of its own.

    Attributes:
        job_id: The draft.
        owner: The caller in whose task this runs; `None` if it has a task of its own.
        task: The task in which it runs.
        phase: It waits for a slot; it has one and is ready to send; or it is sending.
        ended: The result or error, once it is known. From then on only the slot may still need to be settled.
        attempts: How many attempts have begun.
        reservation: Its slot, once it has one.
        lease_renewed_at: When the lease of the slot was last renewed, by the monotonic clock.
        in_doubt: An attempt, of this publish or of an earlier one in the same slot, may have been applied.
        doubtful_since: When the last attempt made with the present slot ended that may have been applied, by the
            monotonic clock; `None` if there is none.
        has_lost: The last attempt has lost its connection.
        cancelled_with: What its owner raises because the client itself has cancelled the task; that is done once.
        denial: Why there was no slot when it was last asked for.
        trace: Emits its events; `None` if nobody listens.
        context: The context of the caller that joined last; a publish that continues without its owner runs in it.
        callers: The callers besides the owner, each by the future that it waits for.
    """

    job_id: str
    owner: Caller | None = None
    task: "asyncio.Task[Any] | None" = None
    phase: Phase = "waiting"
    ended: Ending | None = None
    attempts: int = 0
    reservation: Reservation | None = None
    lease_renewed_at: float = -math.inf
    in_doubt: bool = False
    doubtful_since: float | None = None
    has_lost: bool = False
    cancelled_with: Exception | None = None
    denial: QuotaExceededError | None = None
    trace: CallTrace | None = None
    context: Context | None = None
    callers: dict["asyncio.Future[Ending]", Caller] = field(factory=_no_callers)
    _denied_until: float = 0.0

    @property
    def all_callers(self) -> list[Caller]:
        """All callers who wait, the owner first."""
        waiting = [self.callers[future] for future in self.unanswered()]
        return waiting if self.owner is None else [self.owner, *waiting]

    @property
    def is_given_up(self) -> bool:
        """True if nothing more may be sent in this task: its owner has given up, or all callers of its own task."""
        if self.owner is not None:
            return self.owner.is_given_up
        return bool(self.callers) and all(caller.is_given_up for caller in self.callers.values())

    @property
    def can_be_paused(self) -> bool:
        """True if an outage may pause at least one caller."""
        return any(caller.outage_patience for caller in self.all_callers)

    @property
    def has_urgent(self) -> bool:
        """True if an outage may not pause at least one caller: a single publish, or a run that does not want it."""
        return not all(caller.outage_patience for caller in self.all_callers)

    @property
    def may_be_live(self) -> bool:
        """True if the draft may be live without a known outcome: it is being sent, or was and is unknown."""
        return self.phase == "sending" or self.in_doubt

    def note_doubt(self, wait: Wait) -> None:
        """Remember whether the draft may be live although it has to wait."""
        self.in_doubt = wait.may_be_live

    def begin(self, reservation: Reservation) -> None:
        """Be ready to send, with this slot."""
        self.reservation, self.phase, self.doubtful_since = reservation, "ready", None
        self.in_doubt = reservation.before in {"unknown", "expired"}

    def join(self, caller: Caller, now: float) -> "asyncio.Future[Ending]":
        """Add a caller; return the future that gets the result or error for it."""
        future: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.callers[future] = caller
        self.context = copy_context()
        if self.denial is not None and self.phase == "waiting":
            self._fail_impatient(self.denial, now)
        return future

    def leave(self, future: "asyncio.Future[Ending]") -> bool:
        """Remove a caller; return whether it was the last one."""
        del self.callers[future]
        return self.owner is None and not self.callers

    def unanswered(self) -> list["asyncio.Future[Ending]"]:
        """Return the futures of the callers who have not been answered."""
        return [future for future in self.callers if not future.done()]

    def answer_all(self, ending: Ending) -> None:
        """Answer all callers with this result or error."""
        for future in self.unanswered():
            future.set_result(own_copy(ending))

    def deny(self, denial: QuotaExceededError, until: float, now: float) -> bool:
        """Fail all callers who do not wait that long; return whether this task must wait for the others."""
        self.denial, self._denied_until = denial, until
        self._fail_impatient(denial, now)
        if self.owner is None:
            return bool(self.unanswered())
        return not self.owner.is_given_up and self.owner.waits_until(now) >= until

    def release_given_up(self) -> None:
        """Answer the callers who have given up."""
        for future in self.unanswered():
            if self.callers[future].is_given_up:
                future.set_result(GivenUpError())

    def fail_urgent(self, failure: OpenTrainError) -> None:
        """Fail the callers whom an outage may not pause; the others continue to wait."""
        for future in self.unanswered():
            if not self.callers[future].outage_patience:
                error = own_copy(failure)
                error.effect = "unknown" if self.in_doubt else failure.effect
                future.set_result(error)

    def give_up(self, caller: Caller) -> bool:
        """Release this caller, unless the draft is being sent; return whether the task must be cancelled.

        A publish that has a slot finds out by itself before it sends anything more.
        """
        if self.phase != "sending":
            self.release_given_up()
        if self.phase != "waiting":
            return False
        return not self.unanswered() if self.owner is None else self.owner is caller

    def continue_without_owner(self) -> None:
        """Begin again without the owner, for the callers who have not given up themselves."""
        self.release_given_up()
        self.owner = self.cancelled_with = self.task = None  # the task continues with the owner's next draft
        self.phase = "waiting"

    def _fail_impatient(self, denial: QuotaExceededError, now: float) -> None:
        for future in self.unanswered():
            caller = self.callers[future]
            if caller.is_given_up or caller.waits_until(now) < self._denied_until:
                future.set_result(own_copy(denial))


class SingleFlight:
    """Runs each draft's publish once, however many callers want it.

    Args:
        publish: Publishes the draft of a shared publish.
        clock: The wall clock against which callers' patience is measured.
        wake_all: Called when a caller has given up or joined, so that publishes that wait look again.
    """

    def __init__(
        self, publish: Callable[[SharedPublish], Awaitable[PublishResult]], clock: Clock, wake_all: Callable[[], None]
    ) -> None:
        self._publish = publish
        self._clock = clock
        self._wake_all = wake_all
        self._joinable: dict[str, SharedPublish] = {}
        self._left_by_all: set[SharedPublish] = set()
        self._is_closed = False
        self._is_idle = asyncio.Event()

    def join(self, job_id: str, caller: Caller) -> Awaitable[PublishResult]:
        """Publish the draft, or join the publish of it that is in flight.

        Args:
            job_id: The draft, a checked id.
            caller: The caller, and how long it waits.

        Returns:
            The live job; awaiting it raises the `OpenTrainError` with which the publish ended for this caller.
        """
        shared = self._joinable.get(job_id)
        if shared is None:
            shared = SharedPublish(job_id)
            self._start(shared)
        return self._wait(shared, caller)

    def join_in_own_task(
        self, job_id: str, caller: Caller, task: "asyncio.Task[object] | None"
    ) -> tuple[SharedPublish, Awaitable[PublishResult]]:
        """Do the same for a worker of a run: a publish that is not in flight runs in the worker's task.

        Args:
            job_id: As in `join`.
            caller: As in `join`.
            task: The current task.

        Returns:
            The shared publish, and its result as in `join`; awaiting that raises `GivenUpError` if the caller gave up.

        Raises:
            ClientClosedError: The client is closed.
        """
        if self._is_closed:
            raise ClientClosedError("the client is closed", job_id=job_id)
        shared = self._joinable.get(job_id)
        if shared is not None:
            return shared, self._wait(shared, caller)
        shared = self._joinable[job_id] = SharedPublish(job_id, caller, task)
        return shared, self._run(shared)

    def give_up(self, caller: Caller) -> None:
        """Release this caller from every draft that is not being sent."""
        for shared in list(self._joinable.values()):
            if shared.give_up(caller):
                self._cancel(shared, GivenUpError())
        self._wake_all()

    def denial(self, caller: Caller) -> QuotaExceededError | None:
        """Return why drafts of this caller wait for the window; `None` if none does."""
        for shared in self._joinable.values():
            if shared.owner is caller and shared.phase == "waiting" and shared.denial is not None:
                return shared.denial
        return None

    async def close(self) -> None:
        """Cancel every publish in flight, wait until its slot is settled, and tell its callers."""
        self._is_closed = True
        for shared in list(self._joinable.values()):
            if shared.ended is None:
                error = _closed_meanwhile(shared)
                shared.answer_all(error)
                self._cancel(shared, error)
        if self._joinable or self._left_by_all:
            await self._is_idle.wait()

    def _start(self, shared: SharedPublish) -> None:
        """Publish in a task of its own, which ends when the slot is settled."""
        self._joinable[shared.job_id] = shared
        shared.task = asyncio.create_task(self._run(shared), context=shared.context)
        shared.task.add_done_callback(partial(self._task_has_ended, shared))

    async def _run(self, shared: SharedPublish) -> PublishResult:
        """Publish in the current task; then answer the other callers, or continue for them."""
        try:
            return await self._publish(shared)
        except asyncio.CancelledError:
            # If the client has cancelled the task, its owner is not cancelled, and continues with this error.
            error = shared.cancelled_with
            if error is None or shared.task is None or shared.task.uncancel():
                raise
        except Exception as failure:
            # Callers who are left after a denial wait longer than it lasts, and have not given up.
            if failure is not shared.denial and not isinstance(failure, GivenUpError):
                shared.ended = failure
            raise
        finally:
            self._end(shared)
        raise error

    async def _wait(self, shared: SharedPublish, caller: Caller) -> PublishResult:
        """Wait for the end of a publish in another task; the last caller to leave cancels it."""
        future = shared.join(caller, self._clock.now())
        if shared.phase == "ready":
            self._wake_all()
        try:
            ending = await future
        finally:
            if shared.leave(future) and shared.task is not None and not shared.task.done():
                self._cancel(shared, GivenUpError())
                await ended(shared.task)
        if isinstance(ending, PublishResult):
            return ending
        raise ending

    def _cancel(self, shared: SharedPublish, error: Exception) -> None:
        """Cancel a publish, once; one whose outcome is known still settles its slot.

        A publish with a task of its own has no callers left: the next caller begins anew.
        """
        if shared.owner is None and self._joinable.get(shared.job_id) is shared:
            del self._joinable[shared.job_id]
            self._left_by_all.add(shared)
        if shared.task is not None and shared.cancelled_with is None and shared.ended is None:
            shared.cancelled_with = error
            shared.task.cancel()

    def _end(self, shared: SharedPublish) -> None:
        """End a publish whose slot is settled. Without its owner it continues for the other callers."""
        if self._joinable.get(shared.job_id) is shared:
            del self._joinable[shared.job_id]
        else:
            self._left_by_all.discard(shared)
        if shared.callers and shared.unanswered():
            if shared.ended is not None:
                shared.answer_all(shared.ended)
            elif shared.owner is None or self._is_closed:
                shared.answer_all(_closed_meanwhile(shared))
            else:
                shared.continue_without_owner()
                if shared.unanswered():
                    self._start(shared)
        if self._is_closed and not self._joinable and not self._left_by_all:
            self._is_idle.set()

    def _task_has_ended(self, shared: SharedPublish, task: "asyncio.Task[PublishResult]") -> None:
        self._end(shared)  # again, for a task that was cancelled before it began
        if not task.cancelled():
            task.exception()  # the callers have been told


def _closed_meanwhile(shared: SharedPublish) -> ClientClosedError:
    effect: Effect = "unknown" if shared.may_be_live else "none"
    error = ClientClosedError("the client was closed meanwhile", job_id=shared.job_id, effect=effect)
    error.operation = "publish"
    return error
