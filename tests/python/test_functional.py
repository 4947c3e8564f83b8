"""Plans, single images and batches."""

import json
import pickle
import re
import signal
import threading
import time

import model
import numpy as np
import pytest
from conftest import make_image
from PIL import Image

import halmix

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_plans_are_what_the_reference_computes(rng):
    for index in range(60):
        pixels = make_image(rng, int(rng.integers(1, 70)), int(rng.integers(1, 70)))
        plan = halmix.sample(pixels.shape[1], pixels.shape[0], seed=2, index=index, severity=5, fill=(9, 8, 7))
        assert np.array_equal(halmix.run(plan, pixels), model.run(pixels, json.loads(plan.to_json())))


def test_plans_are_data():
    plan = halmix.sample(40, 30, seed=3, index=1)
    again = halmix.Plan(plan.width, plan.height, plan.mix, plan.chains, plan.fill)
    for twin in again, pickle.loads(pickle.dumps(plan)), halmix.Plan.from_json(plan.to_json()):
        assert twin == plan
    assert plan != halmix.sample(40, 30, seed=3, index=2)
    assert plan != 3
    assert repr(plan).startswith("Plan(40x30: ") and "\n" not in repr(plan)
    weights = [weight for weight, _ in plan.chains]
    assert len(weights) == 3 and abs(sum(weights) - 1) < 1e-5
    assert halmix.sample(40, 30, seed=3, index=1, depth=2, chains=5).chains[4][1][1]


CROP = {"source_width": 500, "source_height": 375, "left": 12, "top": 30, "width": 300, "height": 280}


def test_plans_hold_a_resized_crop(photo):
    plain = halmix.Plan(40, 30, 0.5, [(1, ["equalize"])])
    assert plain.resized_crop is None
    plan = halmix.Plan(40, 30, 0.5, [(1, ["equalize"])], resized_crop=CROP)
    assert plan.resized_crop == {**CROP, "filter": "bilinear", "order": "pillow_13", "mirror": False}
    assert repr(plan) == "Plan(500x375 > crop(12, 30, 300, 280) > resize(40x30): 0.5 of (1 equalize))"
    members = {**CROP, "left": np.int64(3), "filter": "bicubic", "order": "horizontal_first", "mirror": True}
    other = halmix.Plan(40, 30, 0.5, [(1, ["equalize"])], (1, 2, 3), members)
    assert repr(other).startswith(
        "Plan(500x375 > crop(3, 30, 300, 280) > resize(40x30, bicubic, horizontal_first) > mirror: 0.5 of ("
    )
    for one in plan, other:
        again = halmix.Plan(one.width, one.height, one.mix, one.chains, one.fill, one.resized_crop)
        for twin in again, pickle.loads(pickle.dumps(one)), halmix.Plan.from_json(one.to_json()):
            assert twin == one and twin.resized_crop == one.resized_crop
    assert plain != plan != other
    assert json.loads(plan.to_json())["resized_crop"] == CROP


@pytest.mark.parametrize(
    "crop,error,message",
    [
        (3, TypeError, "resized_crop: 3; allowed are dicts and None"),
        ({}, ValueError, "resized_crop.source_width: missing"),
        ({**CROP, "left": -1}, ValueError, "resized_crop.left: -1; allowed are whole numbers 0"),
        ({**CROP, "left": 201}, ValueError, "plan: resized_crop.left: 201; allowed are whole numbers 0..200"),
        ({**CROP, "left": 2.0}, TypeError, "resized_crop.left: 2.0; allowed are whole numbers 0"),
        ({**CROP, "width": 2**31}, ValueError, "resized_crop.width: 2147483648"),
        ({**CROP, "filter": "box"}, ValueError, "resized_crop.filter: 'box' is not a filter; allowed are bilinear, bicubic"),
        ({**CROP, "filter": 2}, TypeError, "resized_crop.filter: 2; allowed are strings"),
        ({**CROP, "order": ""}, ValueError, "resized_crop.order: '' is not a pass order; allowed are pillow_13"),
        ({**CROP, "mirror": 1}, TypeError, "resized_crop.mirror: 1; allowed are True and False"),
        ({**CROP, "box": 1}, ValueError, "has an unknown member; allowed are source_width, source_height, left, top"),
        ({**CROP, 3: 1}, ValueError, "has an unknown member"),
    ],
)
def test_resized_crops_that_are_none(crop, error, message):
    with pytest.raises(error, match=re.escape(message)):
        halmix.Plan(8, 8, 0.5, [(1, [])], resized_crop=crop)


