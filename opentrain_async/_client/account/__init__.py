"""The account that calls: its token, its identity and its claim.

Read `settings` first (token and origin), then `credentials` (the saved ones), `identity`, `ledger_key`, `preflight` and
`claim`.
"""
