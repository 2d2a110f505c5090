"""The ground floor: small helpers that every room may use, and that know nothing of OpenTrain.

Read `clock` and `tasks` first: `waiting` builds on the one, `callback` on the other. `alarm` is a timer for many
timeouts; `text`, `secret`, `json` and `representation` are about strings.
"""
