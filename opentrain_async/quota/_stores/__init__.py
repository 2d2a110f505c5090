"""The stores that keep accounts' logs: in memory, in a file, in Redis.

Read `protocol` first: it is the one method that a store has. `serialized` is a log as text, `batch` a step on its
way; each store has a module named for it, and what it needs beside it.
"""
