"""Two months of an account's life, on virtual time: a service, its weather, eight processes, and who watches them."""
