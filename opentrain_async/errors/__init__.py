"""Every error of the library, as one tree. Each says what the server had changed when it was raised.

    OpenTrainError                      .job_id .effect .message
    ├─ ConfigurationError               (ValueError)    refused locally, nothing was sent
    │  └─ SessionError                  the borrowed session cannot send
    ├─ ClientClosedError                (RuntimeError)  the client was closed, before or meanwhile
    ├─ QuotaExceededError               the day's publishes are used up: .limit .used .retry_at .source
    ├─ QuotaLedgerError                 the quota ledger could not be read; nothing was sent
    ├─ JournalError                     a run's journal could not be read or written; nothing more was sent
    ├─ DraftIncompleteError             a draft still has missing fields: .draft .missing
    ├─ TransportError                   no answer arrived
    │  ├─ ConnectError                  never connected, nothing was sent
    │  │  └─ PoolTimeoutError           every pooled connection was in use
    │  ├─ TLSError                      a wrong certificate or host name, nothing was sent
    │  ├─ SessionHookError              code of the borrowed session raised: .raised .was_sent
    │  ├─ RequestTimeoutError           (TimeoutError)  sent, and no answer in time
    │  └─ ConnectionLostError           sent, and cut off before the answer
    ├─ ResponseError                    an answer that cannot be read: .status .request_id
    │  └─ UnexpectedResponseError       not the promised format, a proxy's answer, or a redirect
    │     ├─ TruncatedResponseError     cut off, or over the size cap
    │     └─ ContradictoryResponseError  the promised format, but ``"ok": false`` or another job
    └─ APIError                         the service refused: .status .code .reason .request_id .details
       ├─ BadRequestError               400: .issues
       │  ├─ NotPublishReadyError       the draft has missing fields: .validation
       │  └─ ClaimError                 the account is not claimed, and will not be by this claim
       ├─ AuthenticationError           401
       ├─ PermissionDeniedError         403: .required_scopes
       │  ├─ ModerationBlockedError     .reasons
       │  └─ PreflightError             found before a run: a feature is off, or a scope missing: .feature
       ├─ NotFoundError                 404: absent, or not yours
       ├─ ConflictError                 409: .job_status .required_status
       ├─ RateLimitedError              429 without a quota window: .retry_after
       └─ ServerError                   5xx

`effect` is what the request had done to the server's state when the error was raised: ``"none"``, ``"applied"``
or ``"unknown"``. Of a publish unknown means that the draft may be live: publish it again to find out, it is charged
once.

The sources of the codes and of `details` are the API reference's overview and the page of each endpoint, under
https://www.opentrain.ai/docs/developers/.
"""

from ._api import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ClaimError,
    ConflictError,
    ModerationBlockedError,
    NotFoundError,
    NotPublishReadyError,
    PermissionDeniedError,
    PreflightError,
    RateLimitedError,
    ServerError,
)
from ._tree import (
    ClientClosedError,
    ConfigurationError,
    ConnectError,
    ConnectionLostError,
    ContradictoryResponseError,
    DraftIncompleteError,
    Effect,
    JournalError,
    OpenTrainError,
    PoolTimeoutError,
    QuotaExceededError,
    QuotaLedgerError,
    RequestTimeoutError,
    ResponseError,
    SessionError,
    SessionHookError,
    TLSError,
    TransportError,
    TruncatedResponseError,
    UnexpectedResponseError,
)

__all__ = [
    "APIError",
    "AuthenticationError",
    "BadRequestError",
    "ClaimError",
    "ClientClosedError",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "ConnectionLostError",
    "ContradictoryResponseError",
    "DraftIncompleteError",
    "Effect",
    "JournalError",
    "ModerationBlockedError",
    "NotFoundError",
    "NotPublishReadyError",
    "OpenTrainError",
    "PermissionDeniedError",
    "PoolTimeoutError",
    "PreflightError",
    "QuotaExceededError",
    "QuotaLedgerError",
    "RateLimitedError",
    "RequestTimeoutError",
    "ResponseError",
    "ServerError",
    "SessionError",
    "SessionHookError",
    "TLSError",
    "TransportError",
    "TruncatedResponseError",
    "UnexpectedResponseError",
]
