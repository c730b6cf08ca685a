"""What events come in: files, compressions, wrappings."""
