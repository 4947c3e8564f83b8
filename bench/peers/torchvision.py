"""torchvision's AugMix (v2) on one uint8 tensor. Its own map from severity to values: many are milder than Composer's."""

import functools
import math

import torch
import torchvision
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

torch.set_num_threads(1)

VERSIONS = {"torchvision": torchvision.__version__, "torch": torch.__version__}
seed = torch.manual_seed
_BILINEAR = InterpolationMode.BILINEAR


def from_array(array):
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


def _affine(image, translate=(0, 0), shear=(0, 0)):
    shear = [math.degrees(math.atan(slope)) for slope in shear]
    return F.affine(image, 0, list(translate), 1, shear, interpolation=_BILINEAR)


OPS = {
    "autocontrast": F.autocontrast,
    "equalize": F.equalize,
    "posterize": F.posterize,
    "rotate": lambda image, degrees: F.rotate(image, degrees, interpolation=_BILINEAR),
    "solarize": F.solarize,
    "shear_x": lambda image, slope: _affine(image, shear=(slope, 0)),
    "shear_y": lambda image, slope: _affine(image, shear=(0, slope)),
    "translate_x": lambda image, pixels: _affine(image, translate=(-pixels, 0)),
    "translate_y": lambda image, pixels: _affine(image, translate=(0, -pixels)),
    "color": F.adjust_saturation,
    "contrast": F.adjust_contrast,
    "brightness": F.adjust_brightness,
    "sharpness": F.adjust_sharpness,
}


def augmix(image, policy):
    transform = v2.AugMix(
        severity=policy["severity"],
        mixture_width=policy["width"],
        chain_depth=policy["depth"],
        alpha=policy["alpha"],
        interpolation=_BILINEAR,
    )
    return functools.partial(transform, image)
