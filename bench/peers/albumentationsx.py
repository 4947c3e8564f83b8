"""AugMix in the functions of AlbumentationsX; what it has none for is as in opencv.py."""

import functools

import albucore
import albumentations
import albumentations.augmentations.pixel.functional as F
import cv2
import numpy as np
import torch

from . import opencv, sampling

cv2.setNumThreads(0)
torch.set_num_threads(1)

VERSIONS = {"AlbumentationsX": albumentations.__version__, "albucore": albucore.__version__, **opencv.VERSIONS}
seed = sampling.seed
from_array = opencv.from_array
mix = opencv.mix

_SMOOTH = np.float32([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13


def _warp(image, *coefficients):
    height, width = image.shape[:2]
    return albucore.warp_affine(
        image,
        opencv.warp_matrix(*coefficients),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        border_value=0,
    )


OPS = {
    "autocontrast": lambda image: F.auto_contrast(image, 0, None, "pil"),
    "equalize": lambda image: F.equalize(image, mode="cv"),
    "posterize": F.posterize,
    "rotate": lambda image, degrees: _warp(image, *opencv.rotation(image, degrees)),
    "solarize": lambda image, threshold: F.solarize(image, threshold / 255),
    "shear_x": lambda image, slope: _warp(image, 1, slope, 0, 0, 1, 0),
    "shear_y": lambda image, slope: _warp(image, 1, 0, 0, slope, 1, 0),
    "translate_x": opencv.translate_x,
    "translate_y": opencv.translate_y,
    "color": F.adjust_saturation_torchvision,
    "contrast": lambda image, factor: F.apply_brightness_contrast_torchvision(image, 1.0, factor, False),
    "brightness": lambda image, factor: F.apply_brightness_contrast_torchvision(image, factor, 1.0, True),
    "sharpness": lambda image, factor: albucore.add_weighted(
        image, factor, cv2.filter2D(image, -1, _SMOOTH), 1 - factor
    ),
}

augmix = functools.partial(sampling.augmix, OPS, opencv.mix_chains)
