"""The one language the middle of the compiler speaks: predicates over values, and boolean expressions over predicates."""
