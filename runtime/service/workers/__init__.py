"""The workers of a service: their processes, what keeps them running, what they count together."""
