"""One file a module of the compiler."""
