"""Tests of processing pipelines."""
