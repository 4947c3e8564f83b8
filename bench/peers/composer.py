"""MosaicML's Composer: its own code, on Pillow or Pillow-SIMD, whichever is installed."""

import functools

import model
import numpy as np
import PIL
import recorder
from PIL import Image

VERSIONS = {"Composer": recorder.VERSION, "Pillow-SIMD" if ".post" in PIL.__version__ else "Pillow": PIL.__version__}

from_array = Image.fromarray
seed = np.random.seed


class _Ops(dict):
    """All that Pillow has, by name."""

    def __missing__(self, name):
        return lambda image, *value: model.apply_to_pillow(image, name, *value)


OPS = _Ops()


def augmix(image, policy):
    return functools.partial(recorder.AUGMIX.augmix_image, image, **policy)


def mix(image):
    """Its AugMix of three chains that leave the image as it is: the copies and conversions between it and NumPy too."""
    policy = {"severity": 1, "width": 3, "depth": 1, "alpha": 1, "augmentation_set": [lambda image, _: image]}
    return augmix(image, policy)
