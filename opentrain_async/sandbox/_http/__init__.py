"""The sandbox over HTTP.

Read `routes` first; `door` decides who may ask. `faults` plans what goes wrong, `strike` does it, and `pages` are for
people.
"""
