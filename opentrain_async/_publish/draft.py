"""Publish one draft: the order of the steps."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from attrs import evolve

from .._base.clock import Clock, instant
from .._retry.callers import GivenUpError
from .._retry.engine import Retrier
from .._service.answers import publish_request, read_publish, window_seconds
from .._service.http.transport import Transport
from ..errors import ConnectionLostError, OpenTrainError, QuotaExceededError
from ..events._listener import Listener
from ..events._values import PublishEnded, PublishStarted
from ..models import PublishResult
from ..outcomes._answer_table import is_decisive, is_transient
from ..quota import QuotaLedger
from ..quota._slots import Denied, Reservation, Settlement
from .flight import Flight

Publish = Callable[[Flight], Awaitable[PublishResult]]

_logger = logging.getLogger("opentrain_async")


class Publisher:
    """Publishes drafts, one at a time each, with a slot of the quota each."""

    def __init__(self, ledger: QuotaLedger, transport: Transport, retrier: Retrier, clock: Clock) -> None:
        self._ledger = ledger
        self._transport = transport
        self._retrier = retrier
        self._clock = clock

    async def publish(self, flight: Flight) -> PublishResult:
        """Reserve a slot, attempt the publish until its answer is known or the policy ends it, settle the slot.

        A reservation that was made is always settled, also when this is cancelled; the draft's outcome does not
        depend on whether that works. Where nobody is told before the end of a run, what was published is settled
        along with the run's next reservation, or at that end. A refusal by the server's quota goes back to the first
        step for as long as somebody wants to wait.

        Raises:
            OpenTrainError: The draft is not known to be live; `effect` says whether it may be.
        """
        attempt = partial(self._attempt, flight)
        while True:
            reservation = self._ledger.reserve_at_once(flight.job_id)
            if reservation is None:
                reservation = await self._ledger.reserve(flight.job_id, partial(self._deny, flight))
            flight.reservation = reservation
            flight.phase = "ready"
            flight.in_doubt = reservation.before in {"unknown", "faded"}
            flight.has_doubtful_attempt = False
            try:
                if flight.called_off is not None:  # by a listener just now: that is to land before anything is sent
                    await asyncio.sleep(0)
                result = await self._retrier.run(flight.job_id, attempt, is_transient, flight, self._keep, flight.story)
            except QuotaExceededError as refusal:
                if not await self._has_patience_after(refusal, flight, reservation):
                    raise
            except OpenTrainError as error:
                how = _settlement_after(error, flight)
                flight.ended = error
                await self._ledger.settle(reservation, how)
                raise
            except BaseException:
                await self._ledger.settle(reservation, "unknown" if flight.was_sent else "unsent")
                raise
            else:
                how = _settlement_of_one_found_live(flight, reservation) if result.already_published else "published"
                is_ours = how in {"confirmed", "found"}
                flight.ended = evolve(result, newly_published=True) if is_ours else result
                if flight.told_at_end:
                    self._ledger.settle_soon(reservation, how)
                else:
                    await self._ledger.settle(reservation, how)
                return flight.ended

    def _deny(self, flight: Flight, denied: Denied) -> None:
        error = QuotaExceededError(
            "the daily publish quota is used up" + (f" ({denied.used} of {denied.limit})" if denied.limit else ""),
            job_id=flight.job_id,
            effect="unknown" if denied.in_doubt else "none",
            limit=denied.limit,
            used=denied.used,
            retry_at=instant(denied.retry_at),
        )
        flight.in_doubt = denied.in_doubt
        now = self._clock.now()
        if not flight.deny(error, now + denied.wait, now):
            raise error

    async def _keep(self, flight: Flight) -> None:
        """Renew the lease of a draft that is held for long: a slot whose lease has run out others take for doubtful."""
        now = self._clock.monotonic()
        if flight.reservation is not None and now - flight.kept_at >= self._ledger.lease / 4:
            flight.kept_at = now
            await self._ledger.renew(flight.reservation)

    async def _attempt(self, flight: Flight, seconds: float) -> PublishResult:
        flight.attempts += 1
        flight.phase = "sending"
        fresh, flight.has_lost = flight.has_lost, False
        try:
            reply = await self._transport.send(publish_request(flight.job_id), seconds, fresh=fresh)
            flight.has_lost = reply.is_cut_off
            if flight.story is not None:
                flight.story.status = reply.status
            result = read_publish(reply, flight.job_id, self._clock.now())
        except OpenTrainError as error:
            error.job_id, error.operation = flight.job_id, "publish"
            if error.effect == "unknown":
                flight.in_doubt = flight.has_doubtful_attempt = True
            flight.has_lost |= isinstance(error, ConnectionLostError)
            flight.phase = "ready"
            _logger.debug("publish %s: attempt %d: %s", flight.job_id, flight.attempts, error)
            raise
        except BaseException:
            flight.in_doubt = flight.has_doubtful_attempt = True
            raise
        flight.phase = "ready"
        return result

    async def _has_patience_after(self, refusal: QuotaExceededError, flight: Flight, reservation: Reservation) -> bool:
        """Take in the server's refusal; returns whether somebody wants to wait for the slot that it promises.

        Only a slot that was this publish's own is gone now: any other would be joined again at once, and refused
        again.
        """
        how = _settlement_of_one_in_doubt(flight) if flight.in_doubt else "released"
        denied = await self._ledger.refused(
            reservation,
            how,
            limit=refusal.limit,
            window=window_seconds(refusal.window_hours),
            retry_after=refusal.retry_after,
        )
        refusal.effect = "unknown" if flight.in_doubt else "none"
        flight.phase = "waiting"
        if denied is not None:
            refusal.limit, refusal.used, refusal.retry_at = denied.limit, denied.used, instant(denied.retry_at)
            if reservation.before == "new" and not flight.in_doubt:
                now = self._clock.now()
                return flight.deny(refusal, now + denied.wait, now)
        return False


def telling(publish: Publish, listener: Listener) -> Publish:
    """The same publishing, with the beginning and the end of each told to a listener."""

    async def told(flight: Flight) -> PublishResult:
        flight.story = story = listener.story("publish", flight.job_id, publish_request(flight.job_id))
        listener.tell(PublishStarted(story.call, flight.job_id))
        ended: PublishResult | BaseException = asyncio.CancelledError()
        try:
            ended = await publish(flight)
        except GivenUpError:  # of which nobody outside is to know: it is told as a cancellation
            raise
        except BaseException as error:
            ended = flight.ended or error  # it may have been live before nobody wanted it any more
            raise
        else:
            return ended
        finally:
            result, failure = (ended, None) if isinstance(ended, PublishResult) else (None, ended)
            listener.tell(PublishEnded(story.call, flight.job_id, story.attempts, result, failure))

    return told


def _settlement_of_one_found_live(flight: Flight, reservation: Reservation) -> Settlement:
    """What `alreadyPublished: true` means for the slot.

    A job that is found live may have been put there by one of our own requests: an earlier attempt whose reply
    was lost, or the publish of another client that holds the same slot. Then the slot is spent. Otherwise it was
    live before, and this publish has used up nothing.
    """
    if reservation.before == "spent":
        return "unsent"
    if flight.has_doubtful_attempt:
        return "confirmed"
    return "released" if reservation.before == "new" else "found"


def _settlement_of_one_in_doubt(flight: Flight) -> Settlement:
    """What is known of one of which nobody knows: it came into doubt just now, or did so before, as the slot says."""
    return "unknown" if flight.has_doubtful_attempt else "unsent"


def _settlement_after(error: OpenTrainError, flight: Flight) -> Settlement:
    """What an error means for the slot; marks the error where an earlier attempt leaves doubt.

    Doubt is sticky: only an answer that proves the draft not to be live takes it away.
    """
    if not flight.in_doubt or is_decisive(error):
        return "released"
    error.effect = "unknown"
    return _settlement_of_one_in_doubt(flight)
