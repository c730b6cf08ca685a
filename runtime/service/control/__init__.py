"""The control plane over gRPC: server, methods, client, and what stands before them."""
