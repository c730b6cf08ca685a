"""The service's configuration: read in layers, typed, every wrong key named."""
