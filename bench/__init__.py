"""Measurements of sigmac on the public rules and recorded events; `make bench` runs them all."""
