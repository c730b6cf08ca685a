"""For the tests of what is built on sigmac: a broker that needs no installation. See docs/testing.md."""

from __future__ import annotations

from sigmac.testing.embedded_broker import EmbeddedBroker, Request

__all__ = ["EmbeddedBroker", "Request"]
