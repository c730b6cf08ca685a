"""The compiler: Sigma rules in, a rule pack out."""
