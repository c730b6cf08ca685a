"""Event logs of Windows: EVTX files, and events as XML."""
