"""Pipelines that come with sigmac, as files to read, copy and change."""
