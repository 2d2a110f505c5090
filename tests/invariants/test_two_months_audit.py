"""Whoever watches the simulation of two months sees what is not so, and what was in vain."""

import pytest
from _two_months.audit import Audit
from _two_months.table import table

from opentrain_async import OutcomeStatus
from opentrain_async.quota._allowance import WINDOW
from opentrain_async.quota._probes import Probes
from opentrain_async.quota._slots import Reservation
from opentrain_async.sandbox import RequestSeen, Sandbox

from ..support.account import LOST, NOT_LIVE, PUBLISHED, Account

HOUR = 3600.0


class Watched:
    """An account whose service is asked for nothing: what it is said to have answered is put down here."""

    def __init__(self, *, claimed: bool = True) -> None:
        self.sandbox = Sandbox(claimed=claimed)
        self.limit = 20 if claimed else 3
        self.audit = Audit.of(self.sandbox, self.sandbox.token, self.limit)
        self.account = Account()

    @property
    def now(self) -> float:
        return self.sandbox.clock.now()

    def place(self, job: str) -> Reservation:
        place = self.account.reserve(job, self.now)
        self.audit.record.promised(place, self.account.log.snapshot(self.now, None))
        return place

    def answer(self, job: str, status: int | None) -> None:
        self.sandbox.requests.append(RequestSeen("POST", "", job, self.now, status, None, "publish"))

    def publish(self, *jobs: str) -> None:
        for job in jobs:
            place = self.place(job)
            self.answer(job, 200)
            self.audit.record.charges.append(self.now)
            self.account.log.settle(place, PUBLISHED, self.now)

    def refuse(self, place: Reservation) -> None:
        self.answer(place.job, 429)
        self.account.log.refused(place, NOT_LIVE, self.now, limit=self.limit, window=WINDOW)
        self.audit.record.took_in_a_refusal(self.now, self.account.log.snapshot(self.now, None))

    def doubt(self, *jobs: str) -> None:
        for job in jobs:
            self.account.log.settle(self.place(job), LOST, self.now)

    def forget_refusals(self) -> None:
        """Have the log send what it holds back after a refusal: what comes of that is to be seen."""
        self.account.log.probes = Probes()
        for slot in self.account.log.jobs.values():
            slot.kind = "unknown" if slot.kind == "charged" else slot.kind

    def forget_what_was_used_elsewhere(self) -> None:
        """Have the log know no more of a refusal, as after its file was lost."""
        self.account.log.others.clear()
        self.forget_refusals()

    def refusals(self) -> list[str]:
        return list(self.audit.record.refusals())


def test_a_limit_is_learned_once_a_day() -> None:
    """By one refusal, unless a claim has made another account of it."""
    watched = Watched(claimed=False)
    watched.publish("a", "b", "c")
    watched.refuse(watched.place("d"))
    watched.sandbox.advance(hours=2)
    watched.account.log.forget_limit()
    watched.refuse(watched.place("e"))
    assert watched.refusals() == ["learning", "pointless"]
    watched.audit.claimed(20)
    watched.account.log.forget_limit()
    watched.refuse(watched.place("f"))
    assert watched.refusals() == ["learning"]


def test_a_refusal_while_the_limit_is_learned_within_what_is_safe_is_pointless() -> None:
    """Three drafts a day every account may publish: what counted fewer has forgotten some."""
    watched = Watched(claimed=False)
    watched.refuse(watched.place("a"))
    assert watched.refusals() == ["pointless"]


def test_a_publish_is_not_sent_without_a_place() -> None:
    """Whatever the service says to it."""
    watched = Watched()
    watched.answer("a", 429)
    assert watched.refusals() == ["pointless"]


def full_of_doubts() -> Watched:
    """An account whose limit is known, and all of whose slots may be free."""
    watched = Watched()
    watched.account.cap = 20
    watched.doubt(*(f"doubt_{number}" for number in range(20)))
    return watched


def test_nothing_is_sent_to_probe_in_the_hour_after_a_refusal() -> None:
    """The second probe is pointless though the first one was not, and after an hour it is not either."""
    watched = full_of_doubts()
    for hours in (0.0, 0.5, 1.0):
        watched.sandbox.advance(hours=hours)
        watched.forget_refusals()
        watched.refuse(watched.place("new"))
    assert watched.refusals() == ["probing", "pointless", "probing"]


def test_who_has_a_place_when_another_one_is_refused_is_sent_all_the_same() -> None:
    """What counts is what the ledger knew when it gave the place."""
    watched = full_of_doubts()
    first = watched.place("first")
    watched.account.log.settle(first, NOT_LIVE, watched.now)
    second = watched.place("second")
    watched.refuse(first)
    watched.refuse(second)
    assert watched.refusals() == ["probing", "probing"]


def test_a_refusal_that_the_ledger_was_never_told_counts_all_the_same() -> None:
    """The process lived to hear it; of one that was killed then nobody could know."""
    for was_killed in (False, True):
        watched = full_of_doubts()
        watched.place("new")
        watched.answer("new", 429)
        if was_killed:
            watched.audit.killed(["new"])
        watched.sandbox.advance(hours=0.5)
        watched.refuse(watched.place("newer"))
        assert watched.refusals() == ["probing", "probing" if was_killed else "pointless"]


