"""Passes that make a rule's expression smaller and cheaper, and never change its meaning."""
