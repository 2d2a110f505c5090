"""The rule of the quota under every order of events that Hypothesis can think of."""

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from opentrain_async.quota import dump_log, load_log
from opentrain_async.quota._log import REMEMBERED, SAFE_LIMIT, WINDOW, AccountLog
from opentrain_async.quota._slots import Denied, Reservation, Settlement

from ..support.true_server import ARRIVALS, TrueServer, settlement_of_pending

_JOBS = st.sampled_from([f"job_{number}" for number in range(8)])
_MODERATED = ("job_5", "job_6", "job_7")
_PAUSES = st.sampled_from([0.0, 1.0, 59.0, 200.0, 3600.0, 7200.0, WINDOW / 2, WINDOW - 1, WINDOW])
_LEASE = 180.0


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
        self.refusals: dict[str, float] = {}
        self.in_doubt: dict[str, float] = {}
        self.someone_else = False
        self.was_in_doubt = False

    def reserve(self, job: str) -> Reservation | None:
        answer = self.log.reserve(job, self.now, reservation_id=f"r{next(self.numbers)}", lease=_LEASE, cap=self.cap)
        if isinstance(answer, Denied):
            assert answer.retry_at > self.now
            may_be_live = self.now - self.in_doubt.get(job, -REMEMBERED) < REMEMBERED
            assert answer.in_doubt or not may_be_live, "a draft that may be live is said not to be"
        return answer if isinstance(answer, Reservation) else None

    @rule(job=_JOBS)
    def begin(self, job: str) -> None:
        """A client reserves; it sends later, or never."""
        reservation = self.reserve(job)
        if reservation is not None:
            self.under_way.append(reservation)

    @precondition(lambda self: self.in_doubt)
    @rule(data=st.data(), pause=_PAUSES)
    def try_again(self, data: st.DataObject, pause: float) -> None:
        """A client comes back to a draft in doubt, now or later; of what it sends, the first answer is lost or not."""
        self.now += pause
        reservation = self.reserve(data.draw(st.sampled_from(sorted(self.in_doubt))))
        if reservation is not None:
            self.sent(reservation, data.draw(ARRIVALS), reply_is_lost=False)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), arrive=ARRIVALS, reply_is_lost=st.booleans())
    def send(self, data: st.DataObject, arrive: list[bool], reply_is_lost: bool) -> None:
        """A client sends what it reserved, again after a lost reply, and learns of the answer or not."""
        reservation = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if reservation.lease_ends > self.now:  # nobody sends later: the retry deadline ends a minute before the lease
            self.sent(reservation, arrive, reply_is_lost=reply_is_lost)

    def sent(self, reservation: Reservation, arrive: list[bool], *, reply_is_lost: bool) -> None:
        slot = self.log.jobs.get(reservation.job)
        is_certain = reservation.before == "spent" or (slot is not None and slot.is_certain)
        reply_is_lost &= not is_certain
        charged = self.server.asked(reservation.job, self.now, arrive, is_answered=not reply_is_lost)
        is_sent_twice = len(arrive) > 1 and not is_certain
        self.was_in_doubt |= is_sent_twice
        doubtful = reservation.before in {"unknown", "expired"}
        if reply_is_lost or (charged is None and is_sent_twice):
            self.in_doubt[reservation.job] = self.now
        elif charged in {"accepted", "pending"}:  # it may be approved at any time
            self.in_doubt.setdefault(reservation.job, self.now)
        elif charged is not None or not (doubtful or reservation.before == "accepted"):
            self.in_doubt.pop(reservation.job, None)
        if reply_is_lost:
            self.was_in_doubt = True
            self.log.settle(reservation, "unknown", self.now)
        elif charged is None:
            self.log.refused(
                reservation,
                "unknown" if is_sent_twice else "unsent" if doubtful else "released",
                self.now,
                limit=self.limit,
                window=WINDOW,
                cap=self.cap,
            )
            if reservation.before == "new":
                self.refusals.setdefault(reservation.job, self.now)
        elif charged == "pending":
            self.log.settle(reservation, settlement_of_pending(reservation, is_sent_twice=is_sent_twice), self.now)
        elif charged:
            self.log.settle(reservation, "accepted" if charged == "accepted" else "published", self.now)
        elif reservation.before == "spent":
            self.log.settle(reservation, "unsent", self.now)
        elif is_sent_twice:
            self.log.settle(reservation, "confirmed", self.now)
        elif reservation.before == "new":
            self.log.settle(reservation, "released", self.now)
        else:
            self.log.settle(reservation, "found", self.now)

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
    @rule(data=st.data(), how=st.sampled_from(["released", "unsent"]))
    def come_to_nothing(self, data: st.DataObject, how: Settlement) -> None:
        """A draft that is neither live nor accepted turns out to be incomplete, or was never sent."""
        index = data.draw(st.integers(0, len(self.under_way) - 1))
        if self.under_way[index].job not in self.server.live | self.server.pending:
            reservation = self.under_way.pop(index)
            self.log.settle(reservation, how, self.now)
            if how == "released":
                self.in_doubt.pop(reservation.job, None)

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

    @invariant()
    def nothing_the_server_charged_us_is_forgotten(self) -> None:
        """Without others the log counts at least as many as the server, and is refused once an hour at the most."""
        if not self.someone_else:
            charged = sum(self.now < at + WINDOW for at in self.server.charges)
            assert self.log.snapshot(self.now, self.cap).used >= charged
            assert all(later - earlier >= 3600 for earlier, later in itertools.pairwise(sorted(self.refusals.values())))

    @invariant()
    def refusals_are_an_hour_apart(self) -> None:
        """After a refusal nobody who asks anew is sent to be refused within the hour."""
        is_full = self.log.snapshot(self.now, self.cap).remaining == 0
        if self.log.refused_at is not None and is_full:
            asked = self.log.reserve("asks_anew", self.now, reservation_id="x", lease=0.0, cap=self.cap)
            if isinstance(asked, Reservation):
                self.log.settle(asked, "unsent", self.now)
                assert asked.probe
                assert self.now - self.log.refused_at >= 3600

    @invariant()
    def what_is_written_of_it_is_what_it_is(self) -> None:
        """A log that is kept as text comes back as it was, however often it was written before."""
        assert load_log(dump_log(self.log)) == self.log

    @invariant()
    def a_job_is_counted_or_remembered(self) -> None:
        """Both only where it was accepted before the window, and another publish of it is in flight."""
        for job in self.log.jobs.keys() & self.log.expired_doubts.keys():
            assert (self.log.jobs[job].is_certain, self.log.expired_doubts[job].kind) == (False, "accepted")

    @invariant()
    def the_log_stays_small(self) -> None:
        """Only probes and what turned out to be charged elsewhere go beyond the limit."""
        assert len(self.log.jobs) <= 9
        assert len(self.log.others) <= 2 * self.limit + 8


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


TestLoneMachine = LoneMachine.TestCase
TestQuotaMachine = ToldMachine.TestCase
TestQuotaMachine.settings = settings(max_examples=100, stateful_step_count=50, deadline=None, derandomize=True)
TestLearningMachine = LearningMachine.TestCase
TestLearningMachine.settings = TestLoneMachine.settings = TestQuotaMachine.settings
