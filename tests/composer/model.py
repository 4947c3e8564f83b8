"""What ops and plans compute, by the real Pillow and NumPy. Images are uint8 arrays of shape (height, width, channels)."""

import importlib.metadata
import platform

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

BLACK = (0, 0, 0)


def pillow_wheel():
    """The tags of the installed Pillow wheel; raises unless it is for x86-64.

    Elsewhere compilers contract products and sums, and a few of Pillow's bytes differ.
    """
    tags = [
        line.removeprefix("Tag: ")
        for line in (importlib.metadata.distribution("pillow").read_text("WHEEL") or "").splitlines()
        if line.startswith("Tag: ")
    ]
    if platform.machine() not in ("x86_64", "AMD64") or not any(tag.endswith(("x86_64", "amd64")) for tag in tags):
        raise RuntimeError(f"Pillow must be an x86-64 wheel from PyPI; this is {tags} on {platform.machine()}")
    return tags


def to_pillow(array):
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def to_array(image):
    return np.asarray(image).reshape(image.height, image.width, -1)


def apply_to_pillow(image, op, value=None, fill=BLACK):
    """One op on a Pillow image."""
    fillcolor = fill[0] if image.mode == "L" else tuple(fill)

    def affine(*matrix):
        return image.transform(image.size, Image.AFFINE, matrix, resample=Image.BILINEAR, fillcolor=fillcolor)

    match op:
        case "autocontrast":
            return ImageOps.autocontrast(image)
        case "equalize":
            return ImageOps.equalize(image)
        case "posterize" if value == 0:  # Pillow's formula gives black; Pillow 13 no longer applies it
            return image.point(lambda _: 0)
        case "posterize":
            return ImageOps.posterize(image, value)
        case "rotate":
            return image.rotate(value, resample=Image.BILINEAR, fillcolor=fillcolor)
        case "solarize":
            return ImageOps.solarize(image, value)
        case "shear_x":
            return affine(1, value, 0, 0, 1, 0)
        case "shear_y":
            return affine(1, 0, 0, value, 1, 0)
        case "translate_x":
            return affine(1, 0, value, 0, 1, 0)
        case "translate_y":
            return affine(1, 0, 0, 0, 1, value)
        case "color" | "contrast" | "brightness" | "sharpness":
            return getattr(ImageEnhance, op.title())(image).enhance(value)
    raise ValueError(f"no op is called {op!r}")


def apply(array, ops, fill=BLACK):
    """The ops of a chain, [{"op": ..., "value": ...}, ...], one after another."""
    image = to_pillow(array)
    for call in ops:
        image = apply_to_pillow(image, call["op"], call.get("value"), fill)
    return to_array(image)


def run(array, plan):
    """A plan: chains by Pillow, then Composer's mixing, float32 throughout and truncated."""
    combination = np.zeros(array.shape, np.float32)
    for chain in plan["chains"]:
        combination += np.float32(chain["weight"]) * apply(array, chain["ops"], plan.get("fill", BLACK))
    mix = np.float32(plan["mix"])
    return ((np.float32(1) - mix) * array.astype(np.float32) + mix * combination).astype(np.uint8)
