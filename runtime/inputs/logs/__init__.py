"""Text logs, a line an event: one reader a format."""
