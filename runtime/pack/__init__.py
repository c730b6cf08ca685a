"""A pack: sealed, verified, loaded, looked into, evaluated."""
