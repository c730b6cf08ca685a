"""MITRE ATT&CK: what tags say in its words, its table, layers of its Navigator, and what rules cover of it."""
