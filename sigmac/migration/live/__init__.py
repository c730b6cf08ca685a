"""What two running programs write, compared by where their events lie: settings, pairs, topics, numbers."""
