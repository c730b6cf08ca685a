"""Text → model: YAML nodes, documents, rules with their conditions and modifiers, correlations, filters."""
