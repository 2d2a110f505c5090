"""The daily publish quota: a ledger counts an account's publishes, so that no draft is sent only to be refused.

Read `_log` first: it is the rule. `_allowance` is what is known of limit and window, `_probes` what refusals have
taught, `_in_flight` which publishes a draft waits for, `_log_clock` the log's time; `_slots` and `_snapshot` are its
values. `_stores` keep the log, `_steps` runs a step on a store within its time, `_ledger` is the quota of one client,
`_observer` is told of slots, `_plan` plays a log forward, and `_log_takeover` carries one over to another account.
"""

from ._allowance import Allowance
from ._ledger import QuotaLedger
from ._log import AccountLog
from ._log_clock import LogClock
from ._observer import QuotaObserver
from ._probes import Probes
from ._slots import Answer, Before, Reservation, Saw, Settlement, Slot, Wait
from ._snapshot import QuotaSlot, QuotaSnapshot
from ._stores.memory import MemoryLedger
from ._stores.protocol import LedgerStore, Step
from ._stores.redis import RedisLedger
from ._stores.serialized import dump_log, load_log
from ._stores.sqlite import SQLiteLedger

__all__ = [
    "AccountLog",
    "Allowance",
    "Answer",
    "Before",
    "LedgerStore",
    "LogClock",
    "MemoryLedger",
    "Probes",
    "QuotaLedger",
    "QuotaObserver",
    "QuotaSlot",
    "QuotaSnapshot",
    "RedisLedger",
    "Reservation",
    "SQLiteLedger",
    "Saw",
    "Settlement",
    "Slot",
    "Step",
    "Wait",
    "dump_log",
    "load_log",
]
