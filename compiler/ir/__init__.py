"""The one language the middle of the compiler speaks: predicates over values, expressions over predicates."""
