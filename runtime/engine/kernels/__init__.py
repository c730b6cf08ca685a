"""The kernels of the batch engine: Numba functions over arrays, one concern a file.

They make no Python object, allocate nothing and raise nothing. Each is its own pure-Python twin: with
`NUMBA_DISABLE_JIT=1` the same functions run as Python, slowly and with every index checked.
"""
