"""The README's examples, by the sections in which they stand."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def examples(section: str) -> list[str]:
    """The programs of a section, in their order."""
    _, _, below = README.read_text(encoding="utf-8").partition(f"\n## {section}\n")
    return re.findall(r"```python\n(.*?)```", below.partition("\n## ")[0], re.DOTALL)


MAIN, STREAM = examples("Ten lines")
POST, ALL_DRAFTS = examples("From a description to a live job")
(REGISTER,) = examples("From nothing to an account")
(LEDGER,) = examples("Where the quota is remembered")
(ACCOUNTS,) = examples("Many accounts in one process")
(WORKER,) = examples("On more than one machine")
SERVICE, CHAT = examples("In a service, in a chat")
EVENTS, TRACED = examples("What happens inside")
(JOURNAL,) = examples("A run that goes on")
TEST, MADE, REPLACED = examples("In your own tests")
