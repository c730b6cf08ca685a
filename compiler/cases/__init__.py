"""Cases beside rules: events, and what a rule must make of them; how they are read, found and written."""
