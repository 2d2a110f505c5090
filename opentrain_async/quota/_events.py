"""What happens to the slots of the quota, as values; `opentrain_async.events` has them all."""

from attrs import frozen

from ._slots import Settlement
from ._snapshot import QuotaSnapshot


@frozen
class SlotReserved:
    """A draft has a slot of the quota, and may be sent.

    Attributes:
        job_id: The draft.
        is_probe: It goes past a full window, to find out whether what is in doubt there was charged.
    """

    job_id: str
    is_probe: bool


@frozen
class SlotSettled:
    """What has become of a draft's slot, as the answer has it.

    Attributes:
        job_id: The draft.
        how: What that was, in the words of `opentrain_async.quota.Settlement`.
    """

    job_id: str
    how: Settlement


@frozen
class QuotaCounted:
    """The quota has changed, or is seen for the first time, or again after a minute or more.

    Attributes:
        account: The account's name in the ledger: a fingerprint of the token unless it was given another.
        quota: The quota now.
    """

    account: str
    quota: QuotaSnapshot
