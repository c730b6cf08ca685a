"""Model → IR: what a rule says, as predicates and expressions."""
