"""The service's calls and answers.

Read `operations` first (each call as a value), then `answers` (what an answer means), `call` (how calls are made) and
`http` (how they are sent). `codec` and `validation` read bodies; `retry_after` reads one header.
"""
