"""Tell a token about itself: `GET /auth/me` and `GET /job-drafts/capabilities`."""

from .accounts import CAPABILITIES, Token
from .descriptions import PAYLOADS
from .draft_fields import ENUMS, KINDS
from .refusals import Body, Call
from .state import Service


def whoami(_service: Service, token: Token, _call: Call) -> Body:
    """`GET /auth/me`. Its page shows no field that tells whether the account is claimed."""
    number = token.account.number
    return {
        "actor": {
            "userId": f"user_{number}",
            "email": token.account.email,
            "firstName": "Sandbox",
            "lastName": f"User {number}",
            "fullName": f"Sandbox User {number}",
            "userType": "EMPLOYER",
        },
        "token": {
            "id": f"token_{token.number}",
            "label": token.label,
            "scopes": list(token.scopes),
            "ownerOrganizationId": None,
        },
        "account": {
            "kind": "employer_organization",
            "organizationId": f"org_{number}",
            "ownerUserId": f"user_{number}",
            "memberRole": "OWNER",
        },
    }


def capabilities(_service: Service, token: Token, _call: Call) -> Body:
    """`GET /job-drafts/capabilities`. A flag says what is switched on, also where the sandbox has no such route."""
    enabled = token.account.capabilities
    return {
        "featureKey": "public_api_job_drafting",
        "namespace": "job-drafts",
        "rolloutMode": "ALL",
        "actorIsAdmin": False,
        "capabilities": {name: name in enabled for name in CAPABILITIES},
        "draft": {
            "importFormats": list(PAYLOADS),
            "updateKeys": list(KINDS),
            "enums": {name: list(ENUMS[name]) for name in ("paymentType", "experienceLevel", "dataVolumeUnit")},
        },
        "authBootstrap": "token",
        "enabled": bool({"draftCreate", "draftUpdate"} & enabled),
    }
