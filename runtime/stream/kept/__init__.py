"""State that counts with the positions of a source: of correlations, of what is held back."""
