"""Send one request over HTTP with aiohttp, and read its answer.

Read `transport` first: it makes one attempt. `messages` are the values that go in and out, `pool` gives an attempt
its connection, and `translation` turns aiohttp's exceptions into ours.
"""
