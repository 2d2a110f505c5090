"""Publish one draft, or many.

Read `draft` first: it is the order of the steps. `single_flight` shares one publish among its callers. `run`
publishes many, reading from `source`; `stream`, `progress` and `journal` are what others see of a run.
"""
