"""What is known of events: the fields that logsources have, as data (`fields.yml`), and which name was meant."""
