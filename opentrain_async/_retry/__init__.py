"""Try again: when, how often, and for whom.

Read `policy` first, then `engine`, which applies it. `breaker` pauses runs during an outage, `throttle` when the
server asks for it; `budget` bounds the retries of a client; `callers` says who waits, and how long.
"""
