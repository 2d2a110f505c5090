"""The daily publish quota: a ledger of one's own publishes, so that none is sent to be refused."""

from ._ledger import QuotaLedger
from ._log import AccountLog
from ._slots import Settlement
from ._snapshot import QuotaSlot, QuotaSnapshot
from ._stores.memory import MemoryLedger
from ._stores.protocol import LedgerStore
from ._stores.redis import RedisLedger
from ._stores.serialized import dump_log, load_log
from ._stores.sqlite import SQLiteLedger

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
