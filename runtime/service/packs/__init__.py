"""Packs in service: the shelf, the trial, and how one takes another's place."""
