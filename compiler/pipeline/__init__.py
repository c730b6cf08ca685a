"""Processing pipelines: field names, logsources and placeholders."""
