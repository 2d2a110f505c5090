"""The state of the sandbox, without HTTP.

Read `state` first (accounts, jobs, the quota), then `catalogue` (every operation by its name) and the operation that
you need: `drafting`, `lifecycle`, `listing`, `profile` or `agents`.
"""
