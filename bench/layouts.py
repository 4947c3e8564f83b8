"""Times batches of halmix in every layout beside u8_hwc, and in two threads beside one, all in turn; prints a table.

.venv/bin/python3 bench/layouts.py [--size 224x224] [--images 64] [--rounds 15] [--target TARGET] [--core N]
Needs `scripts/build release`. Ratios are medians over the rounds of the time beside that of u8_hwc in the same round.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
POLICY = {"severity": 3, "width": 3, "depth": -1, "alpha": 1.0}
LAYOUTS = ["u8_hwc", "u8_chw", "u8_rgbx", "f16_chw", "f32_chw"]
PAIRS = [("u8_hwc", to) for to in LAYOUTS] + [("u8_chw", "u8_chw"), ("u8_chw", "f32_chw"), ("u8_rgbx", "u8_rgbx")]


class Bench:
    """A process of halmix_bench on some processors."""

    def __init__(self, target, processors, image):
        self.size, self.pixels = image.size, image.tobytes()
        self.process = subprocess.Popen(
            [ROOT / "build" / "release" / "halmix_bench"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "HALMIX_TARGET": target},
            preexec_fn=lambda: os.sched_setaffinity(0, processors),
        )

    def us(self, images, source, result, threads):
        request = {"job": "batch", "policy": POLICY, "images": images, "blocks": 3, "threads": threads}
        request |= {"width": self.size[0], "height": self.size[1]}
        request |= {"from": LAYOUTS.index(source), "to": LAYOUTS.index(result)}
        self.process.stdin.write(json.dumps(request).encode() + b"\n" + self.pixels)
        self.process.stdin.flush()
        return min(json.loads(self.process.stdout.readline())["us"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="224x224")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--target", default="")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    options = parser.parse_args()

    with Image.open(ROOT / "data" / "chelsea.jpg") as photo:
        image = photo.convert("RGB").resize(tuple(map(int, options.size.split("x"))))
    one = Bench(options.target, {options.core}, image)
    two = Bench(options.target, sorted(os.sched_getaffinity(0), key=lambda core: core != options.core)[:2], image)
    times = {pair: [] for pair in PAIRS}
    speedups = []
    for _ in range(options.rounds):
        for pair in PAIRS:
            times[pair].append(one.us(options.images, *pair, 1))
        single, double = (two.us(options.images, "u8_hwc", "u8_hwc", threads) for threads in (1, 2))
        speedups.append(single / double)
    print("| from | to | us an image | beside u8_hwc |\n| --- | --- | ---: | ---: |")
    for pair in PAIRS:
        ratio = statistics.median(a / b for a, b in zip(times[pair], times[PAIRS[0]]))
        print(f"| {pair[0]} | {pair[1]} | {statistics.median(times[pair]):.1f} | {ratio:.3f} |")
    print(f"\nTwo threads: {statistics.median(speedups):.2f} times one.")


if __name__ == "__main__":
    main()
