"""What a draft needs before it can be published.

The service documents no complete list. These are the fields that its examples show as missing
(https://www.opentrain.ai/docs/developers/api-reference/job-drafts/create/ and …/update/).
"""

from collections.abc import Mapping

Field = Mapping[str, object]

_ENUMS: Mapping[str, tuple[str, ...]] = {
    "experienceLevel": ("EXPERT", "ENTRY_LEVEL", "INTERMEDIATE", "ANY_EXPERIENCE_LEVEL"),
    "dataVolumeUnit": (
        "HOURS_OF_RECORDING_AUDIO_VIDEO",
        "NUMBER_OF_FILES",
        "NUMBER_OF_WORDS",
        "UNKNOWN_NOT_SPECIFIED",
    ),
    "paymentType": ("PAY_PER_LABEL", "PAY_PER_HOUR", "FIXED_PRICE"),
}
_RATES = {"PAY_PER_LABEL": "pricePerLabel", "PAY_PER_HOUR": "pricePerHour", "FIXED_PRICE": "fixedPrice"}
_LABELS = {
    "experienceLevel": "Experience level",
    "dataVolumeUnit": "Data volume unit",
    "paymentType": "Payment type",
    "pricePerLabel": "Price per label",
    "pricePerHour": "Price per hour",
    "fixedPrice": "Fixed price",
}
COMPLETE: Field = {
    "experienceLevel": "INTERMEDIATE",
    "dataVolumeUnit": "NUMBER_OF_FILES",
    "paymentType": "PAY_PER_HOUR",
    "pricePerHour": 18,
}
"""Values that leave nothing to ask."""


def missing(fields: Field) -> list[str]:
    """The names of the fields that are missing or hold what they cannot."""
    gaps = [name for name, values in _ENUMS.items() if fields.get(name) not in values]
    rate = _RATES.get(str(fields.get("paymentType")))
    price = fields.get(rate) if rate else 1
    if rate and (isinstance(price, bool) or not isinstance(price, int | float) or price <= 0):
        gaps.append(rate)
    return gaps


def validation(fields: Field) -> dict[str, object]:
    """The `validation` object of a draft, and `missingFields` beside it, as the reference shows them."""
    gaps = missing(fields)
    return {
        "validation": {
            "publishReady": not gaps,
            "issueCount": 0,
            "missingFieldCount": len(gaps),
            "missingFields": [],
            "issues": [],
        },
        "missingFields": [_item(name) for name in gaps],
    }


def _item(name: str) -> dict[str, object]:
    values = _ENUMS.get(name)
    label = _LABELS[name]
    return {
        "field": name,
        "label": label,
        "message": f"{label} is missing.",
        "code": "missing_required_field",
        "prompt": f"ask: What is the {label.lower()}?",
        "type": "enum" if values else "number",
        "enumValues": list(values) if values else None,
        "updateKeys": [name],
        "example": values[0] if values else "0.05",
        "hint": None,
    }
