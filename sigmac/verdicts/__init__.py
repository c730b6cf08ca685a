"""What became of the cases beside rules: judged by a pack, explained, and told in the forms that tools read."""
