"""Events as rows of a table: CSV, Parquet, Arrow."""