def test_a_refusal_is_judged_by_the_place_under_which_it_was_sent() -> None:
    """Not by one that the same draft was given afterwards, when it was in doubt."""
    watched = Watched()
    watched.account.cap = 20
    watched.place("new")
    watched.answer("new", 429)
    assert watched.place("new").before == "held"
    assert watched.refusals() == ["pointless"]
    assert watched.audit.record._promises["new"][-1].since == 1


def test_a_draft_in_doubt_is_not_refused_again_within_an_hour() -> None:
    """It may go once, past a full log; the answer tells when there is a slot."""
    watched = Watched()
    watched.doubt("doubt")
    for minutes in (0, 10, 61):
        watched.sandbox.advance(seconds=60 * minutes)
        watched.place("doubt")
        watched.answer("doubt", 429)
    assert watched.refusals() == ["in doubt", "pointless", "in doubt"]


def test_a_draft_whose_doubt_counts_no_longer_is_in_doubt_all_the_same() -> None:
    """What it is sent for is to find out about itself."""
    watched = Watched()
    watched.doubt("doubt")
    watched.sandbox.advance(hours=24)
    assert watched.place("doubt").before == "expired"
    watched.answer("doubt", 429)
    assert watched.refusals() == ["in doubt"]


def test_a_publish_elsewhere_excuses_a_refusal_until_the_ledger_is_told_of_it() -> None:
    """After that only another one does."""
    watched = Watched()
    watched.account.cap = 20
    watched.audit.published_elsewhere()
    watched.sandbox.advance(seconds=1)
    watched.refuse(watched.place("a"))
    watched.forget_what_was_used_elsewhere()
    watched.refuse(watched.place("b"))
    watched.forget_what_was_used_elsewhere()
    watched.sandbox.advance(seconds=1)
    watched.audit.published_elsewhere()
    watched.refuse(watched.place("c"))
    assert watched.refusals() == ["elsewhere", "pointless", "elsewhere"]


def test_a_slot_that_was_used_elsewhere_may_have_been_used_again_when_it_comes_of_age() -> None:
    """A refusal shortly before does not tell: the log was full then, by the slot that is gone now."""
    watched = Watched(claimed=False)
    watched.account.cap = 3
    for _ in range(3):
        watched.audit.published_elsewhere()
    watched.refuse(watched.place("a"))
    watched.sandbox.advance(hours=23.9)
    watched.refuse(watched.place("probe"))
    watched.audit.published_elsewhere()
    watched.audit.record.elsewhere[-1] -= HOUR
    watched.sandbox.advance(hours=0.2)
    watched.forget_refusals()
    watched.refuse(watched.place("b"))
    assert watched.refusals() == ["elsewhere", "probing", "probing"]


def test_a_look_judges_what_others_have_read_meanwhile() -> None:
    """Being told of a draft reads on in what the service has seen, and takes no refusal away from the next look."""
    watched = Watched()
    watched.audit.given("a", is_good=True)
    watched.refuse(watched.place("a"))
    watched.audit.tell("a", OutcomeStatus.DEFERRED, slot_at=watched.now)
    watched.audit.close()
    assert (watched.audit.in_all.refusals["pointless"], watched.audit.in_all.is_wasteful) == (1, True)


@pytest.mark.parametrize("late", [False, True])
def test_a_draft_is_not_to_be_told_to_come_back_after_the_ledger_has_to_see_a_slot(late: bool) -> None:
    """The oldest charge of which a process heard leaves after a day; then the draft waits, whatever it was told."""
    watched = Watched()
    watched.publish(*(f"job_{number}" for number in range(20)))
    frees_at = watched.now + WINDOW
    watched.sandbox.advance(hours=6)
    watched.audit.given("late", is_good=True)
    watched.audit.tell("late", OutcomeStatus.DEFERRED, slot_at=frees_at + 12 * HOUR * late)
    assert (watched.audit.today.told_too_late, len(watched.audit.lies), watched.audit.today.is_at_fault) == (
        int(late), int(late), late,
    )  # fmt: skip
    assert not watched.audit.waits("late")
    watched.sandbox.advance(hours=18.1)
    assert watched.audit.waits("late")


def test_a_refusal_is_good_for_an_hour() -> None:
    """Whoever is told to come back by then is not told too late, though a slot of ours leaves before."""
    watched = Watched()
    watched.publish("first")
    watched.sandbox.advance(hours=23.9)
    watched.refuse(watched.place("second"))
    for hours in (0.9, 1.1):
        watched.audit.given("other", is_good=True)
        watched.audit.tell("other", OutcomeStatus.DEFERRED, slot_at=watched.now + hours * HOUR)
    assert (watched.audit.today.told_too_late, len(watched.audit.lies)) == (1, 1)


