"""Send one request over HTTP with aiohttp, and read its answer.

Read `transport` first: it makes one attempt. `messages` are the values that go in and out. `watch` bounds the attempt
in time, `pool` gives it a connection, and `body` reads the answer. `evidence` tells whether anything was sent, and
`translation` turns aiohttp's exceptions into ours.
"""
