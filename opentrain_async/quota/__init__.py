"""The daily publish quota: a ledger counts an account's publishes, so that no draft is sent only to be refused.

Read `_log` first: it is the rule. `_slots` and `_snapshot` are its values, `_stores` keep it, `_steps` runs a step on
a store within its time, `_ledger` waits for a slot, `_observer` is told of slots, and `_plan` looks ahead.
"""

from ._ledger import QuotaLedger
from ._log import AccountLog
from ._observer import QuotaObserver
from ._slots import Before, Busy, Denied, Reservation, Settlement, Slot
from ._snapshot import QuotaSlot, QuotaSnapshot
from ._stores.memory import MemoryLedger
from ._stores.protocol import LedgerStore, Step
from ._stores.redis import RedisLedger
from ._stores.serialized import dump_log, load_log
from ._stores.sqlite import SQLiteLedger

__all__ = [
    "AccountLog",
    "Before",
    "Busy",
    "Denied",
    "LedgerStore",
    "MemoryLedger",
    "QuotaLedger",
    "QuotaObserver",
    "QuotaSlot",
    "QuotaSnapshot",
    "RedisLedger",
    "Reservation",
    "SQLiteLedger",
    "Settlement",
    "Slot",
    "Step",
    "dump_log",
    "load_log",
]
