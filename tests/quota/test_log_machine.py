"""The rule of the quota under every order of events that Hypothesis can think of.

100 examples a machine; LOG_EXAMPLES in the environment asks for more, and LOG_SEED for other ones.
"""

import copy
import itertools
import os

import pytest
from attrs import frozen
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from opentrain_async.quota import dump_log, load_log
from opentrain_async.quota._allowance import SAFE_LIMIT, WINDOW
from opentrain_async.quota._in_flight import FIRST_SECONDS
from opentrain_async.quota._log import REMEMBERED, AccountLog
from opentrain_async.quota._probes import LONGEST_PROBE_INTERVAL, PROBE_INTERVAL
from opentrain_async.quota._slots import Reservation, Saw, Wait

from ..support.account import LOST, NOT_LIVE, NOT_SENT, REFUSED
from ..support.true_server import ARRIVALS, TrueServer, saw_of

EXAMPLES = int(os.environ.get("LOG_EXAMPLES", "100"))
SEED = os.environ.get("LOG_SEED")

_JOBS = st.sampled_from([f"job_{number}" for number in range(8)])
_MODERATED = ("job_5", "job_6", "job_7")
_PROCESSES = st.integers(0, 2)
_PAUSES = st.sampled_from([0.0, 1.0, 59.0, 200.0, 1800.0, 3600.0, 7200.0, WINDOW / 2, WINDOW - 1, WINDOW])
_LEASE = 180.0
_BACK_OFF = st.sampled_from([0.0, 0.5, 50.0])


@frozen
class Send:
    """How a draft is sent.

    Attributes:
        arrive: Whether each attempt arrives, if its reply is lost; that of all but the last is.
        reply_is_lost: That of the last one, too.
        back_off: Seconds before each attempt.
        names_limit: A refusal says what the limit is.
        retry_after: It also says when a slot comes back, true or not.
    """

    arrive: list[bool]
    reply_is_lost: bool
    back_off: float
    names_limit: bool
    retry_after: float | None


_SENDS = st.builds(
    Send, ARRIVALS, st.booleans(), _BACK_OFF, st.booleans(), st.sampled_from([None, 1.0, 60.0, 7200.0, WINDOW])
)


