"""What a run found, as people want it: chosen, with what they ask of it, in several forms, and counted."""
