"""What time a server has, between its answers."""

import time

from attrs import define

AHEAD_SECONDS, BEHIND_SECONDS = 0.05, 10.0
"""How far an estimate may be from the server's time. The script writes nothing that was made by a worse one."""

# A step must know the time before the server runs the script. Why an estimate is good enough:
#
# - A charge must not be dated too early, and no slot be freed too early. The bounds of the shortest round trip put the
#   estimate between half a trip before the step runs, when the service's answer was still on its way, and the moment of
#   the write, before which no draft is sent.
# - A lag of the network does no harm, so there is room for it. A greater one means that the process has stood still, or
#   that the server's clock was set or is another one. To be ahead means the same, except for the network's jitter. Then
#   the answer corrects the estimate, and the steps run again.


@define
class ServerClock:
    """An estimate of a server's time, from its last answer on.

    The server read its clock after the command was sent and before its answer came, so each answer bounds the estimate
    from both sides. Within the bounds it stays where it was: so the shortest round trips, which say most, decide.

    Attributes:
        ahead: By how many seconds the server's time is ahead of this process's monotonic clock. Before the first answer
            it is taken from the caller's wall clock, which a synchronised machine has right.
        told: The last estimate. The next is never smaller, unless the server's clock is found to be.
    """

    ahead: float
    told: float = 0.0

    @classmethod
    def by_wall_clock(cls, now: float) -> "ServerClock":
        """One that has heard of no server yet."""
        return cls(now - time.monotonic())

    def now(self) -> float:
        """The server's time, in epoch seconds."""
        now = time.monotonic() + self.ahead
        if not now < self.told < now + AHEAD_SECONDS:
            self.told = now
        return self.told

    def heard(self, server_time: float, sent_at: float, received_at: float) -> None:
        """Correct the estimate by an answer; both moments are of this process's monotonic clock."""
        self.ahead = min(max(self.ahead, server_time - received_at), server_time - sent_at)
