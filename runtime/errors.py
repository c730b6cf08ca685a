"""The errors a user of the runtime can meet; each says in one line what is wrong and what to do."""

from __future__ import annotations


class SigmacError(Exception):
    """The base of every error that a user, not a bug, causes."""


class PackError(SigmacError):
    """A rule pack is missing, damaged, changed, not trusted or of an unknown format."""


class EventError(SigmacError, ValueError):
    """An event is not what JSON can express: not an object, or it holds NaN, a lone surrogate or a foreign type."""


class InputError(SigmacError):
    """An input file cannot be read to its end."""


class ConfigurationError(SigmacError):
    """The configuration of the service is wrong; the message names every wrong key, one a line."""


class StreamError(SigmacError):
    """A source or a sink fails in a way that trying again cannot mend, such as a missing permission."""
