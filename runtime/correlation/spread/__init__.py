"""Correlations spread over the processes of a cluster: where hits go, and their groups in a store."""
