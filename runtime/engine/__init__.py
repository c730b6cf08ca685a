"""The batch engine: raw NDJSON to matches by a lazy automaton over values. `docs/engine.md` says why and how."""
