"""The engines that calls use, made by the first that needs them."""

import functools

from . import _core


@functools.cache
def engine():
    """That of the environment variable HALMIX_TARGET, else the best one of this processor."""
    return _core.Engine("auto")


def chosen(given):
    """The engine of a call for images on the host: the one that it names, else that of all calls."""
    if given is None:
        return engine()
    if not isinstance(given, _core.Engine):
        raise TypeError(f"engine: {given!r}; allowed is a halmix.Engine")
    return given


@functools.cache
def _of_gpu(index):
    try:
        return _core.Engine(f"cuda:{index}")
    except ValueError as error:  # a build without the target: the image is right
        raise RuntimeError(str(error)) from None


def of_gpu(index, given):
    """The engine of a call for images on a GPU, by the number that CUDA gives it."""
    if given is None:
        return _of_gpu(index)
    if not (chosen(given).device or "").startswith(f"cuda:{index} "):
        raise ValueError(f'engine: {given}; the images are on cuda:{index}, for which is halmix.Engine("cuda:{index}")')
    return given
