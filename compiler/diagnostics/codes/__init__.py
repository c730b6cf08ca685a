"""What every diagnostic code means, with examples; read by `catalogue.py`."""
