"""Publish one draft: the order of the steps."""

import asyncio
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
from ..outcomes._answer_table import is_decisive, is_transient
from ..quota import QuotaLedger
from ..quota._slots import Denied, Reservation, Settlement
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
        Where the caller learns of outcomes at the end of a run only, a slot is settled together with the run's next
        reservation, or at that end. A refusal by the server's quota leads back to the first step while at least one
        caller wants to wait.

        Raises:
            OpenTrainError: The draft is not known to be live; `effect` says whether it may be.
        """
        read = partial(self._read, shared.job_id)
        exchange = Exchange(self._transport, publish_request(shared.job_id), read, shared.trace, shared.has_lost)
        attempt = partial(self._attempt, shared, exchange)
        while True:
            reservation = self._ledger.reserve_at_once(shared.job_id)
            if reservation is None:
                reservation = await self._ledger.reserve(shared.job_id, partial(self._deny, shared))
            shared.reservation = reservation
            shared.phase = "ready"
            shared.in_doubt = reservation.before in {"unknown", "expired"}
            shared.has_doubtful_attempt = False
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
            except QuotaExceededError as refusal:
                if not await self._may_wait_after(refusal, shared, reservation):
                    raise
            except OpenTrainError as error:
                how = _settlement_after(error, shared)
                shared.ended = error
                await self._ledger.settle(reservation, how)
                raise
            except BaseException:
                await self._ledger.settle(reservation, "unknown" if shared.was_sent else "unsent")
                raise
            else:
                how = _settlement_of(result, shared, reservation)
                is_ours = result.is_live and how in {"confirmed", "found"}
                shared.ended = evolve(result, newly_published=True) if is_ours else result
                if shared.may_settle_late:
                    self._ledger.settle_soon(reservation, how)
                else:
                    await self._ledger.settle(reservation, how)
                return shared.ended

    def _deny(self, shared: SharedPublish, denied: Denied) -> None:
        error = QuotaExceededError(
            "the daily publish quota is used up" + (f" ({denied.used} of {denied.limit})" if denied.limit else ""),
            job_id=shared.job_id,
            effect="unknown" if denied.in_doubt else "none",
            limit=denied.limit,
            used=denied.used,
            retry_at=instant(denied.retry_at),
        )
        shared.in_doubt = denied.in_doubt
        now = self._clock.now()
        if not shared.deny(error, now + denied.wait, now):
            raise error

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
                shared.in_doubt = shared.has_doubtful_attempt = True
            shared.phase = "ready"
            logger.debug("publish %s: attempt %d: %s", shared.job_id, shared.attempts, error)
            raise
        except BaseException:
            if exchange.may_have_sent:
                shared.in_doubt = shared.has_doubtful_attempt = True
            else:
                shared.phase = "ready"
            raise
        if exchange.is_resent:
            shared.in_doubt = shared.has_doubtful_attempt = True
        shared.phase = "ready"
        return result

    def _read(self, job_id: str, reply: Reply) -> PublishResult:
        return read_publish(reply, job_id, self._clock.now())

    async def _may_wait_after(
        self, refusal: QuotaExceededError, shared: SharedPublish, reservation: Reservation
    ) -> bool:
        """Record the server's refusal; return whether a caller wants to wait for the slot that it promises.

        Only a slot that this publish opened is gone now: any other one would be joined again at once, and refused
        again.
        """
        how = _settlement_of_one_in_doubt(shared)
        denied = await self._ledger.refused(
            reservation,
            how,
            limit=refusal.limit,
            window=window_seconds(refusal.window_hours),
            retry_after=refusal.retry_after,
        )
        refusal.effect = "unknown" if shared.in_doubt else "none"
        shared.phase = "waiting"
        if denied is not None:
            refusal.limit, refusal.used, refusal.retry_at = denied.limit, denied.used, instant(denied.retry_at)
            if reservation.before == "new" and not shared.in_doubt:
                now = self._clock.now()
                return shared.deny(refusal, now + denied.wait, now)
        return False


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


def _settlement_of(result: PublishResult, shared: SharedPublish, reservation: Reservation) -> Settlement:
    """Return what a result means for the slot."""
    if result.is_pending:
        was_ours = shared.has_doubtful_attempt and reservation.before != "spent"
        return "accepted" if was_ours or not result.already_published else "pending"
    if result.has_ended:  # it was live before: by a publish of ours only if that had been accepted
        return "found" if reservation.before == "accepted" else "unsent"
    return _settlement_of_one_found_live(shared, reservation) if result.already_published else "published"


def _settlement_of_one_found_live(shared: SharedPublish, reservation: Reservation) -> Settlement:
    """Return what `alreadyPublished: true` means for the slot.

    One of our own requests may have put the job live: an earlier attempt whose reply was lost, or the publish of
    another client that holds the same slot. Then the slot is spent. Otherwise the job was live before, and this
    publish has used up nothing.
    """
    if reservation.before == "spent":
        return "unsent"
    if shared.has_doubtful_attempt:
        return "confirmed"
    return "released" if reservation.before == "new" else "found"


def _settlement_of_one_in_doubt(shared: SharedPublish) -> Settlement:
    """Return what is known of a draft in doubt: it became unknown just now, or was so before, as the slot says."""
    return "unknown" if shared.has_doubtful_attempt else "unsent"


def _settlement_after(error: OpenTrainError, shared: SharedPublish) -> Settlement:
    """Return what an error means for the slot; mark the error where an earlier attempt leaves doubt.

    Doubt is sticky: only an answer that proves the draft not to be live removes it.
    """
    if not shared.in_doubt or is_decisive(error):
        return "released"
    error.effect = "unknown"
    return _settlement_of_one_in_doubt(shared)
