"""What happened on one day."""

from collections import Counter
from typing import Literal

from attrs import Factory, define

HOUR = 3600.0
DAY = 24 * HOUR

Refusal = Literal["learning", "probing", "in doubt", "elsewhere", "pointless"]
"""Why a publish was sent that the quota refused:

- learning: nobody had told how high the limit is, and what is safe for every account was used up: once in 24 hours;
- probing: the ledger counted slots in doubt, and one draft was sent to find out about them: none in the hour after a
  refusal, but where a slot that it took for one used elsewhere has come of age since then;
- in doubt: the draft itself might have been live: a request of it had been lost, or its process killed; not twice in
  an hour for the same draft;
- elsewhere: somebody had published by other means, of which the ledger had not been told; in the hour after a refusal,
  only if that was since then, or if a slot that it took for one used elsewhere has come of age since then;
- pointless: what the ledger knew had ruled it out.

A refusal counts as one that came before where the ledger had taken it in when the draft got its place: who held one
already is sent all the same. A claim makes it another account, and what was refused before is of no account any more.
"""


@define
class Day:
    """What happened on one day.

    Attributes:
        limit: The account's, at its end.
        published: Drafts that went live.
        elsewhere: Publishes by other means.
        refusals: How many publishes the quota refused, and why they were sent.
        unused: Slots that were left unused though a draft was waiting.
        lost: Drafts that came on it of which nothing final was ever said.
        told_wrongly: Times that something was said of a draft that was not so.
        told_too_late: Times that a draft was told to come back later than the ledger could know of a slot.
        waiting: Drafts that waited at its end.
        kills: Processes that were killed.
        ill: Hours in which the service was down, or throttled.
    """

    limit: int = 0
    published: int = 0
    elsewhere: int = 0
    refusals: Counter[Refusal] = Factory(Counter)
    unused: int = 0
    lost: int = 0
    told_wrongly: int = 0
    told_too_late: int = 0
    waiting: int = 0
    kills: int = 0
    ill: float = 0.0

    @property
    def is_at_fault(self) -> bool:
        """Whether a draft was lost, or something untrue was said of one."""
        return bool(self.lost or self.told_wrongly or self.told_too_late)

    @property
    def is_wasteful(self) -> bool:
        """Whether something was sent in vain, or a slot was wasted, that nobody else has to answer for."""
        return bool(self.refusals["pointless"] or self.unused)


def in_all(days: list[Day]) -> Day:
    """These days together; the limit and who waited are the last one's."""
    return Day(
        limit=days[-1].limit,
        published=sum(day.published for day in days),
        elsewhere=sum(day.elsewhere for day in days),
        refusals=sum((day.refusals for day in days), Counter()),
        unused=sum(day.unused for day in days),
        lost=sum(day.lost for day in days),
        told_wrongly=sum(day.told_wrongly for day in days),
        told_too_late=sum(day.told_too_late for day in days),
        waiting=days[-1].waiting,
        kills=sum(day.kills for day in days),
        ill=sum(day.ill for day in days),
    )
