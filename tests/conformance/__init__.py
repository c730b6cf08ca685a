"""Tests against rules and events as users have them."""
