"""Random cases. Each is a function of (seed, number) alone, so that a failing one can be run by itself."""

import dataclasses
import functools

import numpy as np

import contents
import model
import recorder

SMALL = ((1, 1), (1, 7), (9, 1), (2, 2), (3, 3), (7, 5), (5, 8), (16, 16), (33, 17), (20, 64), (32, 32))
LARGE = ((97, 333), (224, 224))


@dataclasses.dataclass
class Case:
    seed: int
    number: int
    input: dict  # arguments of contents.make
    arguments: dict  # what is done to the image

    @functools.cached_property
    def image(self):
        return contents.make(**self.input)


def _cases(seed, count, arguments):
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        sizes = LARGE if rng.random() < 0.1 else SMALL
        width, height = sizes[rng.integers(len(sizes))]
        source = {
            "content": str(rng.choice(contents.NAMES)),
            "width": width,
            "height": height,
            "channels": int(rng.choice([1, 3])),
            "seed": int(rng.integers(2**32)),
        }
        yield Case(seed, number, source, arguments(rng))


def composer(seed, count):
    """Arguments for recorder.record."""

    def arguments(rng):
        return {
            "seed": int(rng.integers(2**32)),
            "severity": int(rng.integers(11)) if rng.random() < 0.7 else rng.uniform(0, 10),
            "width": int(rng.integers(1, 6)),
            "depth": int(rng.integers(-1, 5)),
            "alpha": float(rng.choice([0.2, 0.5, 1, 1, 1, 3, 10])),
            "op_set": str(rng.choice(recorder.SETS)),
        }

    return _cases(seed, count, arguments)


def chains(seed, count):
    """Chains of 1 to 6 ops over all values that halmix allows, and half of them with a fill colour."""

    def arguments(rng):
        return {
            "ops": [_op(rng) for _ in range(rng.integers(1, 7))],
            "fill": rng.integers(256, size=3).tolist() if rng.random() < 0.5 else list(model.BLACK),
        }

    return _cases(seed, count, arguments)


def _sign(rng):
    return int(rng.choice([-1, 1]))


# For each op the laws its value is drawn from, one of them at random: usual values, all values, special values.
_FACTOR = (
    lambda rng: rng.uniform(0, 2),
    lambda rng: rng.uniform(-10, 10),
    lambda rng: _sign(rng) * 10 ** rng.uniform(-9, 3),
    lambda rng: float(rng.choice([0, 0.5, 1 - 1e-9, np.nextafter(np.float32(1), 0), 1, 1 + 1e-9, 1.25, 2, 10, 1000])),
)
_SLOPE = (
    lambda rng: rng.uniform(-0.3, 0.3),
    lambda rng: _sign(rng) * 10 ** rng.uniform(-9, 3),
    lambda rng: _sign(rng) * float(rng.choice([0, 0.1, 0.2, 0.25, 0.3, 0.5, 1, 2, 1000])),
)
_SHIFT = (
    lambda rng: int(rng.integers(-8, 9)),
    lambda rng: int(rng.integers(-340, 341)),
    lambda rng: _sign(rng) * int(rng.choice([0, 1, 2**30, 2**31 - 1])),
)
_LAWS = {
    "posterize": (lambda rng: int(rng.integers(9)),),
    "solarize": (lambda rng: int(rng.integers(257)),),
    "rotate": (
        lambda rng: int(rng.integers(-30, 31)),
        lambda rng: int(rng.integers(-360, 361)),
        lambda rng: rng.uniform(-360, 360),
        lambda rng: _sign(rng) * float(rng.choice([0, 1e-20, 1e-9, 45, 90, 180, 270, 359.9999999, 360])),
    ),
    "shear_x": _SLOPE,
    "shear_y": _SLOPE,
    "translate_x": _SHIFT,
    "translate_y": _SHIFT,
    "color": _FACTOR,
    "contrast": _FACTOR,
    "brightness": _FACTOR,
    "sharpness": _FACTOR,
}


def _op(rng):
    op = str(rng.choice(model.OPS))
    if op not in _LAWS:
        return {"op": op}
    laws = _LAWS[op]
    return {"op": op, "value": laws[rng.integers(len(laws))](rng)}
