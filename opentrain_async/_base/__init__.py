"""The ground floor: small helpers that every room may use, and that know nothing of OpenTrain.

Read `clock` and `tasks` first; `waiting` and `alarm` build on them, and `callback` fences user code. `text`, `secret`
and `json` are about strings.
"""