@pytest.mark.parametrize(
    "chains,error",
    [
        ([(1.0, ["turn"])], ValueError),
        ([(1.0, ["rotate"])], ValueError),
        ([(1.0, [("equalize", 3)])], ValueError),
        ([(1.0, [("rotate", "x")])], TypeError),
        ([(1.0, [3])], TypeError),
        ([(1.0,)], TypeError),
        ([3], TypeError),
        (3, TypeError),
        ([("x", [])], TypeError),
        ([(2.0, [])], ValueError),
        ([(float("nan"), [])], ValueError),
        ([(1.0, [("posterize", 2.5)])], ValueError),
        ([], ValueError),
    ],
)
def test_plans_that_are_none(chains, error):
    with pytest.raises(error):
        halmix.Plan(8, 8, 0.5, chains)


def test_apply(photo):
    ops = [("rotate", -12.5), "equalize", ("posterize", 3)]
    calls = [{"op": "rotate", "value": -12.5}, {"op": "equalize"}, {"op": "posterize", "value": 3}]
    expected = model.apply(photo, calls, (5, 6, 7))
    assert np.array_equal(halmix.apply(photo, ops, fill=(5, 6, 7)), expected)
    assert np.array_equal(np.asarray(halmix.apply(Image.fromarray(photo), ops, fill=(5, 6, 7))), expected)
    assert np.array_equal(halmix.apply(photo, []), photo)


def normalized(pixels, mean, std):
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    mean, std = np.float32(mean), np.float32(std)
    return np.stack([(np.float32(pixels[..., c]) / np.float32(255) - mean[c]) / std[c] for c in range(pixels.shape[2])])


