"""The command line.

Read `main` first (the entry point), then `group` (the commands together), `common` (their options and client), and a
command of your choice. `signals` runs a command's coroutine, `campaign` is the run behind `publish`; `ids` finds the
drafts that a command is about; `views` are tables, bars and prompts.
"""

from .main import main

__all__ = ["main"]
