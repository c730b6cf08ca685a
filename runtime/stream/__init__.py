"""Streams: records in from a source, matches and dead letters out to sinks, nothing lost.

`worker.py` is the loop, `delivery.py` the order of its steps and what a crash between any two of them means.
"""