@pytest.mark.parametrize("threads", [1, 3])
def test_batches_are_their_images(rng, threads):
    images = np.stack([make_image(rng, 33, 21) for _ in range(7)])
    indices = [5, 900, 2, 3, 2**40, 1, 0]
    plans = [halmix.sample(33, 21, seed=8, epoch=3, index=i, view=v) for i in indices for v in (0, 1)]
    expected = [halmix.run(plan, images[k // 2]) for k, plan in enumerate(plans)]
    key = {"seed": 8, "epoch": 3, "indices": indices, "threads": threads}

    single = halmix.augmix_batch(images, **key)
    assert single.shape == images.shape and np.array_equal(single, np.stack(expected[::2]))
    views = halmix.augmix_batch(images, **key, views=("clean", "aug", "aug"))
    assert views.shape == (7, 3, 21, 33, 3)
    assert np.array_equal(views[:, 0], images)
    assert np.array_equal(views[:, 1:].reshape(14, 21, 33, 3), np.stack(expected))
    planes = halmix.augmix_batch(images, **key, layout="CHW")
    assert np.array_equal(planes.transpose(0, 2, 3, 1), single)
    floats = halmix.augmix_batch(images, **key, dtype="float32", mean=MEAN, std=STD)
    assert floats.dtype == np.float32
    assert np.array_equal(floats, np.stack([normalized(image, MEAN, STD) for image in single]))
    halves = halmix.augmix_batch(images, **key, dtype=np.float16, mean=MEAN, std=STD)
    assert np.array_equal(halves, floats.astype(np.float16))

    out = np.zeros_like(floats)
    assert halmix.augmix_batch(images, **key, dtype="float32", mean=MEAN, std=STD, out=out) is out
    assert np.array_equal(out, floats)


def test_batches_of_images_of_all_kinds(rng):
    images = [make_image(rng, 30 + i, 20 + 2 * i, 1 if i == 2 else 3) for i in range(5)]
    mixed = [Image.fromarray(image) if i % 2 else image for i, image in enumerate(images)]
    results = halmix.augmix_batch(mixed, seed=1, views=("aug", "clean"))
    assert [result.shape for result in results] == [image.shape for image in images for _ in range(2)]
    for i, image in enumerate(images):
        plan = halmix.sample(image.shape[1], image.shape[0], seed=1, index=i)
        assert np.array_equal(results[2 * i], halmix.run(plan, image))
        assert np.array_equal(results[2 * i + 1], image)
    same = halmix.augmix_batch([Image.fromarray(images[0])] * 3, seed=1, dtype="float32")
    assert same.shape == (3, 3, 20, 30)
    assert halmix.augmix_batch([], seed=1).shape == (0,)
    assert halmix.augmix_batch(np.zeros((0, 4, 4, 3), np.uint8), seed=1).shape[0] == 0


@pytest.mark.parametrize(
    "arguments,error,name",
    [
        ({"indices": [1]}, ValueError, "indices"),
        ({"indices": [1, -1]}, ValueError, "indices"),
        ({"indices": [0.5, 1]}, TypeError, "indices"),
        ({"views": ()}, ValueError, "views"),
        ({"views": "aug"}, ValueError, "views"),
        ({"views": ("other",)}, ValueError, "views"),
        ({"dtype": "float64"}, ValueError, "dtype"),
        ({"dtype": "float32", "layout": "HWC"}, ValueError, "layout"),
        ({"mean": (1, 2)}, ValueError, "mean"),
        ({"std": 0}, ValueError, "std"),
        ({"std": "x"}, TypeError, "std"),
        ({"mean": float("nan")}, ValueError, "mean"),
        ({"threads": -1}, ValueError, "threads"),
        ({"seed": -1}, ValueError, "seed"),
        ({"epoch": 2**32}, ValueError, "epoch"),
        ({"out": np.zeros((2, 5, 5, 3), np.uint8)}, ValueError, "task 0"),
        ({"out": np.zeros((1, 6, 5, 3), np.uint8)}, ValueError, "out"),
        ({"out": np.zeros((2, 6, 5, 3), np.float32)}, TypeError, "out"),
        ({"out": "x"}, TypeError, "out"),
    ],
)
def test_arguments_that_are_not_allowed(arguments, error, name):
    with pytest.raises(error, match=name):
        halmix.augmix_batch(np.zeros((2, 6, 5, 3), np.uint8), **{"seed": 0, **arguments})


def test_read_only_results_are_refused():
    out = np.zeros((2, 6, 5, 3), np.uint8)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out: numpy.ndarray that cannot be written to"):
        halmix.augmix_batch(np.zeros((2, 6, 5, 3), np.uint8), seed=0, out=out)


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_long_batch(threads):
    images = np.random.default_rng(0).integers(0, 255, (300, 256, 256, 3), np.uint8)
    main = threading.main_thread().ident
    sent = []

    def press():
        sent.append(time.monotonic())
        signal.pthread_kill(main, signal.SIGINT)

    timer = threading.Timer(0.3, press)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what a job in the background lacks
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            halmix.augmix_batch(images, seed=1, threads=threads, width=16, depth=16)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - sent[0] < 1  # a loaded machine; 0.05 on an idle one


def test_ops_and_targets():
    assert [op["name"] for op in halmix.ops()][:3] == ["autocontrast", "equalize", "posterize"]
    rotate = next(op for op in halmix.ops() if op["name"] == "rotate")
    assert rotate["unit"] == "degrees" and rotate["range"][0] < 0 < rotate["range"][1] and rotate["about"]
    assert any(target["available"] for target in halmix.targets())
    assert halmix.Engine("auto").target.startswith("cpu-")
    with pytest.raises(ValueError, match="turbo"):
        halmix.Engine("turbo")
