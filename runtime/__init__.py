"""The runtime: loads a rule pack and evaluates events."""
