"""A consumer over librdkafka's own functions: records come as addresses, not as an object each."""
