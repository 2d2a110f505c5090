"""Tell which lines of a journal are of an account."""

from attrs import frozen

from ..._base.origin import is_loopback, is_same


@frozen
class JournalAccount:
    """The account that a line of a journal is of, as far as the line says.

    Attributes:
        service: The origin of the service; `None` in lines of early versions.
        name: The account's name; `None` if it has only a fingerprint of its token, and in lines of earlier versions.
        token: A fingerprint of the token at an origin on this machine; `None` at any other.
    """

    service: str | None
    name: str | None = None
    token: str | None = None

    def covers(self, line: "JournalAccount") -> bool:
        """True if the line counts for this account: nothing that both say differs.

        Origins and names can be the same at two sandboxes, one after the other on one port. Their tokens differ.
        """
        if self.service is None or line.service is None:
            return True
        return (
            is_same(self.service, line.service)
            and _may_be_same(self.name, line.name)
            and (not is_loopback(self.service) or _may_be_same(self.token, line.token))
        )


def _may_be_same(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other
