"""Tests that take seconds in all: one module at a time."""
