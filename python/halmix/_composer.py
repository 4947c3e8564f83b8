"""Composer's AugMix: its names, its order of arguments, its draws from NumPy, its bytes."""

import functools
import sys

import numpy as np

from . import _core
from ._engine import engine
from ._images import compute, compute_levels, is_tensor, size_of, unit_floats
from ._policy import make_policy, op_list, whole

#: Composer's sets, as names of ops; ``color_original`` and the like draw as the paper's code does.
augmentation_sets = {
    name: [op + ("_original" if original else "") for op, original in _core.op_choices(name)]
    for name in ("all", "safe", "original")
}


def augmix_image(img, severity=3, depth=-1, width=3, alpha=1.0, augmentation_set="all", *, rng=None):
    """Composer's ``augmix_image``: same arguments, same draws, same bytes.

    Args:
        img: a PIL image (L, RGB), which gives a PIL image; a torch tensor (CHW or NCHW; uint8, or floats 0..1), which
            gives floats 0..1, as Composer does; a NumPy array (HW or HWC, uint8), which gives an array; or a list.
        severity: how strong ops are, 0 to 10.
        depth: ops in a chain, up to 16; 0 and below draw 1, 2 or 3 for each chain.
        width: how many chains are mixed, 1 to 16.
        alpha: of the Dirichlet and Beta distributions, above 0.
        augmentation_set: a set's name, a list of names of ops, or one of Composer's own lists of functions.
        rng: where random numbers come from: a numpy.random.RandomState or Generator; None is NumPy's global state,
            as in Composer. With either of the first kind results and the state afterwards are Composer's.

    Raises ValueError where NumPy's weights are not numbers (alpha of a thousandth and less), of which Composer makes
    images without saying so. Releases the GIL while it computes; draws hold the generator's lock.
    """
    policy = _policy(severity, width, depth, alpha, op_list(augmentation_set))
    return _augmix(img, functools.partial(_draw, policy, np.full(width, float(alpha)), rng))


@functools.lru_cache(maxsize=64, typed=True)
def _policy(severity, width, depth, alpha, ops):
    depth = whole("depth", depth, "whole numbers up to 16")
    return make_policy(severity, width, max(depth, 0) or -1, alpha, ops)


def _augmix(img, draw):
    if isinstance(img, (list, tuple)):
        return [_augmix(one, draw) for one in img]

    def call(source, layout, out):
        _core.run(engine(), draw(*size_of(source, layout)), source, layout, out)

    if not is_tensor(img):
        return compute(img, call, draw)
    return unit_floats(compute_levels(img, call, draw), sys.modules["torch"].get_default_dtype())


def _draw(policy, alphas, rng, image_width, image_height):
    """Composer's draws for an image."""
    if rng is None:
        rng = np.random.dirichlet.__self__  # the global RandomState
    if isinstance(rng, np.random.RandomState):
        bits = rng._bit_generator
    elif isinstance(rng, np.random.Generator):
        bits = rng.bit_generator
    else:
        raise TypeError(f"rng: {type(rng).__name__}; allowed are None, numpy.random.RandomState and Generator")
    alpha = alphas.item(0)
    weights = rng.dirichlet(alphas).tolist()
    mix = rng.beta(alpha, alpha)
    with bits.lock:
        return _core.composer_plan(policy, image_width, image_height, alpha, weights, mix, bits.capsule)


class AugmentAndMixTransform:
    """Composer's transform of this name: `augmix_image` with its arguments kept, for ``transforms.Compose``.

    Draws from NumPy's global state, as Composer does. `AugMix` draws from torch's generator, which DataLoaders seed in
    their workers, and costs less: use it unless results must be Composer's.
    """

    def __init__(self, severity=3, depth=-1, width=3, alpha=1.0, augmentation_set="all"):
        if augmentation_set not in augmentation_sets:
            raise KeyError(f"augmentation_set: {augmentation_set!r}; allowed are {', '.join(augmentation_sets)}")
        self.severity, self.depth, self.width, self.alpha = severity, depth, width, alpha
        self.augmentation_set = augmentation_set
        _policy(severity, width, depth, alpha, augmentation_set)

    def __call__(self, img):
        return augmix_image(img, self.severity, self.depth, self.width, self.alpha, self.augmentation_set)

    forward = __call__

    def __repr__(self):
        return (
            f"AugmentAndMixTransform(severity={self.severity}, depth={self.depth}, width={self.width}, "
            f"alpha={self.alpha}, augmentation_set={self.augmentation_set!r})"
        )
