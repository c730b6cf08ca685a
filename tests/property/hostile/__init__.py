"""Hostile rules, and what must hold whatever a rule's author wrote."""
