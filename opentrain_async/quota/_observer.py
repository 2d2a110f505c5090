"""The functions that a ledger calls with what happens to its slots."""

from collections.abc import Callable

from .._base.value import frozen
from ._slots import Settlement
from ._snapshot import QuotaSnapshot


@frozen
class QuotaObserver:
    """Three plain functions. The ledger does not know what they do, and they must not raise.

    Attributes:
        reserved: Called with a draft that has a slot, and whether it is a probe.
        settled: Called with a draft whose slot is settled, and how.
        counted: Called with the account's key and its quota, when that has changed or was last seen a minute ago.
    """

    reserved: Callable[[str, bool], None]
    settled: Callable[[str, Settlement], None]
    counted: Callable[[str, QuotaSnapshot], None]
