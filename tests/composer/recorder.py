"""Runs the AugMix of the installed Composer and writes down what it did, as a plan.

Composer's two files are loaded by path from the wheel `mosaicml`; the rest of the package and torch are not needed.
Nothing is derived again: values are the arguments that Pillow got, weights are the draws that Composer used.
"""

import contextlib
import functools
import importlib.metadata
import importlib.util
import sys
import types
from unittest import mock

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

import model

VERSION = importlib.metadata.version("mosaicml")
SETS = ("all", "safe", "original")


def _load(name, path):
    file = importlib.metadata.distribution("mosaicml").locate_file(path)
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _load_composer():
    """Composer's primitives and its augmix, whose other imports are met by empty classes."""
    primitives = _load("composer_primitives", "composer/algorithms/utils/augmentation_primitives.py")

    def stub(name, **members):
        module = types.ModuleType(name)
        vars(module).update(members)
        return module

    empty = type("Empty", (), {})
    modules = [
        stub("torch", Tensor=empty, nn=types.SimpleNamespace(Module=empty)),
        stub("torch.utils"),
        stub("torch.utils.data"),
        stub("torchvision"),
        stub("torchvision.datasets", VisionDataset=empty),
        stub("composer"),
        stub("composer.algorithms"),
        stub("composer.algorithms.utils", augmentation_sets=primitives.augmentation_sets),
        stub("composer.algorithms.utils.augmentation_common", map_pillow_function=lambda f, image: f(image)),
        stub("composer.core", Algorithm=empty, Event=empty, State=empty),
        stub("composer.loggers", Logger=empty),
        stub("composer.utils", add_vision_dataset_transform=None),
    ]
    with mock.patch.dict(sys.modules, {module.__name__: module for module in modules}):
        return primitives, _load("composer_augmix", "composer/algorithms/augmix/augmix.py")


PRIMITIVES, AUGMIX = _load_composer()

# What halmix calls the value of an op, in the arguments of the Pillow call that Composer makes.
_PILLOW_CALLS = (
    (ImageOps, "autocontrast", lambda *_: None),
    (ImageOps, "equalize", lambda *_: None),
    (ImageOps, "posterize", lambda *args: args[1]),
    (ImageOps, "solarize", lambda *args: args[1]),
    (ImageEnhance._Enhance, "enhance", lambda *args: args[1]),
    (Image.Image, "rotate", lambda *args: args[1]),
    (Image.Image, "transform", lambda *args: args[3]),
)
_IDENTITY = (1, 0, 0, 0, 1, 0)
_PLACE_IN_MATRIX = {"shear_x": 1, "shear_y": 3, "translate_x": 2, "translate_y": 5}


def _watch(stack, log, owner, name, arguments=None, result=None):
    """Logs arguments(*positional arguments) or result(returned value) of every call until the stack unwinds."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def watched(*args, **kwargs):
        if arguments:
            log.append(arguments(*args))
        returned = original(*args, **kwargs)
        if result:
            log.append(result(returned))
        return returned

    stack.enter_context(mock.patch.object(owner, name, watched))


def record(image, seed, severity=3, width=3, depth=-1, alpha=1.0, op_set="all"):
    """(plan, result) of Composer's augmix_image on a uint8 array of shape (height, width, channels)."""
    draws, depths, pillow_calls, ops = [], [], [], []

    def watched_primitive(primitive):
        def run(pillow_image, level):
            pillow_calls.clear()
            out = primitive(pillow_image, level)
            value = pillow_calls[0]  # further calls are Pillow's own
            op = primitive.__name__.removesuffix("_original")
            if op in _PLACE_IN_MATRIX:
                place = _PLACE_IN_MATRIX[op]
                matrix, value = value, value[place]
                assert matrix == _IDENTITY[:place] + (value,) + _IDENTITY[place + 1 :]
            ops.append({"op": op} if value is None else {"op": op, "value": value})
            return out

        return run

    state = np.random.get_state()
    with contextlib.ExitStack() as stack:
        stack.callback(np.random.set_state, state)
        _watch(stack, draws, np.random, "dirichlet", result=lambda draw: draw.astype(np.float32))
        _watch(stack, draws, np.random, "beta", result=np.float32)
        _watch(stack, depths, np.random, "randint", result=int)
        for owner, name, arguments in _PILLOW_CALLS:
            _watch(stack, pillow_calls, owner, name, arguments=arguments)
        np.random.seed(seed)
        result = AUGMIX.augmix_image(
            model.to_pillow(image),
            severity=severity,
            depth=depth,
            width=width,
            alpha=alpha,
            augmentation_set=[watched_primitive(f) for f in PRIMITIVES.augmentation_sets[op_set]],
        )

    weights, mix = draws
    depths = depths or [depth] * width
    assert len(depths) == width and sum(depths) == len(ops)
    remaining = iter(ops)
    plan = {
        "version": 1,
        "width": image.shape[1],
        "height": image.shape[0],
        "mix": float(mix),  # a float32 survives being written as the double of the same value
        "chains": [
            {"weight": float(weight), "ops": [next(remaining) for _ in range(length)]}
            for weight, length in zip(weights, depths)
        ],
    }
    return plan, model.to_array(result)
