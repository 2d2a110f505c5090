"""The Lua script of the ledger in Redis; it knows nothing of the rule.

An account is one key, a hash of its log and of a version that is never reused. That a server has forgotten the script
(a restart, SCRIPT FLUSH) costs one more round trip.
"""

import hashlib

from ..._base.found_file import MIB
from .redis_clock import AHEAD_SECONDS, BEHIND_SECONDS
from .serialized import LONGEST_LOG

NONE = "-"
"""Stands for the version of what is not there."""

STEP = (
    """
local time = redis.call('TIME')
local late = time[1] + time[2] / 1000000 - ARGV[2]
local is_timely = late > -AHEAD and late < BEHIND
local answer = {time[1], time[2]}
local lines = string.gmatch(ARGV[1], '[^\\n]+')
for i, key in ipairs(KEYS) do
  local expected, version, milliseconds, log = string.match(lines(), '^(%S+) (%S+) (%d+) (.*)$')
  local may_write = is_timely and log ~= ''
  local kept = redis.pcall('HMGET', key, 'version', 'log', 'lost')
  if kept.err and not string.find(kept.err, 'WRONGTYPE', 1, true) then return kept end
  local is_known = kept[1] == expected
  if expected == 'NONE' then is_known = not (kept[1] or kept[2]) end
  local entry
  if kept.err or #(kept[1] or '') + #(kept[2] or '') > LONGEST then
    entry = {}
  elseif kept[1] == version then
    entry = 0
  elseif may_write and is_known then
    redis.call('HSET', key, 'version', version, 'log', log)
    redis.call('PEXPIRE', key, milliseconds)
    entry = tonumber(kept[3] or 0) or 0
    if kept[3] then redis.call('HDEL', key, 'lost') end
  else
    entry = {kept[1], kept[2], 0}
    if may_write and expected ~= 'NONE' and string.find(kept[1] or '', '^[%w_-]+-%d+$') then
      entry[3] = (tonumber(kept[3] or 0) or 0) + 1
      redis.call('HSET', key, 'lost', entry[3])
    end
  end
  answer[i + 2] = entry
end
return answer
"""
    .replace("AHEAD", str(AHEAD_SECONDS))
    .replace("BEHIND", str(BEHIND_SECONDS))
    .replace("LONGEST", str(LONGEST_LOG + MIB))
    .replace("NONE", NONE)
)
"""ARGV: for each key a line, of the version expected (`NONE` for none), the new one, for how long to keep it, and the
new log, or nothing there to be told only what stands; and the time by which the logs were made. One argument for all
lines, as redis-py takes as long for an argument as Redis does for a key.

Answers with the server's time, in seconds and microseconds, and with an entry for each key:

- A number: the log is written, or was by this very call, whose answer was lost. So many writes of others have lost
  against it.
- Version and log as they stand, two times nothing where there is no log, and a number: nothing is written. It is the
  caller's place among those that have lost against the log that stands; 0 if it has not lost, but knew no version,
  only asked, or estimated the time too badly.
- Nothing: the key holds a value of another kind, or one that is too long for a log. The other keys are served all the
  same.
"""

DIGEST = hashlib.sha1(STEP.encode(), usedforsecurity=False).hexdigest()
"""The name by which a server knows the script."""