def test_a_plan_that_is_raised_has_to_be_known_two_days_later() -> None:
    """Until then a draft may be told to wait for a slot, and none of those that are new is unused."""
    watched = Watched()
    watched.publish(*(f"job_{number}" for number in range(20)))
    watched.audit.raised(50)
    for _ in range(15):
        watched.sandbox.advance(hours=0.1)
        watched.audit.look(1, is_well=True)
    assert (watched.audit.limit, watched.audit.known_limit, watched.audit.in_all.unused) == (50, 20, 0)
    watched.sandbox.advance(hours=48)
    watched.publish(*(f"later_{number}" for number in range(20)))
    for _ in range(15):
        watched.sandbox.advance(hours=0.1)
        watched.audit.look(1, is_well=True)
    assert (watched.audit.known_limit, watched.audit.in_all.unused) == (50, 1)


def test_a_charge_of_which_nobody_has_heard_may_leave_the_ledger_later() -> None:
    """Its process was killed: the ledger dates it by the lease, and the line of the others begins no sooner."""
    watched = Watched(claimed=False)
    watched.publish("heard")
    watched.audit.killed(["heard"])
    watched.audit.given("other", is_good=True)
    watched.audit.tell("other", OutcomeStatus.DEFERRED, slot_at=watched.now + WINDOW + 180)
    assert watched.audit.today.told_too_late == 0


def test_whoever_watches_sees_what_is_not_so() -> None:
    """A draft of which nothing was said is lost; one that is not live, and said to be, is told wrongly."""
    watched = Watched()
    audit = watched.audit
    for job_id, is_good in {"silent": True, "boasted": True, "denied": True, "bad": False}.items():
        audit.given(watched.sandbox.draft(job_id), is_good=is_good)
    audit.tell("boasted", OutcomeStatus.PUBLISHED)
    audit.tell("denied", OutcomeStatus.REJECTED)
    audit.tell("bad", OutcomeStatus.REJECTED)
    audit.close()
    assert (audit.in_all.lost, audit.in_all.told_wrongly, len(audit.lies)) == (2, 2, 2)
    assert audit.in_all.is_at_fault
    assert "- day 1: boasted was said to be published" in table({"Life": audit}, "command")


@pytest.mark.parametrize("status", [OutcomeStatus.DEFERRED, OutcomeStatus.NOT_SENT, OutcomeStatus.REJECTED])
def test_a_draft_that_is_live_was_not_left_undone(status: OutcomeStatus) -> None:
    """Whoever says so has called failed what went live."""
    watched = Watched()
    watched.audit.given(watched.sandbox.draft("live", status="OPEN"), is_good=True)
    watched.audit.tell("live", status)
    assert watched.audit.today.told_wrongly == 1


def test_a_draft_goes_live_once() -> None:
    """Whoever has put it live finds it live from then on."""
    watched = Watched()
    watched.audit.given(watched.sandbox.draft("live", status="OPEN"), is_good=True)
    for status in (OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED, OutcomeStatus.PUBLISHED):
        watched.audit.tell("live", status)
    assert watched.audit.today.told_wrongly == 1


@pytest.mark.parametrize(("status", "is_lie"), [(429, False), (503, True), (None, True)])
def test_a_draft_of_which_the_service_saw_a_request_was_sent(status: int | None, is_lie: bool) -> None:
    """Unless it was refused, which has put nothing live; what an earlier call sent is not of this one."""
    watched = Watched()
    watched.audit.given(watched.sandbox.draft("draft"), is_good=True)
    watched.answer("draft", 503)
    since = len(watched.sandbox.requests)
    watched.audit.tell("draft", OutcomeStatus.NOT_SENT, since=since)
    watched.answer("draft", status)
    watched.audit.tell("draft", OutcomeStatus.NOT_SENT, since=since)
    assert watched.audit.today.told_wrongly == int(is_lie)


def test_whoever_watches_sees_each_slot_that_stands_idle() -> None:
    """While a draft waits for more than an hour; a service that is down has none to give, and begins it anew."""
    watched = Watched()
    for looks, waiting, is_well, unused in [(14, 2, False, 0), (13, 1, True, 0), (1, 1, False, 0), (14, 1, True, 1),
                                            (13, 2, True, 1), (1, 2, True, 2), (30, 2, True, 2)]:  # fmt: skip
        for _ in range(looks):
            watched.sandbox.advance(seconds=300)
            watched.audit.look(waiting, is_well=is_well)
        assert watched.audit.in_all.unused == unused


def test_a_slot_is_not_idle_of_which_nobody_could_know() -> None:
    """The answers about all charges of a day came late: the service had made them sooner."""
    watched = Watched(claimed=False)
    watched.publish("a", "b", "c")
    watched.audit.record.charges[:] = [watched.now - 12 * HOUR] * 3
    watched.sandbox.advance(hours=13)
    for _ in range(14):
        watched.sandbox.advance(seconds=300)
        watched.audit.look(1, is_well=True)
    assert (watched.audit.record.free(3), watched.audit.in_all.unused) == (3, 0)
