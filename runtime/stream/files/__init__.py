"""Files that are followed or written, and the standard streams."""
