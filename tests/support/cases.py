"""Names for the cases of a parametrized test."""


def kind_of(value: object) -> str:
    """A name for a case whose value cannot be one."""
    return type(value).__name__
