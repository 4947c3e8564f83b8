"""What a call from Python costs above the library's own time, in microseconds; prints a table.

PYTHONPATH=build/release/python .venv/bin/python3 bench/calls.py [--rounds 15]
Needs `scripts/build release`. Medians of rounds in which all take turns; "above the library" is a call's time less that
of the same draw through halmix._core, in the same layout and into memory that is there. Pin it to a processor of its own: taskset -c 1.
"""

import argparse
import statistics
import timeit

import numpy as np
from PIL import Image

import halmix
from halmix import _composer, _core
from halmix._engine import engine
from halmix._functional import normalization
from halmix._images import pillow_source

HWC = _core.Layout.u8_hwc


def contenders(size):
    """Names and calls for images of a size, and what each stands on: the same draw by the library in the same layout."""
    pixels = np.asarray(Image.open("data/chelsea.jpg").convert("RGB").resize((size, size)))
    image, out = Image.fromarray(pixels).copy(), np.empty_like(pixels)
    in_pillow, out_pillow = pillow_source(image), _core.Pixels(size, size, 3)
    transform, key = halmix.AugMix(seed=1), (1, 0, 5, 0)
    policy = transform._policy
    alphas, state = np.full(3, 1.0), np.random.RandomState(1)
    composer = _composer._policy(3, 3, -1, 1.0, "all")
    return {
        "halmix._core": (lambda: _core.augment(engine(), policy, key, pixels, HWC, out), None),
        "halmix._core, Pillow's RGBX": (lambda: _core.augment(engine(), policy, key, in_pillow, HWC, out_pillow), None),
        "NumPy to NumPy": (lambda: transform._augment(pixels, key), "halmix._core"),
        "NumPy to NumPy, by index": (lambda: transform(pixels, index=5), "halmix._core"),
        "PIL to PIL": (lambda: transform._augment(image, key), "halmix._core, Pillow's RGBX"),
        "np.asarray, Image.fromarray": (lambda: Image.fromarray(np.asarray(image)), None),
        "Composer's draws": (lambda: _composer._draw(composer, alphas, state, size, size), None),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print("| call | size | us | us above the library |\n| --- | --- | ---: | ---: |")
    for size, number in (32, 2000), (224, 200):
        calls = contenders(size)
        times = {name: [] for name in calls}
        for _ in range(rounds):
            for name, (call, _base) in calls.items():
                times[name].append(timeit.timeit(call, number=number) / number * 1e6)
        for name, (_call, base) in calls.items():
            above = statistics.median(a - b for a, b in zip(times[name], times[base])) if base else None
            shown = "" if above is None else f"{above:.1f}"
            print(f"| {name} | {size}x{size} | {statistics.median(times[name]):.1f} | {shown} |")

    images = np.stack([np.asarray(Image.open("data/chelsea.jpg").convert("RGB").resize((32, 32)))] * 256)
    out, policy = np.empty_like(images), halmix.AugMix()._policy

    def singles():
        for i in range(256):
            _core.augment(engine(), policy, (1, 0, i, 0), images[i], HWC, out[i])

    ratios = []
    for _ in range(rounds):
        batch = timeit.timeit(lambda: halmix.augmix_batch(images, seed=1, out=out), number=5)
        raw = timeit.timeit(
            lambda: _core.batch(
                engine(), policy, 1, 0, list(range(256)), [0], images, HWC, out, HWC, normalization((0, 0, 0), (1, 1, 1)), 1
            ),
            number=5,
        )
        ratios.append((batch / raw, batch / timeit.timeit(singles, number=5)))
    print(f"\nA batch of 256 at 32x32: {statistics.median(a for a, _ in ratios):.3f} times halmix._core.batch, "
          f"{statistics.median(b for _, b in ratios):.3f} times 256 single calls.")


if __name__ == "__main__":
    main()
