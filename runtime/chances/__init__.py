"""What events have of what a pack's rules ask, and which rules that leaves without a chance to match."""
