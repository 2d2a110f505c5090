"""Construct the client: check every argument and connect the parts."""

from functools import partial

import aiohttp

from .._base.clock import Clock
from .._base.secret import Secret, sealed
from .._publish.draft import Publisher, with_events
from .._publish.single_flight import SingleFlight
from .._retry.engine import Retrier
from .._retry.policy import RetryPolicy
from .._service.call import Api
from .._service.http.transport import transports
from ..errors import _checks
from ..errors._refusing import refusing
from ..events import OnEvent
from ..events._listener import EventEmitter
from ..quota import LedgerStore, MemoryLedger, QuotaLedger
from .account.claim import ClaimWatch
from .account.identity import KnownIdentity
from .account.ledger_key import account_in, ledger_key
from .account.settings import resolve
from .core import checked_clock, fingerprint
from .drafts import Posting
from .jobs import Jobs
from .onboarding import Onboarding

_LEASE_MARGIN = 60.0
"""Seconds by which a reservation outlives the retry deadline before it is taken for abandoned."""


class AsyncOpenTrain(Posting, Jobs, Onboarding):
    """Posts jobs to OpenTrain within the account's daily quota.

    It creates drafts, fills in their missing fields, and publishes them, one or many.

    Use it as ``async with AsyncOpenTrain() as client:``, or `close` it. It belongs to the event loop in which it is
    first used. Nothing is opened or sent before the first call, and one client serves any number of tasks.

    A job id is 1 to 128 of ``A-Z a-z 0-9 . _ ~ -``, and neither ``.`` nor ``..``.

    Args:
        token: The API token (``ot_pat_…``), as text or as a `Secret`. `None`: the environment's ``OT_API_TOKEN`` or
            ``OPENTRAIN_API_TOKEN``, then ``opentrain/cli.json`` in ``$XDG_CONFIG_HOME`` or ``~/.config``, which the
            service's own tools write (https://www.opentrain.ai/docs/developers/cli/overview/).
        base_url: The origin, https except on loopback. `None`: the one that ``OT_API_BASE_URL``,
            ``OPENTRAIN_API_BASE_URL`` and ``OPENTRAIN_BASE_URL`` name (those that are set must agree); then the file's,
            if the token is the file's; then the service's own. A saved token goes only to the origin that its file
            names, without one to the service's own: any other origin needs a token of its own.
        ledger: Where the account's publishes are counted; borrowed. `None`: a `MemoryLedger` of this client's.
        daily_limit: The account's publishes in any 24 hours, from 1. `None` learns it, at the cost of one
            refusal a day at most. The server's word lowers it.
        account: The account's name in the ledger; the same name at another origin is another account. ``"auto"``: its
            organisation's id, which all its tokens have in common; one `whoami` for the client's life, before the quota
            is first looked at. `None`: a fingerprint of the token, so that a new token starts from nothing, unless it
            comes by `wait_for_claim`.
        claim_token: What `start_claim` and `wait_for_claim` need (``ot_clm_…``), as text or as a `Secret`. `None`: the
            saved one, if the token is the saved one, too.
        retry: What is tried again, how often, for how long.
        timeout: Seconds, above 0, for one attempt once it has a connection.
        connect_timeout: Seconds, above 0, to get a connection, from the pool or anew. Nothing was sent when it fails.
        max_connections: The size of the connection pool, from 1.
        session: An aiohttp session to borrow, made in the event loop that runs the client and without a login of its
            own. It is never closed or reconfigured, and its own pool and settings hold. *timeout* and *connect_timeout*
            bound an attempt together. A retry may use a kept connection that is as dead as the last one; and if a
            server sends an error twice over a kept connection, the second is taken for the answer to the next request
            on it, another draft's. `None`: one of this client's own.
        clock: Where time comes from: ``now()`` in epoch seconds, ``monotonic()``, ``await sleep(seconds)``.
            `None`: the machine's.
        on_event: Told of what happens inside, with values of `opentrain_async.events`; a plain function, called in the
            event loop, which waits for it. What it raises is logged once, and changes nothing. `None`: nobody is.

    Raises:
        ConfigurationError: There is no token, an argument, variable or saved value is not valid, or the token belongs
            to another origin.
    """

    @refusing
    def __init__(
        self,
        token: str | Secret | None = None,
        *,
        base_url: str | None = None,
        ledger: LedgerStore | None = None,
        daily_limit: int | None = None,
        account: str | None = None,
        claim_token: str | Secret | None = None,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        max_connections: int = 100,
        session: aiohttp.ClientSession | None = None,
        clock: Clock | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        # From here on no traceback shows them: an address may have a password.
        found, address, claim = sealed(token), sealed(base_url), sealed(claim_token)
        del token, base_url, claim_token
        settings = resolve(found, address, claim)
        _checks.kind("retry", retry, RetryPolicy)
        if daily_limit is not None:
            daily_limit = _checks.whole("daily_limit", daily_limit)
        if ledger is not None:
            _checks.method("ledger", ledger, "run")
        if account is not None:
            account = _checks.name("account", account, settings.token)
        self._base_url = settings.base_url
        self._max_connections = max_connections
        self._clock = checked_clock(clock)
        self._is_account_known = account != self._AUTO
        self._account_name = account if account is not None and self._is_account_known else None
        self._claim_token = settings.claim_token
        emitter = None
        if on_event is not None:
            emitter = EventEmitter(_checks.plain_function("on_event", on_event), self._base_url, self._clock)
        emit = None if emitter is None else emitter.emit
        transport = transports(
            timeout=timeout, connect_timeout=connect_timeout, max_connections=max_connections, session=session
        )
        self._transport = transport(settings.base_url, settings.token)
        self._tokenless = transport(settings.base_url, None)
        self._store = MemoryLedger() if ledger is None else ledger
        self._ledger = QuotaLedger(
            self._store,
            ledger_key(settings.base_url, account or fingerprint(settings.token)),
            self._clock,
            daily_limit=daily_limit,
            lease=retry.deadline + _LEASE_MARGIN,
            observer=None if emitter is None else emitter.quota_observer(partial(account_in, settings.base_url)),
        )
        retrier = Retrier(retry, self._clock, emit)
        self._breaker = retrier.breaker
        publisher = Publisher(self._ledger, self._transport, retrier, self._clock)
        publish = publisher.publish if emitter is None else with_events(publisher.publish, emitter)
        self._single_flight = SingleFlight(publish, self._clock, retrier.wake_all)
        self._api = Api(self._transport, retrier, self._clock, emitter)
        # What the agent endpoints say of too many questions, or do not say at all, is nothing to the API's.
        self._agent_api = Api(self._tokenless, Retrier(retry, self._clock), self._clock, emitter)
        self._identity = KnownIdentity(self.whoami)
        self._claims = ClaimWatch(self._exchange, self._clock)
        self._is_closed = False
