"""Publish one draft: the order of the steps."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial

from attrs import evolve

from .._base.clock import Clock, instant
from .._base.fenced_log import logger
from .._retry.callers import GivenUpError
from .._retry.engine import Retrier
from .._service.answers import ended_job_error, read_publish, window_seconds
from .._service.call import Exchange
from .._service.http.messages import Reply
from .._service.http.transport import Transport
from .._service.operations import publish_request
from ..errors import OpenTrainError, QuotaExceededError
from ..events import PublishEnded, PublishStarted
from ..events._listener import EventEmitter
from ..models import PublishResult
from ..outcomes._answer_table import is_decisive, is_transient, rule_on
from ..quota import QuotaLedger
from ..quota._slots import Answer, Reservation, Saw, Wait
from .single_flight import SharedPublish

Publish = Callable[[SharedPublish], Awaitable[PublishResult]]


class Publisher:
    """Publishes drafts, each with a slot of the quota."""

    def __init__(self, ledger: QuotaLedger, transport: Transport, retrier: Retrier, clock: Clock) -> None:
        self._ledger = ledger
        self._transport = transport
        self._retrier = retrier
        self._clock = clock

    async def publish(self, shared: SharedPublish) -> PublishResult:
        """Reserve a slot, attempt the publish until its answer is known or the policy ends it, settle the slot.

        Always settle a reservation, also when cancelled; the draft's outcome does not depend on whether that works.
        A refusal by the server's quota leads back to the first step while at least one caller wants to wait.

        Raises:
            OpenTrainError: The draft is not known to be live; `effect` says whether it may be.
        """
        read = partial(self._read, shared.job_id)
        exchange = Exchange(self._transport, publish_request(shared.job_id), read, shared.trace, shared.has_lost)
        attempt = partial(self._attempt, shared, exchange)
        refusal: QuotaExceededError | None = None
        while True:
            on_wait = partial(self._tell, shared, refusal)
            reservation = await wait_for_slot(shared.job_id, self._ledger, self._clock, on_wait, shared.note_doubt)
            shared.begin(reservation)
            try:
                # A listener may have cancelled this publish just now; let that take effect before anything is sent.
                if shared.cancelled_with is not None:
                    await asyncio.sleep(0)
                result = await self._retrier.run(
                    shared.job_id, attempt, is_transient, shared, self._renew_lease, shared.trace
                )
                # An earlier request of ours may have put it live before it was ended.
                if result.has_ended and shared.in_doubt:
                    raise ended_job_error(result, shared.job_id)
            except QuotaExceededError as error:
                refusal = error
                await self._take_in(refusal, shared, reservation)
            except OpenTrainError as error:
                saw = self._saw(shared, _answer_of(error))
                if shared.in_doubt and not is_decisive(error):
                    error.effect = "unknown"  # doubt is sticky: only proof that the draft is not live removes it
                shared.ended = error
                await self._ledger.settle(reservation, saw)
                raise
            except BaseException:
                await self._ledger.settle(reservation, self._saw(shared, "nothing"))
                raise
            else:
                saw = self._saw(shared, _answer_in(result))
                is_ours = result.is_live and saw.meaning_for(reservation.before) in {"confirmed", "found"}
                shared.ended = evolve(result, newly_published=True) if is_ours else result
                await self._ledger.settle(reservation, saw)
                return shared.ended

    def _tell(self, shared: SharedPublish, refusal: QuotaExceededError | None, wait: Wait) -> None:
        """Tell the callers when to ask again; raise that if none of them waits that long.

        It is the server's *refusal*, if that is why they wait.
        """
        error = refusal
        if error is None:
            used = f" ({wait.used} of {wait.limit})" if wait.limit else ""
            error = QuotaExceededError(f"the daily publish quota is used up{used}", job_id=shared.job_id)
        error.limit, error.used, error.retry_at = wait.limit, wait.used, instant(wait.until)
        shared.note_doubt(wait)
        error.effect = "unknown" if wait.may_be_live else "none"
        now = self._clock.now()
        # What may pass has been waited for long enough by those who do not wait at all.
        until = math.nextafter(now, math.inf) if wait.may_pass else now + wait.seconds
        if not shared.deny(error, until, now):
            raise error

    async def _take_in(self, refusal: QuotaExceededError, shared: SharedPublish, reservation: Reservation) -> None:
        """Record the server's refusal; raise it if the ledger cannot say how long to wait."""
        wait = await self._ledger.refused(
            reservation,
            self._saw(shared, "refused"),
            limit=refusal.limit,
            window=window_seconds(refusal.window_hours),
            retry_after=refusal.retry_after,
        )
        shared.phase = "waiting"
        if wait is None:
            refusal.effect = "unknown" if shared.in_doubt or reservation.before in {"spent", "accepted"} else "none"
            raise refusal
        self._tell(shared, refusal, wait)

    async def _renew_lease(self, shared: SharedPublish) -> None:
        """Renew the lease of a draft that is paused for long: other processes take an expired one for unknown."""
        now = self._clock.monotonic()
        if shared.reservation is not None and now - shared.lease_renewed_at >= self._ledger.lease / 4:
            shared.lease_renewed_at = now
            await self._ledger.renew(shared.reservation)

    async def _attempt(self, shared: SharedPublish, exchange: Exchange[PublishResult], seconds: float) -> PublishResult:
        shared.attempts += 1
        shared.phase = "sending"
        try:
            result = await exchange.attempt(seconds)
        except OpenTrainError as error:
            shared.has_lost = exchange.has_lost
            error.job_id, error.operation = shared.job_id, "publish"
            if error.effect == "unknown" or exchange.is_resent:
                self._doubt(shared)
            shared.phase = "ready"
            logger.debug("publish %s: attempt %d: %s", shared.job_id, shared.attempts, error)
            raise
        except BaseException:
            if exchange.may_have_sent:
                self._doubt(shared)
            else:
                shared.phase = "ready"
            raise
        if exchange.is_resent:
            self._doubt(shared)
        shared.phase = "ready"
        return result

    def _doubt(self, shared: SharedPublish) -> None:
        shared.in_doubt, shared.doubtful_since = True, self._clock.monotonic()

    def _read(self, job_id: str, reply: Reply) -> PublishResult:
        return read_publish(reply, job_id, self._clock.now())

    def _saw(self, shared: SharedPublish, answer: Answer) -> Saw:
        """Return what was seen of the draft, for the ledger."""
        if shared.phase == "sending":
            return Saw(answer, 0.0)
        since = shared.doubtful_since
        return Saw(answer, None if since is None else self._clock.monotonic() - since)


