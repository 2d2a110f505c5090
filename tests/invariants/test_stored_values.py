"""A changed value in a ledger's log or a journal's line is an error of ours, or harmless.

20,000 of each; STORED_VALUES in the environment asks for more, and STORED_SEED for other ones.
"""

import time
from collections import Counter

import pytest

from opentrain_async._publish.journal.facts import NotAnEntryError
from opentrain_async.errors import QuotaLedgerError

from ..support.mutations import Mutator
from ..support.stored import SEED, VALUES, Use, journal_lines, logs, use_line, use_log


@pytest.mark.parametrize(
    ("texts", "use", "refusal"),
    [(logs(), use_log, QuotaLedgerError), (journal_lines(), use_line, NotAnEntryError)],
    ids=["logs", "lines"],
)
def test_F73_what_is_changed_in_a_store_is_refused_or_harmless(
    texts: list[str], use: Use, refusal: type[Exception]
) -> None:
    """Read, and used as the library uses it: one error of ours or none, each within a second of the processor."""
    for text in texts:
        use(text.encode())
    ends = Counter[str]()
    longest = 0.0
    mutators = [Mutator(text, SEED) for text in texts]
    for number in range(VALUES):
        changed = mutators[number % len(mutators)].next()
        began = time.process_time()
        try:
            use(changed)
        except refusal:
            ends["refused"] += 1
        except Exception as error:
            raise AssertionError(f"of {changed[:2000]!r} came {error!r}") from error
        else:
            ends["used"] += 1
        longest = max(longest, time.process_time() - began)
    assert longest < 1, longest
    assert min(ends["refused"], ends["used"]) > VALUES / 100, ends
