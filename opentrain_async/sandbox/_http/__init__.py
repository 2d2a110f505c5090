"""The sandbox over HTTP.

Read `routes` first; `faults` plans what goes wrong, `strike` does it, and `pages` are for people.
"""
