"""Topics of Kafka, or of a broker that speaks its protocol: source, sink, transactions."""
