"""What differs between two packs, or two sets of rules: documents, generated code, matches on events."""
