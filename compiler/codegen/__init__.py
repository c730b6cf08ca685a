"""Code generation: expressions in, the Python source of a pack out."""
