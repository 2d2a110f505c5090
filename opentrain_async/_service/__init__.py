"""The calls of OpenTrain and what its answers mean."""
