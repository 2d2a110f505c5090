"""The version, in a module of its own so that every room can name the library."""

__version__ = "0.1.0"

USER_AGENT = f"opentrain-async/{__version__}"
