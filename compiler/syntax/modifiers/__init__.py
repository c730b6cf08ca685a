"""Modifiers: the table, and what each makes of a value."""
