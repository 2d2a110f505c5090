"""What is tried again: the policy, the engine, the budget, the throttle, the breaker, and the callers who wait."""
