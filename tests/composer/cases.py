"""Random cases: composer(seed, number) and chain(seed, number) make one, so that a failing one can be run by itself."""

import dataclasses
import functools

import numpy as np

import contents
import model
import recorder

SMALL = ((1, 1), (1, 7), (9, 1), (2, 2), (3, 3), (7, 5), (5, 8), (16, 16), (33, 17), (20, 64), (32, 32))
LARGE = ((97, 333), (224, 224))
BELOW_ONE = float(np.nextafter(np.float32(1), np.float32(0)))
LONGEST = 340  # side of an image of any other size; short ones are as frequent as long ones


@dataclasses.dataclass
class Case:
    seed: int
    number: int
    input: dict  # arguments of contents.make
    arguments: dict  # what is done to the image

    @functools.cached_property
    def image(self):
        return contents.make(**self.input)


def composer(seed, number):
    """Arguments for recorder.record."""
    rng = np.random.default_rng([seed, number])
    arguments = {
        "seed": int(rng.integers(2**32)),
        "severity": int(rng.integers(11)) if rng.random() < 0.7 else rng.uniform(0, 10),
        "width": int(rng.integers(1, 6)),
        "depth": int(rng.integers(-1, 5)),
        "alpha": _one_of(rng, 0.2, 0.5, 1, 1, 1, 3, 10),
        "op_set": _one_of(rng, *recorder.SETS),
    }
    return Case(seed, number, _input(rng), arguments)


def chain(seed, number):
    """Arguments for model.apply: 1 to 6 ops over all values that halmix allows, and half of them with a fill colour."""
    rng = np.random.default_rng([seed, number])
    source = _input(rng)
    laws = _laws(source["width"], source["height"])
    arguments = {
        "ops": [_op(rng, laws) for _ in range(rng.integers(1, 7))],
        "fill": rng.integers(256, size=3).tolist() if rng.random() < 0.5 else list(model.BLACK),
    }
    return Case(seed, number, source, arguments)


def _one_of(rng, *values):
    return values[rng.integers(len(values))]


def _input(rng):
    of_sizes = rng.random()
    if of_sizes < 0.1:
        width, height = _one_of(rng, *LARGE)
    elif of_sizes < 0.5:
        width, height = _one_of(rng, *SMALL)
    else:
        width, height = (int(LONGEST ** rng.random()) for _ in range(2))
    return {
        "content": _one_of(rng, *contents.NAMES),
        "width": width,
        "height": height,
        "channels": _one_of(rng, 1, 3),
        "seed": int(rng.integers(2**32)),
    }


def _sign(rng):
    return _one_of(rng, -1, 1)


# The laws an op's value is drawn from, one of them at random: usual values, all values, special values.
_FACTOR = (
    lambda rng: rng.uniform(0, 2),
    lambda rng: rng.uniform(-10, 10),
    lambda rng: _sign(rng) * 10 ** rng.uniform(-9, 3),
    lambda rng: _one_of(rng, 0, 0.5, 1 - 1e-9, BELOW_ONE, 1, 1 + 1e-9, 1.25, 2, 10, 1000),
)
_SLOPE = (
    lambda rng: rng.uniform(-0.3, 0.3),
    lambda rng: _sign(rng) * 10 ** rng.uniform(-9, 3),
    lambda rng: _sign(rng) * _one_of(rng, 0, 0.045, 0.1, 0.125, 0.2, 0.25, 0.3, 1 / 3, 0.5, 2 / 3, 1, 2, 1000),
)


def _shift(side):
    return (
        lambda rng: int(rng.integers(-8, 9)),
        lambda rng: int(rng.integers(-side, side + 1)),
        lambda rng: _sign(rng) * _one_of(rng, 0, 1, side - 1, side, side + 1, 2**30, 2**31 - 1),
    )


def _laws(width, height):
    """Of all ops, for an image of a size; those without a value have none."""
    return {
        "autocontrast": (),
        "equalize": (),
        "posterize": (lambda rng: int(rng.integers(9)),),
        "rotate": (
            lambda rng: int(rng.integers(-30, 31)),
            lambda rng: int(rng.integers(-360, 361)),
            lambda rng: rng.uniform(-360, 360),
            lambda rng: _sign(rng) * 10 ** rng.uniform(-9, 0),
            lambda rng: _sign(rng) * _one_of(rng, 0, 1e-20, 1e-9, 30, 45, 60, 90, 135, 180, 270, 359.9999999, 360),
        ),
        "solarize": (lambda rng: int(rng.integers(257)),),
        "shear_x": _SLOPE,
        "shear_y": _SLOPE,
        "translate_x": _shift(width),
        "translate_y": _shift(height),
        "color": _FACTOR,
        "contrast": _FACTOR,
        "brightness": _FACTOR,
        "sharpness": _FACTOR,
    }


def _op(rng, laws):
    op = _one_of(rng, *laws)
    return {"op": op, "value": _one_of(rng, *laws[op])(rng)} if laws[op] else {"op": op}
