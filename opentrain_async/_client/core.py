"""The state that the parts of the client share, and how they call the service."""

import asyncio
import hashlib
from contextlib import suppress
from typing import ClassVar, Self, TypeVar

from .._base.clock import Clock, SystemClock
from .._base.fenced_log import logger
from .._base.origin import is_loopback
from .._base.representation import repr_if_ready
from .._base.secret import Secret
from .._base.tasks import Closable
from .._publish.journal.account import JournalAccount
from .._publish.single_flight import SingleFlight
from .._retry.breaker import CircuitBreaker
from .._service.call import Api
from .._service.http.transport import Transport
from .._service.operations import Operation
from ..errors import ClientClosedError, ConfigurationError, OpenTrainError, TransportError, _checks
from ..errors._checks import checked_job_id
from ..models import DraftCapabilities
from ..quota import LedgerStore, QuotaLedger
from .account.claim import ClaimWatch
from .account.identity import KnownIdentity
from .account.ledger_key import ledger_key

T = TypeVar("T")


class ClientCore(Closable):
    """A client's state, and the way of its calls."""

    _AUTO: ClassVar[str] = "auto"
    _base_url: str
    _claim_token: Secret | None
    _claims: ClaimWatch
    _clock: Clock
    _max_connections: int
    _transport: Transport
    _tokenless: Transport
    _api: Api
    _agent_api: Api
    _identity: KnownIdentity
    _ledger: QuotaLedger
    _breaker: CircuitBreaker
    _single_flight: SingleFlight
    _drafts: DraftCapabilities = DraftCapabilities()
    _store: LedgerStore
    _loop: asyncio.AbstractEventLoop | None = None
    _is_closed = True
    _is_account_known = True
    _account_name: str | None = None
    """The account's name, once it is known; `None` where the ledger has a fingerprint of the token for it."""
    _owed: tuple[str, str] | None = None
    """After a claim, until the slots are carried over: the account's earlier key in the ledger, and its next one."""

    @repr_if_ready
    def __repr__(self) -> str:
        state = " closed" if self._is_closed else ""
        return f"<{type(self).__name__} {self._base_url}{state}>"

    async def __aenter__(self) -> Self:
        self._check_usable()
        return self

    async def close(self) -> None:
        """End the calls in flight, settle their slots, and close the session, if it is the client's own.

        Whoever waits for something gets a `ClientClosedError`. The token of a claim, which is given once, is waited for
        if it is being asked for just then, two seconds at the most. Closing twice is harmless.
        """
        self._is_closed = True
        try:
            await self._claims.close()
            await self._identity.close()
            await self._single_flight.close()
            with suppress(OpenTrainError):
                await self._carry_over()
        finally:
            await self._tokenless.close()
            await self._transport.close()

    async def _call(self, operation: Operation[T]) -> T:
        self._check_usable()
        api = self._agent_api if operation.is_oauth else self._api
        try:
            return await api.call(operation)
        except TransportError as error:
            if not self._is_closed:
                raise
            closed = ClientClosedError("the client was closed meanwhile", job_id=error.job_id, effect=error.effect)
            closed.operation, closed.idempotency_key = error.operation, error.idempotency_key
            raise closed from error.__cause__

    async def _know_account(self) -> None:
        """With ``account="auto"``: learn the account's name before anything is counted under another one.

        That is its organisation's id, or its owner's, or, where the service tells neither, a fingerprint of the token.
        """
        if not self._is_account_known:
            await self._learn_account()
        if self._owed is not None:
            await self._carry_over()

    async def _carry_over(self) -> None:
        """After a claim: carry the day's slots over in the ledger, and learn the limit anew.

        Raises:
            QuotaLedgerError: The ledger failed.
        """
        if self._owed is not None and self._is_account_known:
            await self._ledger.continue_as(*self._owed)
            self._owed = None

    async def _learn_account(self) -> None:
        account = (await self._identity.get()).account
        self._check_usable()
        if self._is_account_known:
            return
        name = account.organization_id or account.owner_user_id
        if name is None:
            logger.warning("the service names no organisation: the quota is kept by a fingerprint of the token")
        key = ledger_key(self._base_url, name or fingerprint(self._transport.token))
        self._ledger.use(key)
        self._account_name = name
        self._is_account_known = True
        if self._owed is not None:
            self._owed = (key, key)

    def _journal_account(self) -> JournalAccount:
        """Return the account of new lines of a journal, for which earlier lines count or not."""
        token = fingerprint(self._transport.token) if is_loopback(self._base_url) else None
        return JournalAccount(self._base_url, self._account_name, token)

    def _checked_job_id(self, job_id: object) -> str:
        return checked_job_id(job_id, self._transport.token)

    def _own_token(self) -> Secret | None:
        return self._transport.token

    def _check_usable(self) -> None:
        if self._is_closed:
            raise ClientClosedError("the client is closed")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ConfigurationError("the client belongs to another event loop: make one inside each")


def checked_clock(clock: Clock | None) -> Clock:
    """The clock that is given, or the machine's.

    Raises:
        ConfigurationError: It is no clock.
    """
    if clock is None:
        return SystemClock()
    _checks.method("clock", clock, "now")
    return clock


def fingerprint(token: Secret | None) -> str:
    """What stands for the account in a ledger: nothing from which the token could be had."""
    return hashlib.sha256(b"" if token is None else token.reveal().encode()).hexdigest()[:32]
