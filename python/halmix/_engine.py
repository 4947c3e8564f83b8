"""The engine that calls use, made by the first that needs it."""

import functools

from . import _core


@functools.cache
def engine():
    """That of the environment variable HALMIX_TARGET, else the best one of this processor."""
    return _core.Engine("auto")
