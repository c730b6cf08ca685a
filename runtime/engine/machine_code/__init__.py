"""Kernels → machine code: object files by Numba and LLVM, kept for this machine or linked ahead of time."""
