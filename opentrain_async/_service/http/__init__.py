"""All of aiohttp's client: the transport, its pool, and the translation of its exceptions."""
