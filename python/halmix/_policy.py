"""Arguments of policies, as Python has them, into the library's."""

import dataclasses
import operator
from collections.abc import Iterable

from . import _core

SETS = ("all", "safe", "original")


def whole(name, value, allowed):
    """A whole number; True and 3.0 are none."""
    if isinstance(value, bool):
        raise TypeError(f"{name}: {value!r}; allowed are {allowed}")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: {value!r}; allowed are {allowed}") from None


def in_range(name, value, low, high):
    """A whole number from `low` to `high`."""
    if type(value) is int and low <= value <= high:
        return value
    allowed = f"whole numbers {low}..{high}"
    value = whole(name, value, allowed)
    if not low <= value <= high:
        raise ValueError(f"{name}: {value}; allowed are {allowed}")
    return value


def real(name, value):
    """A number, as float."""
    if isinstance(value, (str, bytes, bool)):
        raise TypeError(f"{name}: {value!r}; allowed are numbers")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: {value!r}; allowed are numbers") from None
    except OverflowError:
        raise ValueError(f"{name}: larger than any float; allowed are numbers") from None


def fill_color(fill):
    """Red, green and blue of what warps uncover: a level, or three."""
    levels = (fill, fill, fill) if isinstance(fill, int) else fill
    try:
        levels = tuple(levels)
    except TypeError:
        raise TypeError(f"fill: {fill!r}; allowed are a level 0..255 and three of them") from None
    if len(levels) != 3:
        raise ValueError(f"fill: {fill!r}; allowed are a level 0..255 and three of them")
    return tuple(in_range("fill", level, 0, 255) for level in levels)


def op_list(augmentation_set):
    """A set's name, or ops with or without weights, as the comma-separated list that the library reads."""
    if isinstance(augmentation_set, str):
        return augmentation_set
    if not isinstance(augmentation_set, Iterable):
        raise TypeError(f"augmentation_set: {augmentation_set!r}; allowed are {', '.join(SETS)} and lists of ops")
    items = []
    for item in augmentation_set:
        name, weight = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
        if callable(name):
            name = composer_name(name)
        if not isinstance(name, str) or "," in name or ":" in name:
            raise TypeError(
                f"augmentation_set: {item!r}; allowed in a list are names of ops, (name, weight), "
                "and the functions of Composer's sets"
            )
        items.append(name if weight is None else f"{name}:{real('augmentation_set', weight)!r}")
    if not items:
        raise ValueError("augmentation_set: an empty list; allowed are lists of one op at least")
    return ",".join(items)


def composer_name(function):
    """What one of Composer's augmentations is called; others cannot be compiled."""
    name = getattr(function, "__name__", None)
    module = getattr(function, "__module__", None) or ""
    if not isinstance(name, str) or not module.endswith("augmentation_primitives"):
        raise TypeError(
            f"augmentation_set: {function!r} is not one of Composer's augmentations; "
            "functions of your own cannot be run: name ops instead (halmix.ops() lists them)"
        )
    return name


@dataclasses.dataclass(frozen=True)
class RandomResizedCrop:
    """A random part of an image, resized and flipped: torchvision's RandomResizedCrop, then RandomHorizontalFlip.

    Args:
        size: of the result, in pixels: height and width, or one number for both.
        scale: the range of the part's area, beside the image's.
        ratio: the range of the part's width to its height.
        interpolation: ``"bilinear"`` or ``"bicubic"``, both with antialiasing; the bytes are Pillow's.
        flip: the probability that left and right change places.
        order: ``"pillow_13"``: the bytes of Pillow 13; ``"horizontal_first"``: of Pillow up to 12.1.

    What is drawn is a function of seed, epoch and index, the same for all views of a sample.
    """

    size: int | tuple[int, int]
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    interpolation: str = "bilinear"
    flip: float = 0.5
    order: str = "pillow_13"

    def __post_init__(self):
        sides = (self.size, self.size) if isinstance(self.size, int) else pair("crop.size", self.size)
        values = {
            "size": tuple(in_range("crop.size", side, 1, 2**31 - 1) for side in sides),
            "scale": tuple(real("crop.scale", value) for value in pair("crop.scale", self.scale)),
            "ratio": tuple(real("crop.ratio", value) for value in pair("crop.ratio", self.ratio)),
            "interpolation": getattr(self.interpolation, "value", self.interpolation),  # torchvision's InterpolationMode
            "flip": real("crop.flip", self.flip),
        }
        for name, value in ("interpolation", values["interpolation"]), ("order", self.order):
            if not isinstance(value, str):
                raise TypeError(f"crop.{name}: {value!r}; allowed are names")
        if not 0 <= values["flip"] <= 1:
            raise ValueError(f"crop.flip: {self.flip!r}; allowed are numbers 0..1")
        for name, value in values.items():
            object.__setattr__(self, name, value)
        make_policy(0, 1, 1, 1, "all", crop=self)  # refuses what is left

    def _numbers(self):
        """As the module takes them."""
        return (*self.size[::-1], *self.scale, *self.ratio, self.flip, self.interpolation, self.order)


def pair(name, values):
    """Two values of a tuple or list."""
    if not isinstance(values, (tuple, list)) or len(values) != 2:
        raise TypeError(f"{name}: {values!r}; allowed are two numbers")
    return values


def crop_of(crop):
    """A RandomResizedCrop, if there is one; of a size alone, the usual one."""
    return crop if crop is None or isinstance(crop, RandomResizedCrop) else RandomResizedCrop(crop)


def make_policy(severity, width, depth, alpha, augmentation_set, fill=0, crop=None):
    """The library's policy; raises TypeError or ValueError, which name the argument."""
    return _core.Policy(
        real("severity", severity),
        in_range("width", width, 1, 16),
        depth_of(depth),
        real("alpha", alpha),
        op_list(augmentation_set),
        fill_color(fill),
        None if crop is None else crop._numbers(),
    )


def depth_of(depth):
    depth = whole("depth", depth, "-1 and whole numbers 1..16")
    if depth != -1 and not 1 <= depth <= 16:
        raise ValueError(f"depth: {depth}; allowed are -1 and whole numbers 1..16")
    return depth
