"""The engine that calls use, made by the first that needs it."""

from . import _core

_engine = None


def engine():
    """That of the environment variable HALMIX_TARGET, else the best one of this processor."""
    global _engine
    if _engine is None:
        _engine = _core.Engine("auto")
    return _engine
