"""The daily publish quota: a ledger of one's own publishes, so that none is sent to be refused."""

from ._ledger import QuotaLedger
from ._log import AccountLog
from ._memory import MemoryLedger
from ._redis import RedisLedger
from ._slots import Settlement
from ._snapshot import QuotaSlot, QuotaSnapshot
from ._sqlite import SQLiteLedger
from ._state import dump_log, load_log
from ._store import LedgerStore

__all__ = [
    "AccountLog",
    "LedgerStore",
    "MemoryLedger",
    "QuotaLedger",
    "QuotaSlot",
    "QuotaSnapshot",
    "RedisLedger",
    "SQLiteLedger",
    "Settlement",
    "dump_log",
    "load_log",
]
