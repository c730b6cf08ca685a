"""The service around the stream workers: configuration, processes, packs in service, HTTP, gRPC, logs."""
