"""Tables made without Numba have the hashes that the kernels look for."""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys

import pytest

from sigmac.runtime.engine.name_trie import hash_name

TWIN = """
import sys
import numpy as np
from sigmac.runtime.engine.kernels.hashing import key_hash
np.seterr(over="ignore")
for line in sys.stdin:
    name = bytes.fromhex(line)
    around = b"before" + name + b"behind it are other bytes"
    print(key_hash(np.frombuffer(around, np.uint8), 6, len(name), 7))
"""


@pytest.mark.skipif(not importlib.util.find_spec("numba"), reason="Numba is not installed")
def test_names_hash_as_in_the_kernels() -> None:
    made = random.Random(0)
    names = [
        b"",
        b"\0",
        b"\0" * 8,
        b"Image",
        "Ä b".encode(),
        *(made.randbytes(n) for n in range(70)),
    ]
    twin = subprocess.run(
        [sys.executable, "-c", TWIN],
        input="".join(name.hex() + "\n" for name in names),
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [int(line) for line in twin.stdout.split()] == [hash_name(name, 7) for name in names]
