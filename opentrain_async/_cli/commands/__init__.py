"""The commands, a module each; `account` has three: `whoami`, `register` and `claim`."""
