"""AugMix as a transform: its draws, its arguments, its copies."""

import copy
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import halmix


def test_what_a_key_names_is_a_function_of_it(photo):
    height, width = photo.shape[:2]
    for severity, fill in (3, 0), (7, (10, 20, 30)):
        transform = halmix.AugMix(severity=severity, fill=fill, seed=5)
        for index in range(20):
            plan = halmix.sample(width, height, seed=5, epoch=2, index=index, view=1, severity=severity, fill=fill)
            result = transform(photo, index=index, epoch=2, view=1)
            assert np.array_equal(result, halmix.run(plan, photo))


def test_seeds_repeat_and_differ(photo):
    a, b, c = halmix.AugMix(seed=1), halmix.AugMix(seed=1), halmix.AugMix(seed=2)
    first = [a(photo) for _ in range(5)]
    assert all(np.array_equal(x, b(photo)) for x in first)
    assert not all(np.array_equal(x, c(photo)) for x in first)
    assert len({x.tobytes() for x in first}) == 5


def test_numpys_generator_is_the_source_without_torch(photo, monkeypatch):
    monkeypatch.delitem(__import__("sys").modules, "torch", raising=False)
    transform = halmix.AugMix()
    np.random.seed(4)
    first = [transform(photo) for _ in range(4)]
    np.random.seed(4)
    assert all(np.array_equal(x, transform(photo)) for x in first)
    assert len({x.tobytes() for x in first}) == 4


def test_copies_go_on_alike(photo):
    transform = halmix.AugMix(severity=5, augmentation_set=[("rotate", 2.0), "equalize"], seed=9)
    transform(photo)
    for twin in pickle.loads(pickle.dumps(transform)), copy.deepcopy(transform):
        assert repr(twin) == repr(transform)
        assert np.array_equal(twin(photo), copy.copy(transform)(photo))


def test_repr_shows_the_policy():
    assert repr(halmix.AugMix()) == "AugMix(severity=3, width=3, depth=-1, alpha=1.0, augmentation_set='all')"
    assert "fill=(1, 2, 3), seed=4" in repr(halmix.AugMix(fill=(1, 2, 3), seed=4))


def test_torchvisions_names():
    transform = halmix.AugMix(mixture_width=2, chain_depth=3, all_ops=False, interpolation="bilinear", fill=None)
    assert (transform.width, transform.depth, transform.augmentation_set, transform.fill) == (2, 3, "safe", 0)
    with pytest.raises(ValueError, match="interpolation"):
        halmix.AugMix(interpolation="nearest")
    with pytest.raises(TypeError, match="magnitude"):
        halmix.AugMix(magnitude=3)


@pytest.mark.parametrize(
    "arguments,error",
    [
        ({"severity": 10.5}, ValueError),
        ({"severity": -1}, ValueError),
        ({"severity": float("nan")}, ValueError),
        ({"severity": "3"}, TypeError),
        ({"severity": None}, TypeError),
        ({"width": 0}, ValueError),
        ({"width": 17}, ValueError),
        ({"width": 2.0}, TypeError),
        ({"width": True}, TypeError),
        ({"depth": -2}, ValueError),
        ({"depth": 0}, ValueError),
        ({"alpha": 0}, ValueError),
        ({"alpha": float("inf")}, ValueError),
        ({"augmentation_set": "none"}, ValueError),
        ({"augmentation_set": []}, ValueError),
        ({"augmentation_set": ["rotate", "turn"]}, ValueError),
        ({"augmentation_set": [("rotate", -1.0)]}, ValueError),
        ({"augmentation_set": [3]}, TypeError),
        ({"augmentation_set": 3}, TypeError),
        ({"fill": 256}, ValueError),
        ({"fill": (1, 2)}, ValueError),
        ({"fill": 1.5}, TypeError),
        ({"seed": -1}, ValueError),
        ({"seed": 2**64}, ValueError),
        ({"seed": 0.5}, TypeError),
    ],
)
def test_arguments_that_are_not_allowed_are_named(arguments, error):
    with pytest.raises(error) as caught:
        halmix.AugMix(**arguments)
    (name,) = arguments
    assert name in str(caught.value) or name == "augmentation_set" and "op" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_threads_share_a_transform(photo):
    transform = halmix.AugMix(seed=3)
    expected = [transform(photo, index=i) for i in range(40)]

    def wrong(_):
        return [i for i in range(40) if not np.array_equal(transform(photo, index=i), expected[i])]

    with ThreadPoolExecutor(4) as pool:
        assert not sum(pool.map(wrong, range(4)), [])


def test_a_forked_child_goes_on(photo):
    transform = halmix.AugMix(seed=3)
    expected = transform(photo, index=7)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(transform(photo, index=7), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0
