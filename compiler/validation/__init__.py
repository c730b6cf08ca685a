"""Translation validation: events made of each rule, on which a pack must say what the rule means."""