class QuotaMachine(RuleBasedStateMachine):
    """Several clients, one log, one server; replies get lost, clients die, time goes on, others publish too."""

    limit = 5
    cap: int | None = 5
    is_alone = False
    """Nobody else publishes: then nothing excuses a count that is too low."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_800_000_000.0
        self.log = AccountLog()
        self.server = TrueServer(self.limit, _MODERATED)
        self.under_way: list[Reservation] = []
        self.numbers = itertools.count()
        self.refusals = 0
        self.refused_at = 0.0
        self.in_a_row = 0
        self.in_doubt: dict[str, float] = {}
        self.someone_else = False
        self.was_in_doubt = False

    def ask(self, log: AccountLog, job: str, now: float, process: int = 9) -> Reservation | Wait:
        return log.reserve(job, now, reservation_id=f"p{process}-{next(self.numbers)}", lease=_LEASE, cap=self.cap)

    def reserve(self, job: str, process: int) -> Reservation | None:
        is_new = job not in self.log.jobs
        others = [holder for slot in self.log.jobs.values() for holder in slot.holders]
        answer = self.ask(self.log, job, self.now, process)
        if isinstance(answer, Wait):
            self.is_told_when_to_ask(job, answer)
            return None
        self.goes_alone_where_it_must(answer, [holder for holder in others if self.now < holder.lease_ends])
        if answer.probe is None and is_new and job in self.log.jobs:
            self.has_a_place(answer, others)
        return answer

    def is_told_when_to_ask(self, job: str, wait: Wait) -> None:
        """Not in the past; at once only if something else may pass first; and never that the draft is not live."""
        assert wait.until > self.now or wait.may_pass
        assert wait.until >= self.now
        assert wait.seconds == wait.until - self.now
        may_be_live = self.now - self.in_doubt.get(job, -REMEMBERED) < REMEMBERED
        assert wait.may_be_live or not may_be_live, "a draft that may be live is said not to be"

    def goes_alone_where_it_must(self, given: Reservation, in_flight: list[Reservation]) -> None:
        """One probe at a time, none before its time; and nothing at all soon after two refusals in a row."""
        assert given.probe is None or all(holder.probe is None for holder in in_flight), "two probes at once"
        assert given.probe is None or self.log.probes.next_at <= self.now, "a probe before its time"
        assert not self.in_a_row or given.probe is not None, "not alone after a refusal"
        assert self.in_a_row < 2 or self.now >= self.refused_at + PROBE_INTERVAL, "sent again after two refusals"
        assert not self.in_a_row or self.now >= self.refused_at, "sent before the refusal came"

    def has_a_place(self, given: Reservation, others: list[Reservation]) -> None:
        """What is new and no probe goes within the limit, and the first drafts of a process one by one."""
        limit = self.log.allowance.limit_under(self.cap)
        in_flight = [other for other in others if self.now < other.lease_ends and other.job != given.job]
        may_leave = [other for other in in_flight if not self.log.jobs[other.job].is_certain]
        if limit is not None:
            assert self.log.used <= limit, "more than the limit is let in"
        else:
            assert self.log.used <= SAFE_LIMIT or not may_leave, "more than the safe limit is let in at once"
        if self.log.used <= (limit or SAFE_LIMIT) and not any(slot.is_certain for slot in self.log.jobs.values()):
            mine = [other for other in in_flight if other.process == given.process]
            is_over = any(self.now >= other.made_at + FIRST_SECONDS for other in mine)
            assert not mine or is_over, "the first draft was not waited for"

    @rule(job=_JOBS, process=_PROCESSES)
    def begin(self, job: str, process: int) -> None:
        """A client reserves; it sends later, or never."""
        reservation = self.reserve(job, process)
        if reservation is not None:
            self.under_way.append(reservation)

    @precondition(lambda self: self.in_doubt)
    @rule(data=st.data(), process=_PROCESSES, pause=_PAUSES, how=_SENDS)
    def try_again(self, data: st.DataObject, process: int, pause: float, how: Send) -> None:
        """A client comes back to a draft in doubt, now or later; of what it sends, the first answer is lost or not."""
        self.now += pause
        reservation = self.reserve(data.draw(st.sampled_from(sorted(self.in_doubt))), process)
        if reservation is not None:
            self.sent(reservation, how, reply_is_lost=False)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), how=_SENDS)
    def send(self, data: st.DataObject, how: Send) -> None:
        """A client sends what it reserved, again after a lost reply, and learns of the answer or not."""
        reservation = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if reservation.lease_ends > self.now:  # nobody sends later: the retry deadline ends a minute before the lease
            self.sent(reservation, how, reply_is_lost=how.reply_is_lost)

    def sent(self, reservation: Reservation, how: Send, *, reply_is_lost: bool) -> None:
        slot = self.log.jobs.get(reservation.job)
        is_certain = reservation.before == "spent" or (slot is not None and slot.is_certain)
        reply_is_lost &= not is_certain
        # Of a job that was taken down nobody could tell two publishes apart: it is sent once.
        arrive = how.arrive[-1:] if is_certain else how.arrive
        back_off = how.back_off if self.now + how.back_off * len(arrive) < reservation.lease_ends else 0.0
        self.now += back_off
        for arrives in arrive[:-1]:
            self.server.asked(reservation.job, self.now, [arrives], is_answered=False)
            self.now += back_off
        charged = self.server.asked(reservation.job, self.now, arrive[-1:], is_answered=not reply_is_lost)
        is_sent_twice = len(arrive) > 1
        self.was_in_doubt |= is_sent_twice or reply_is_lost
        doubtful = reservation.before in {"unknown", "expired"}
        if reply_is_lost or (charged is None and is_sent_twice):
            self.in_doubt[reservation.job] = self.now
        elif charged in {"accepted", "pending"}:  # it may be approved at any time
            self.in_doubt.setdefault(reservation.job, self.now)
        elif charged is not None or not (doubtful or reservation.before == "accepted"):
            self.in_doubt.pop(reservation.job, None)
        unanswered_for = back_off if is_sent_twice else None
        if reply_is_lost:
            self.log.settle(reservation, LOST, self.now)
        elif charged is None:
            self.refuse(reservation, Saw("refused", unanswered_for), how)
        else:
            self.log.settle(reservation, saw_of(charged, unanswered_for), self.now)
            if charged in {True, "accepted"} or (charged == "pending" and is_sent_twice):
                self.in_a_row = 0 if reservation.made_at > self.refused_at else self.in_a_row

    def refuse(self, reservation: Reservation, saw: Saw, how: Send) -> None:
        self.refusals += 1
        is_after = reservation.made_at > self.refused_at
        self.in_a_row = self.in_a_row + 1 if is_after or not self.in_a_row else max(self.in_a_row, 2)
        self.refused_at = self.now
        limit, window = (self.limit, WINDOW) if how.names_limit else (None, None)
        wait = self.log.refused(
            reservation, saw, self.now, limit=limit, window=window, retry_after=how.retry_after, cap=self.cap
        )
        assert wait.until > self.now, "asked again at once after a refusal"

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), sent=st.booleans())
    def die(self, data: st.DataObject, sent: bool) -> None:
        """A client is killed, before or after its request arrived; nobody settles for it."""
        self.was_in_doubt = True
        reservation = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if sent and self.now < reservation.lease_ends and reservation.before != "spent":
            self.server.publish(reservation.job, self.now)
            self.in_doubt[reservation.job] = self.now

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), saw=st.sampled_from([NOT_LIVE, REFUSED, NOT_SENT]))
    def come_to_nothing(self, data: st.DataObject, saw: Saw) -> None:
        """A draft that is neither live nor accepted turns out to be incomplete, is refused, or was never sent."""
        index = data.draw(st.integers(0, len(self.under_way) - 1))
        if self.under_way[index].job not in self.server.live | self.server.pending:
            reservation = self.under_way.pop(index)
            self.log.settle(reservation, saw, self.now)
            if saw == NOT_LIVE:
                self.in_doubt.pop(reservation.job, None)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """A client whose draft is paused for long renews its lease, if it was not taken for dead."""
        index = data.draw(st.integers(0, len(self.under_way) - 1))
        mine = self.under_way[index]
        self.log.renew(mine, self.now)
        slot = self.log.jobs.get(mine.job)
        self.under_way[index] = (slot.holder(mine.id) if slot is not None else None) or mine

    @rule(pause=_PAUSES)
    def wait(self, pause: float) -> None:
        """Time goes by."""
        self.now += pause

    @precondition(lambda self: self.server.pending)
    @rule(data=st.data(), is_approved=st.booleans())
    def moderate(self, data: st.DataObject, is_approved: bool) -> None:
        """A person approves an accepted job, or makes it a draft again.

        As with a job that is taken down, this happens where the acceptance is known and no request is in flight.
        """
        job = data.draw(st.sampled_from(sorted(self.server.pending)))
        slot = self.log.jobs.get(job)
        is_known = slot is None or slot.kind == "accepted"
        if is_approved:
            self.server.approve(job)
        elif is_known and not self.was_in_doubt and not self.under_way:
            self.server.disapprove(job)

    @precondition(lambda self: not self.is_alone)
    @rule()
    def publish_elsewhere(self) -> None:
        """Somebody publishes by hand."""
        self.someone_else |= self.server.publish(f"elsewhere_{next(self.numbers)}", self.now) is True

    @precondition(lambda self: not self.is_alone)
    @rule(pause=_PAUSES, job=_JOBS, how=_SENDS)
    def find_the_day_used_up(self, pause: float, job: str, how: Send) -> None:
        """Somebody takes all that is left, and a client sends a draft, now or later."""
        for _ in range(self.limit):
            self.publish_elsewhere()
        self.now += pause
        reservation = self.reserve(job, 0)
        if reservation is not None:
            self.sent(reservation, how, reply_is_lost=False)

    @precondition(lambda self: self.server.charges)
    @rule(before=st.sampled_from([0.0, 1.0, 1800.0]))
    def wait_for_the_server(self, before: float) -> None:
        """Time goes by until the oldest charge leaves the server's window, or nearly."""
        counted = [at + WINDOW for at in self.server.charges if self.now < at + WINDOW]
        self.now = max(self.now, min(counted, default=self.now) - before)

    @rule(job=_JOBS)
    def take_down(self, job: str) -> None:
        """A live edit is blocked, and a job that is known to be charged is a draft again.

        Of one in doubt nobody could tell the two publishes apart: a fresh answer then settles the doubt.
        """
        slot = self.log.jobs.get(job)
        is_certain = slot is not None and slot.kind == "spent" and not self.was_in_doubt
        if job in self.server.live and is_certain and not self.under_way:
            self.server.live.discard(job)
            self.in_doubt.pop(job, None)

    @rule(job=_JOBS | st.just("new"))
    def let_it_ask_until_it_is_let_in(self, job: str) -> None:
        """Whoever comes back each time at the time that it was told is let in, after a window and some hours at most.

        Nobody else does anything meanwhile. This is tried on a copy.
        """
        log, now = copy.deepcopy(self.log), self.now
        latest = now + _LEASE + max(WINDOW, LONGEST_PROBE_INTERVAL) + PROBE_INTERVAL
        for _ in range(50):
            answer = self.ask(log, job, now)
            if isinstance(answer, Reservation):
                assert self.in_a_row < 2 or now >= self.refused_at + PROBE_INTERVAL, "let in after two refusals"
                return
            assert answer.until > now, "told to ask at once, and not let in"
            now = answer.until
            assert now <= latest, "locked out"
        raise AssertionError("asked in vain 50 times")

    @invariant()
    def nothing_the_server_charged_us_is_forgotten(self) -> None:
        """Without others the log counts at least as many as the server."""
        if not self.someone_else:
            charged = sum(self.now < at + WINDOW for at in self.server.charges)
            assert self.log.snapshot(self.now, self.cap).used >= charged

    @invariant()
    def after_a_refusal_one_draft_goes_alone(self) -> None:
        """Or none. Which is tried on a copy."""
        if self.in_a_row:
            log = copy.deepcopy(self.log)
            given = [answer for n in range(3) if isinstance(answer := self.ask(log, f"new_{n}", self.now), Reservation)]
            assert len(given) <= 1
            assert all(reservation.probe is not None for reservation in given)

    @invariant()
    def what_is_written_of_it_is_what_it_is(self) -> None:
        """A log that is kept as text comes back as it was, however often it was written before."""
        assert load_log(dump_log(self.log)) == self.log

    @invariant()
    def a_job_is_counted_or_remembered(self) -> None:
        """Both only where it was accepted before the window, and another publish of it is in flight or unknown."""
        for job in self.log.jobs.keys() & self.log.expired_doubts.keys():
            assert self.log.expired_doubts[job].kind == "accepted"
            assert self.log.jobs[job].kind not in {"spent", "accepted"}

    @invariant()
    def the_log_stays_small(self) -> None:
        """Only probes and what turned out to be charged elsewhere go beyond the limit."""
        assert len(self.log.jobs) <= 8
        assert len(self.log.others) <= 2 * self.limit + 8
        assert self.log.probes.returning <= self.limit


class ToldMachine(QuotaMachine):
    """The same where the limit is known, so that nobody has to find it out."""

    @invariant()
    def only_doubts_are_refused(self) -> None:
        """Without others what the server refuses is a probe, sent to clear up a doubt."""
        assert self.someone_else or not self.refusals or self.was_in_doubt


class LearningMachine(QuotaMachine):
    """The same for an unclaimed account, of which nobody has been told."""

    limit = SAFE_LIMIT
    cap = None


class LoneMachine(ToldMachine):
    """The same where nobody else publishes."""

    is_alone = True


@pytest.mark.parametrize("machine", [ToldMachine, LearningMachine, LoneMachine])
def test_the_rule_holds_in_every_order_of_events(machine: type[QuotaMachine]) -> None:
    """Nothing charged is forgotten, nothing goes beyond the limit but one probe at a time, and nobody is locked out."""
    how = settings(
        max_examples=EXAMPLES, stateful_step_count=50, deadline=None, derandomize=SEED is None, database=None
    )
    run_state_machine_as_test(machine if SEED is None else seed(int(SEED))(machine), settings=how)
