"""The client, `AsyncOpenTrain`."""
