"""The command `demo`: publish more drafts than a day has room for, through many faults, on this machine."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import groupby

import click
from attrs import frozen
from rich.text import Text

from ..._base.fenced_log import logger
from ..._client.client import AsyncOpenTrain
from ..._retry.policy import RetryPolicy
from ...outcomes import PublishOutcome
from ...quota import QuotaSnapshot
from ...sandbox import Fault, RequestSeen, Sandbox
from ..signals import run
from ..views import output, progress_bar

_DRAFTS = 30
_CONCURRENCY = 8
_IMPATIENT = RetryPolicy(base_delay=0.2)
"""Nobody wants to watch backoff; the rest is as it is by default."""
_GAPS: Mapping[int, tuple[str, ...]] = {4: ("experienceLevel",), 9: ("dataVolumeUnit", "pricePerHour")}
_BLOCKED = 7
_LIVE_BEFORE = 12
_STORY = f"""\

{_DRAFTS} drafts are published, {_CONCURRENCY} at a time. The account may publish 20 a day, but
nobody tells the client. Two drafts have gaps, one will be blocked by
moderation, and one is live already. The service answers 503 to some, and to
one of them whenever it is asked; it loses two replies, after it has
published; and once it asks everyone to slow down."""


@click.command()
def demo() -> None:
    """Publish 30 drafts to a sandbox on this machine: with gaps, faults, and more of them than the quota has room for.

    Takes a few seconds and needs no account.
    """
    show(run(play()))


@frozen
class Performance:
    """What happened in a demo.

    Attributes:
        outcomes: What the client says became of the drafts.
        requests: What the service saw.
        published: How many jobs the run put live, by the service's own count.
        quota: The quota at the end, as the client's ledger knows it.
    """

    outcomes: tuple[PublishOutcome, ...]
    requests: tuple[RequestSeen, ...]
    published: int
    quota: QuotaSnapshot

    @property
    def unsent(self) -> int:
        """How many drafts were deferred without a request, as the ledger knew that it would be refused."""
        return sum(outcome.status == "deferred" and not outcome.attempts for outcome in self.outcomes)

    @property
    def refused(self) -> int:
        """How many requests the service refused for the quota's sake."""
        return sum(request.status == 429 and request.fault is None for request in self.requests)


async def play() -> Performance:
    """Create drafts, plan the faults, and publish."""
    # The table tells of the retries; without a handler each would be a line on stderr.
    logger.keep_off_stderr()
    async with Sandbox() as sandbox:
        ids = _draft(sandbox)
        _plan_faults(sandbox, ids)
        console = output.stdout()
        console.print(Text(f"A local OpenTrain runs at {sandbox.url}; nothing leaves this machine.", "bold"))
        output.say(*_STORY.split("\n"))
        async with AsyncOpenTrain(sandbox.token, base_url=sandbox.url, clock=sandbox.clock, retry=_IMPATIENT) as client:
            live_before = len(sandbox.live)
            with progress_bar.watching() as watch:
                report = await client.publish_many(ids, concurrency=_CONCURRENCY, on_progress=watch.show)
            by_id = {outcome.job_id: outcome for outcome in report.outcomes}
            return Performance(
                outcomes=tuple(by_id[job_id] for job_id in ids),
                requests=tuple(sandbox.requests),
                published=len(sandbox.live) - live_before,
                quota=await client.quota(),
            )


def show(performance: Performance) -> None:
    """Tell how it ended."""
    console = output.stdout()
    output.print_table(performance.outcomes, _answers(performance.requests))
    console.print(Text(output.counts(performance.outcomes), "bold"))
    quota = performance.quota
    until = f"; the next slot is free at {output.when(quota.next_slot_at)}" if quota.next_slot_at else ""
    console.print(f"Quota     {quota.used} of {quota.limit or 'an unknown limit'} used{until}")
    console.print(f"Truth     the service itself counts {performance.published} published")
    console.print(f"Requests  {len(performance.requests)} sent, {performance.refused} of them refused for the quota")
    console.print(f"Saved     {performance.unsent} requests that would have been refused: the ledger knew it")
    output.say("", "Next: 'opentrain-async sandbox' runs such a service to try your own code on.")


def _draft(sandbox: Sandbox) -> list[str]:
    return [
        sandbox.draft(
            missing=_GAPS.get(number, ()),
            blocked=number == _BLOCKED,
            status="OPEN" if number == _LIVE_BEFORE else "DRAFT",
        )
        for number in range(1, _DRAFTS + 1)
    ]


def _plan_faults(sandbox: Sandbox, ids: list[str]) -> None:
    """What goes wrong: for drafts that come early enough to be sent at all."""
    sandbox.fault(Fault.STATUS, job_id=ids[1])
    sandbox.fault(Fault.RESET, job_id=ids[4], published=True)
    sandbox.fault(Fault.STATUS, job_id=ids[7], status=429, retry_after="1")
    sandbox.fault(Fault.STATUS, job_id=ids[10], times=2)
    sandbox.fault(Fault.CLOSE, job_id=ids[12], published=True)
    sandbox.fault(Fault.STATUS, job_id=ids[15], times=100)


def _answers(requests: tuple[RequestSeen, ...]) -> Mapping[str, str]:
    """By job, what came of each of its requests, from the service's side."""
    answers: defaultdict[str, list[str]] = defaultdict(list)
    for request in requests:
        answers[request.job_id or ""].append("lost" if request.status is None else str(request.status))
    return {job_id: ", ".join(_runs(of_one)) for job_id, of_one in answers.items()}


def _runs(answers: list[str]) -> Iterator[str]:
    for answer, same in groupby(answers):
        times = len(list(same))
        yield answer if times == 1 else f"{times}x {answer}"
