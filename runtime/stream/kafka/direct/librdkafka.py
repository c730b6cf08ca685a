"""librdkafka as a C library: its public functions, of which the Python client shows only a part."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterable, Iterator
from functools import cache


class LibraryMissing(ImportError):
    """There is no librdkafka here with the functions that are needed; what to do about it."""


@cache
def load(*names: str) -> ctypes.CDLL:
    """A library with all these functions: the one that confluent-kafka uses, or else the system's.

    The extension module of confluent-kafka is linked to its librdkafka, and a name that is looked up in a module is
    looked up in all that it is linked to: it does not matter where an installation has put the library. Raises
    `LibraryMissing`.
    """
    for path in _places():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        if _has(library, names):
            return library
    raise LibraryMissing(
        f"no librdkafka with {names[0]} is found: install confluent-kafka as a wheel "
        "(pip install --only-binary confluent-kafka 'sigmac[kafka]'), or librdkafka 2.6 or newer"
    )


def _places() -> Iterator[str]:
    try:
        import confluent_kafka.cimpl
    except ImportError:
        raise LibraryMissing("confluent-kafka is missing: pip install 'sigmac[kafka]'") from None
    yield confluent_kafka.cimpl.__file__
    # Where the client has librdkafka inside, and shows none of it.
    if system := ctypes.util.find_library("rdkafka"):
        yield system


def _has(library: ctypes.CDLL, names: Iterable[str]) -> bool:
    return all(hasattr(library, name) for name in names)
