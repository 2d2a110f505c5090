"""The stores of quota logs: memory, SQLite and Redis."""
