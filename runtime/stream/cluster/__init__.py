"""Correlations over Kafka: workers put hits into a topic, and a second stage reads it and keeps the groups."""
