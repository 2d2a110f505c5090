"""The two Lua scripts of the ledger in Redis; they know nothing of the rule.

An account is one key, a hash of its log and of a version that is never reused. Both scripts answer with the
server's time, in seconds and microseconds, and then with an entry for each key. That a server has forgotten them
(a restart, SCRIPT FLUSH) costs one more round trip.
"""

import hashlib

from attrs import frozen

from ..._base.found_file import MIB
from .serialized import LONGEST_LOG


@frozen
class Script:
    """A Lua script and the digest by which the server knows it."""

    source: str
    digest: str

    @classmethod
    def of(cls, source: str) -> "Script":
        """The script with this source."""
        return cls(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


READ = Script.of(
    """
local time = redis.call('TIME')
local answer = {time[1], time[2]}
local versions = string.gmatch(ARGV[1], '%S+')
for i, key in ipairs(KEYS) do
  local known = versions()
  local kept = redis.pcall('HMGET', key, 'version', 'log')
  if kept.err then
    if not string.find(kept.err, 'WRONGTYPE', 1, true) then return kept end
    kept = {}
  elseif #(kept[1] or '') + #(kept[2] or '') > LONGEST then
    kept = {}
  elseif known == kept[1] then
    kept = {kept[1]}
  end
  answer[i + 2] = kept
end
return answer
""".replace("LONGEST", str(LONGEST_LOG + MIB))
)
"""ARGV: for each key the version that the caller knows, with a blank between two; `NONE` for none.

Entries: version and log as they stand, two times nothing where there is no log; or that version alone. An empty one
where the key holds a value of another kind, or one that is too long for a log: the other keys are read all the same.
"""

SWAP = Script.of("""
local time = redis.call('TIME')
local answer = {time[1], time[2]}
local lines = string.gmatch(ARGV[1], '[^\\n]+')
for i, key in ipairs(KEYS) do
  local expected, version, milliseconds, log = string.match(lines(), '^(%S+) (%S+) (%d+) (.*)$')
  local kept = redis.call('HGET', key, 'version') or '-'
  if kept == expected then
    redis.call('HSET', key, 'version', version, 'log', log)
    redis.call('PEXPIRE', key, milliseconds)
  end
  answer[i + 2] = (kept == expected or kept == version) and 1 or 0
end
return answer
""")
"""ARGV: for each key a line: the version expected (`NONE` for none), the new one, for how long to keep it, the new log.

Entries: 1 where the log is written, or was by this very call, whose answer was lost; 0 where another version stands.
One argument for all, as redis-py takes as long for an argument as Redis does for a key.
"""

NONE = "-"
"""Stands for the version of what is not there."""
