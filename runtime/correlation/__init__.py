"""State over several events: windows, groups, alerts. Pure, deterministic, serializable."""
