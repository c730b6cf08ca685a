"""A text that an editor has open: positions in it, and its YAML, finished or not."""
