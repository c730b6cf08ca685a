"""One event as a dict: fields and facts, dispatch to candidates, and what generated conditions ask."""
