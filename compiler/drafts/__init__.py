"""A first draft of a rule, made from an event that it should match."""
