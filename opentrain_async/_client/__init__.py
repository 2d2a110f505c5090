"""The client that callers see, `AsyncOpenTrain`, in parts.

Read `client` first (its construction), then `core` (its state), and the part that you need: `publishing`, `drafts`,
`jobs` or `onboarding`. `account` is about the account that calls.
"""