async def wait_for_slot(
    job_id: str,
    ledger: QuotaLedger,
    clock: Clock,
    on_wait: Callable[[Wait], None],
    on_silence: Callable[[Wait], None] | None = None,
) -> Reservation:
    """Return a slot for this draft; wait for one in line, as long as it takes.

    A place that a publish in flight may leave is waited for in silence. Where there is none to be had before a time,
    *on_wait* is told so, each time anew; what it raises ends the waiting.

    Args:
        job_id: The draft.
        ledger: The quota.
        clock: Measures the waiting.
        on_wait: Told when to ask again.
        on_silence: Told of a wait that passes; `None` if nobody needs to know.

    Returns:
        The reservation; it is to be settled, whatever happens.

    Raises:
        QuotaLedgerError: The store failed or was too slow. Nothing is reserved.
    """
    line = ledger.line
    ahead = line.length
    answer = await ledger.reserve(job_id, ahead)
    if isinstance(answer, Reservation):
        return answer
    since, polls, was_told = clock.monotonic(), 0, False
    # Of those who may go alone, the drafts in doubt go first: they clear up the most.
    with line.join(is_urgent=answer.may_be_live) as waiter:
        if line.ahead_of(waiter) < ahead:
            waiter.wake()  # one who was ahead has left before there was anybody to wake
        while isinstance(answer, Wait):
            if not ledger.may_pass_soon(answer, since):
                on_wait(answer)
                if not was_told:  # the next one must learn of it too, as it may not want to wait
                    line.wake_after(waiter)
                    was_told = True
            elif on_silence is not None:
                on_silence(answer)
            await waiter.wait(clock, ledger.ask_within(answer, polls))
            polls += 1
            answer = await ledger.reserve(job_id, line.ahead_of(waiter))
    return answer


def with_events(publish: Publish, emitter: EventEmitter) -> Publish:
    """Return the same publishing, which emits an event at the beginning and at the end of each publish."""

    async def traced(shared: SharedPublish) -> PublishResult:
        request = publish_request(shared.job_id)
        shared.trace = trace = emitter.trace("publish", shared.job_id, request.method, request.path)
        emitter.emit(PublishStarted(trace.call, shared.job_id))
        ended: PublishResult | BaseException = asyncio.CancelledError()
        try:
            ended = await publish(shared)
        except GivenUpError:  # it does not leave the package, and is emitted as a cancellation
            raise
        except BaseException as error:
            ended = shared.ended or error  # the draft may have been live before its last caller left
            raise
        else:
            return ended
        finally:
            result, failure = (ended, None) if isinstance(ended, PublishResult) else (None, ended)
            emitter.emit(PublishEnded(trace.call, shared.job_id, trace.attempts, result, failure))

    return traced


def _answer_in(result: PublishResult) -> Answer:
    if result.is_pending:
        return "pending" if result.already_published else "accepted"
    if result.has_ended:
        return "ended"
    return "live" if result.already_published else "published"


def _answer_of(error: OpenTrainError) -> Answer:
    if is_decisive(error):
        return "not_live"
    return "refused" if rule_on(error).service == "up" and not rule_on(error).may_be_live else "nothing"
