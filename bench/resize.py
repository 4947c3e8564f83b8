"""Crop and resize beside Pillow and torchvision, on one core; prints a table.

PYTHONPATH=build/release/python .venv/bin/python3 bench/resize.py [--rounds 15]
Needs `scripts/build release`; torch and torchvision are measured if they are installed. A row is the median over rounds, in
which all take turns, of the mean over 100 pictures; a ratio is the median of the rounds' ratios. halmix's results are
Pillow's bytes. Pin it to a processor of its own: taskset -c 1.
"""

import argparse
import statistics
import time

import halmix
import numpy as np
from halmix import _core
from PIL import Image

HWC = _core.Layout.u8_hwc
SOURCE, SIZE = (500, 375), 224


def boxes_of(kind, count=100):
    """The boxes of a row: those of RandomResizedCrop, or whole pictures."""
    if kind == "whole":
        return [(0, 0, *SOURCE)] * count
    crop = halmix.RandomResizedCrop(SIZE, flip=0)
    drawn = [halmix.sample(*SOURCE, index=index, crop=crop).resized_crop for index in range(count)]
    return [tuple(box[name] for name in ("left", "top", "width", "height")) for box in drawn]


def contenders(kind, interpolation):
    """Names, and what each does with all boxes."""
    image = Image.open("data/chelsea.jpg").convert("RGB").resize(SOURCE)
    pixels, out = np.asarray(image), np.empty((SIZE, SIZE, 3), np.uint8)
    boxes, filter = boxes_of(kind), Image.Resampling[interpolation.upper()]

    def pillow():
        for left, top, width, height in boxes:
            image.crop((left, top, left + width, top + height)).resize((SIZE, SIZE), filter)

    def ours(name):
        engine = halmix.Engine(name)
        plans = [
            halmix.Plan(SIZE, SIZE, 0, [(1, [])], resized_crop={
                "source_width": SOURCE[0], "source_height": SOURCE[1], "left": left, "top": top, "width": width,
                "height": height, "filter": interpolation,
            })
            for left, top, width, height in boxes
        ]  # fmt: skip

        def run():
            for plan in plans:
                _core.run(engine, plan, pixels, HWC, out)

        return run

    calls = {f"Pillow {Image.__version__}": pillow}
    for target in halmix.targets():
        if target["available"] and target["name"].startswith("cpu-"):
            calls[f"halmix, {target['name']}"] = ours(target["name"])
    try:
        import torch  # noqa: PLC0415
        from torchvision.transforms.v2 import functional as F  # noqa: PLC0415
    except ImportError:
        return calls
    torch.set_num_threads(1)
    for name, format in ("CHW", torch.contiguous_format), ("channels last", torch.channels_last):
        tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].contiguous(memory_format=format)

        def run(tensor=tensor):
            for left, top, width, height in boxes:
                F.resized_crop(tensor, top, left, height, width, [SIZE, SIZE], interpolation, antialias=True)

        calls[f"torchvision, tensor, {name} (other bytes)"] = run
    return calls


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f"| {SOURCE[0]}x{SOURCE[1]} to {SIZE}x{SIZE} | filter | by | us | times as fast as Pillow |")
    print("| --- | --- | --- | ---: | ---: |")
    for kind in "random crops", "whole":
        for interpolation in "bilinear", "bicubic":
            calls = contenders(kind, interpolation)
            times = {name: [] for name in calls}
            for _ in range(rounds):
                for name, call in calls.items():
                    begin = time.perf_counter()
                    call()
                    times[name].append((time.perf_counter() - begin) * 1e4)
            first = next(iter(times.values()))
            for name, taken in times.items():
                ratio = statistics.median(a / b for a, b in zip(first, taken))
                print(f"| {kind} | {interpolation} | {name} | {statistics.median(taken):.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
