"""Times ways from a JPEG file's bytes to normalised pixels, all taking turns; prints a table in Markdown.

python3 bench/decode.py [--rounds 15] [--size 224]
Needs halmix with its decoder, installed or in PYTHONPATH, torch and torchvision. Pin it: taskset -c 1.

Files are 500x375, of quality 90, each cut elsewhere from the photos in data/. Times are medians of single calls.
"""

import argparse
import io
import itertools
import pathlib
import statistics
import tempfile
import time

import numpy as np
import torch
from PIL import Image
from torchvision import transforms
from torchvision.io import decode_jpeg
from torchvision.transforms import v2

import halmix
import loaders
from loaders import MEAN, STD


def make_files(count=32):
    """The bytes of files."""
    with tempfile.TemporaryDirectory() as folder:
        return [path.read_bytes() for path in loaders.make_files(pathlib.Path(folder), count)]


def opened(file):
    return Image.open(io.BytesIO(file)).convert("RGB")


def ways(size):
    """Names, and functions of a file and a number."""
    images = transforms.Compose([
        transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ])  # fmt: skip
    tensors = v2.Compose([
        v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN, STD),
    ])  # fmt: skip
    usual = {"seed": 1, "dtype": "float32", "mean": MEAN, "std": STD, "crop": size}

    def decode_augment(*views, mode="exact"):
        out = np.empty((1, len(views), 3, size, size) if len(views) > 1 else (1, 3, size, size), np.float32)
        return lambda file, i: halmix.decode_augment([file], indices=[i], views=views, mode=mode, out=out, **usual)

    return {
        "Pillow, torchvision: no AugMix": lambda file, i: images(opened(file)),
        "torchvision.io.decode_jpeg, v2: no AugMix": lambda file, i: tensors(
            decode_jpeg(torch.frombuffer(bytearray(file), dtype=torch.uint8))
        ),
        "Pillow, augmix_batch": lambda file, i: halmix.augmix_batch([opened(file)], indices=[i], **usual),
        "decode_augment, no AugMix": decode_augment("clean"),
        "decode_augment": decode_augment("aug"),
        "decode_augment, fast": decode_augment("aug", mode="fast"),
        "decode_augment, three views": decode_augment("clean", "aug", "aug"),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size", type=int, default=224)
    options = parser.parse_args()
    torch.set_num_threads(1)
    files, times, number = make_files(), {}, itertools.count()
    for _ in range(options.rounds):
        for name, way in ways(options.size).items():
            for file in files:
                i, begin = next(number), time.perf_counter()
                way(file, i)
                times.setdefault(name, []).append(time.perf_counter() - begin)
    print("| from bytes to normalised pixels | microseconds |\n| --- | ---: |")
    for name, seconds in times.items():
        print(f"| {name} | {statistics.median(seconds) * 1e6:,.0f} |")


if __name__ == "__main__":
    main()
