"""The state of the sandbox, without HTTP."""
