"""Thousands of arguments: each call returns an image, or raises what is documented."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import halmix

DOCUMENTED = (TypeError, ValueError, KeyError)
OPS = [op["name"] for op in halmix.ops()]

numbers = st.one_of(st.integers(-3, 20), st.integers(), st.floats(), st.none(), st.text(max_size=3), st.booleans())
dtypes = st.sampled_from([np.uint8] * 6 + [np.int8, np.uint16, np.float32, bool, np.dtype(">u2"), object])
shapes = st.one_of(
    arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6),
    st.tuples(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3])),
)
images = st.one_of(
    st.tuples(shapes, dtypes).map(lambda of: np.zeros(*of)),
    st.tuples(st.sampled_from(["L", "RGB", "RGBA", "P", "1", "F"]), st.integers(0, 9), st.integers(0, 9)).map(
        lambda of: Image.new(of[0], of[1:])
    ),
    st.none(),
    st.binary(max_size=4),
    st.lists(st.just(np.zeros((3, 4, 3), np.uint8)), max_size=3),
)
op_names = st.one_of(st.sampled_from(OPS), st.text(max_size=8))
op_lists = st.one_of(
    st.sampled_from(["all", "safe", "original", "rotate:2,equalize"]),
    st.lists(st.one_of(op_names, st.tuples(op_names, numbers), numbers), max_size=4),
    numbers,
)


def returns_or_raises(call, *arguments, **named):
    try:
        return call(*arguments, **named)
    except DOCUMENTED as error:
        assert str(error)
        return None


common = settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@common
@given(images, numbers, numbers, numbers, numbers, op_lists, numbers, numbers)
def test_transform(image, severity, width, depth, alpha, ops, fill, seed):
    transform = returns_or_raises(halmix.AugMix, severity, width, depth, alpha, ops, fill, seed)
    returns_or_raises(transform or halmix.AugMix(), image)


@common
@given(images, numbers, numbers, numbers, numbers, op_lists)
def test_composers_function(image, severity, depth, width, alpha, ops):
    # NumPy's own words for weights it cannot draw are its own.
    returns_or_raises(halmix.augmix_image, image, severity, depth, width, alpha, ops)


@common
@given(images, st.lists(st.one_of(op_names, st.tuples(op_names, numbers), numbers), max_size=3), numbers)
def test_apply(image, ops, fill):
    returns_or_raises(halmix.apply, image, ops, fill=fill)


@common
@given(
    images,
    st.fixed_dictionaries(
        {},
        optional={
            "epoch": numbers,
            "indices": st.one_of(st.lists(numbers, max_size=4), numbers),
            "views": st.one_of(st.lists(st.sampled_from(["clean", "aug", "x"]), max_size=3), numbers),
            "dtype": st.sampled_from(["uint8", "float16", "float32", "float64", "x", None]),
            "layout": st.sampled_from(["HWC", "CHW", "x", None]),
            "mean": st.one_of(st.lists(numbers, max_size=4), numbers),
            "std": st.one_of(st.lists(numbers, max_size=4), numbers),
            "threads": st.integers(-1, 3),
            "out": images,
        },
    ),
    numbers,
)
def test_batches(image, named, seed):
    returns_or_raises(halmix.augmix_batch, image, seed=seed, **named)


@common
@given(st.text(), st.binary())
def test_plans(text, data):
    returns_or_raises(halmix.Plan.from_json, text)
    returns_or_raises(halmix.Plan.from_json, data)


@common
@given(numbers, numbers, numbers, numbers, numbers)
def test_samples(width, height, seed, index, chains):
    returns_or_raises(halmix.sample, width, height, seed=seed, index=index, chains=chains)


def test_memory_of_other_objects(photo):
    plan = halmix.sample(photo.shape[1], photo.shape[0])
    for wrong in (1, 2, 3, 4), (None,) * 4, "text", object():
        with pytest.raises((TypeError, ValueError)):
            halmix.run(plan, wrong)
