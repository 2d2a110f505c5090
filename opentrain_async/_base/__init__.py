"""What every room stands on: time, tasks, waiting, text, secrets, JSON and callbacks."""
