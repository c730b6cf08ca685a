"""The tests of sigmac."""
