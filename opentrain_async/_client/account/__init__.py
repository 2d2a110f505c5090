"""The account that calls.

Read `settings` first (token and origin), then `credentials` (the saved ones), `identity`, `preflight` and `claim`.
"""
