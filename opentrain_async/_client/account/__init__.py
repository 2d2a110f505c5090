"""The account that calls: its settings, credentials, identity and claim."""
