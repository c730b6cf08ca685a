"""Real brokers, real processes."""
