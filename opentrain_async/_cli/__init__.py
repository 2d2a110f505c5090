"""The command line.

Read `main` first (the entry point), then `group` (the commands together), `common` (their options and client), and a
command of your choice. `campaign` is the run behind `publish`; `ids` finds the drafts that a command is about;
`views` is all that people look at.
"""

from .main import main

__all__ = ["main"]
