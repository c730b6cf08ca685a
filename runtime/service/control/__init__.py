"""The control plane over gRPC: server, methods, client, and what stands before them."""

import os

# gRPC's core writes lines of its own to standard error, also at the will of strangers: the log is ours, line by line.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
