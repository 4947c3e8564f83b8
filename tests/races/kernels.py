"""Runs every pipeline for OpenCL; for tests/races. Ends without cleaning up: Oclgrind's own memory is gone by then."""

import os

import numpy as np

import halmix

engine = halmix.Engine("opencl")
host = halmix.Engine("cpu-sse41")
rng = np.random.default_rng(1)
OPS = [
    "autocontrast", "equalize", ("posterize", 3), ("rotate", 17), ("rotate", 90), ("solarize", 99), ("shear_x", 0.2),
    ("shear_y", -0.2), ("translate_x", 5), ("translate_y", -3), ("color", 0.4), ("contrast", 1.7), ("brightness", 1.3),
    ("sharpness", 1.8),
]  # fmt: skip
for shape in (37, 61, 3), (18, 35), (1, 1, 3), (3, 70, 3):
    image = rng.integers(0, 256, shape, np.uint8)
    for op in OPS:
        assert np.array_equal(*(halmix.apply(image, [op], engine=one) for one in (engine, host))), (shape, op)
images = [rng.integers(0, 256, (41, 30, 3), np.uint8) for _ in range(5)]
for how in {}, {"dtype": "float32", "layout": "CHW"}, {"crop": (20, 33)}, {"dtype": "float16", "layout": "CHW", "crop": 17}:
    both = [halmix.augmix_batch(images, seed=3, severity=9, engine=one, **how) for one in (engine, host)]
    assert np.array_equal(*both), how
print(engine, flush=True)
os._exit(0)
