"""What a rule says, whatever a pack does: the reference evaluator and the explanation made from it."""
