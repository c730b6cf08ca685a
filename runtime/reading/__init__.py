"""Inputs of any format as events: a file is opened, told by its content, and read."""
