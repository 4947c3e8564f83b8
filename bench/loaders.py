"""Times loaders from JPEG files to normalised batches, all taking turns; prints a table in Markdown.

python3 bench/loaders.py [--images 1024] [--batch 64] [--workers 2] [--rounds 5] [--only TEXT]
Needs halmix installed or in PYTHONPATH, torch and torchvision. With the package mosaicml, Composer's AugMix takes part, with
nvidia-dali-cuda130 DALI on the CPU.

Files are 500x375, cut from the photos in data/. Every loader decodes, crops to 224x224, flips and normalises: torchvision's
by Pillow and its transforms, halmix.torch by itself unless its name says otherwise, DALI by its decoder with a random crop, in
as many threads as others have workers; its batches stay tensors of its own. Processor
time is that of the main process and its workers, their start included, for each image; the consumer does nothing.
A ratio is the median over the rounds of a loader's processor time beside the first loader's in the same round.
"""

import argparse
import importlib.metadata
import os
import pathlib
import platform
import resource
import statistics
import sys
import tempfile
import time

import PIL
import torch
import torchvision
from PIL import Image
from torchvision import transforms

import halmix
import halmix.torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CROP = [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip()]
TENSOR = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
JSD = ("clean", "aug", "aug")


class Files(torch.utils.data.Dataset):
    """Decoded files, transformed; each file stands for many images."""

    def __init__(self, paths, count, steps):
        self.paths, self.count, self.transform = paths, count, transforms.Compose(steps)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        with Image.open(self.paths[index % len(self.paths)]) as image:
            return self.transform(image.convert("RGB")), index % 1000


class Paths(torch.utils.data.Dataset):
    """The files themselves."""

    def __init__(self, paths, count):
        self.paths, self.count = paths, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.paths[index % len(self.paths)], index % 1000


class Views:
    """The views of JSD the usual way: each made and normalised by itself."""

    def __init__(self, augment):
        self.augment, self.finish = augment, transforms.Compose(TENSOR)

    def __call__(self, image):
        return torch.stack([self.finish(view) for view in (image, self.augment(image), self.augment(image))])


def composer_augmix():
    """Composer's augmix_image, or None."""
    try:
        importlib.metadata.version("mosaicml")
    except importlib.metadata.PackageNotFoundError:
        return None
    sys.path.insert(0, str(ROOT / "tests" / "composer"))
    import recorder

    return lambda image: recorder.AUGMIX.augmix_image(
        image, augmentation_set=recorder.PRIMITIVES.augmentation_sets["all"]
    )


def dali_pipeline(paths, options):
    """What makes DALI's usual pipeline for training, on the CPU, or None. It has no AugMix."""
    try:
        from nvidia.dali import fn, pipeline_def, types
    except ImportError:
        return None

    @pipeline_def(batch_size=options.batch, num_threads=options.workers, device_id=None, prefetch_queue_depth=2, seed=1)
    def pipeline():
        files, labels = fn.readers.file(files=[str(path) for path in paths], labels=list(range(len(paths))))
        images = fn.decoders.image_random_crop(files, random_area=(0.08, 1), random_aspect_ratio=(3 / 4, 4 / 3))
        images = fn.resize(images, size=(224, 224))
        pixels = fn.crop_mirror_normalize(
            images, mirror=fn.random.coin_flip(), mean=[255 * mean for mean in MEAN], std=[255 * std for std in STD],
            dtype=types.FLOAT, output_layout="CHW",
        )  # fmt: skip
        return pixels, labels

    def make():
        loader, count = pipeline(), -(-options.images // options.batch)
        loader.schedule_run()  # the first two batches; what `run` makes ahead at the end would be for nobody
        for i in range(count):
            yield loader.share_outputs()
            loader.release_outputs()
            if i + 2 < count:
                loader.schedule_run()

    return make


def make_files(folder, count=64):
    """JPEG files of quality 90, each cut elsewhere from a photo."""
    photos = [Image.open(path).convert("RGB") for path in sorted((ROOT / "data").glob("*.jpg"))]
    torch.manual_seed(0)
    cut = transforms.RandomResizedCrop((375, 500), scale=(0.5, 1))
    paths = [folder / f"{i}.jpg" for i in range(count)]
    for i, path in enumerate(paths):
        cut(photos[i % len(photos)]).save(path, quality=90)
    return paths


def loaders(paths, options):
    """Names of loaders, and functions that make them."""

    def usual(*steps):
        return lambda: torch.utils.data.DataLoader(
            Files(paths, options.images, steps), options.batch, num_workers=options.workers
        )

    def ring(dtype, views=("aug",), by_pillow=None, crop=224):
        def make():
            images = Paths(paths, options.images) if by_pillow is None else Files(paths, options.images, by_pillow)
            dataset = halmix.torch.AugMixDataset(images, views, dtype=dtype, mean=MEAN, std=STD, crop=crop)
            return halmix.torch.DataLoader(dataset, options.batch, num_workers=options.workers)

        return make

    composer = composer_augmix()
    all_loaders = {
        "torchvision, no AugMix": usual(*CROP, *TENSOR),
        "torchvision, Composer's AugMix": composer and usual(*CROP, composer, *TENSOR),
        "torchvision, halmix.AugMix()": usual(*CROP, halmix.AugMix(), *TENSOR),
        "torchvision, halmix.AugMix(crop=224)": usual(halmix.AugMix(crop=224), *TENSOR),
        "DALI, no AugMix": dali_pipeline(paths, options),
        "halmix.torch, Pillow decodes, torchvision crops, float32": ring("float32", by_pillow=CROP, crop=None),
        "halmix.torch, Pillow decodes, float32": ring("float32", by_pillow=()),
        "halmix.torch, no AugMix, float32": ring("float32", ("clean",)),
        "halmix.torch, float32": ring("float32"),
        "halmix.torch, float16": ring("float16"),
        "halmix.torch, uint8": ring("uint8"),
        "JSD: torchvision, Composer's AugMix": composer and usual(*CROP, Views(composer)),
        "JSD: torchvision, halmix.AugMix()": usual(*CROP, Views(halmix.AugMix())),
        "JSD: halmix.torch, float32": ring("float32", JSD),
        "JSD: halmix.torch, float16": ring("float16", JSD),
        "JSD: halmix.torch, uint8": ring("uint8", JSD),
    }
    first, *_ = all_loaders
    return {name: make for name, make in all_loaders.items() if make and (name == first or options.only in name)}


def processor_time():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measure(make):
    """Processor time and time of a pass, its workers' start and end included."""
    torch.manual_seed(1)
    started, used = time.perf_counter(), processor_time()
    for _ in make():
        pass
    return processor_time() - used, time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="loaders whose names have this, beside the first")
    options = parser.parse_args()
    torch.multiprocessing.set_start_method("fork")

    with tempfile.TemporaryDirectory() as folder:
        all_loaders = loaders(make_files(pathlib.Path(folder)), options)
        times = {name: [] for name in all_loaders}
        for _ in range(options.rounds):
            for name, make in all_loaders.items():
                times[name].append(measure(make))
    first, *_ = times
    print("| loader | processor time, us an image | ratio | images/s |\n| --- | ---: | ---: | ---: |")
    for name, passes in times.items():
        ratio = statistics.median(one[0] / base[0] for one, base in zip(passes, times[first]))
        used, elapsed = (statistics.median(column) / options.images for column in zip(*passes))
        print(f"| {name} | {1e6 * used:.0f} | {ratio:.2f} | {1 / elapsed:.0f} |")
    print(
        f"\n{options.images} images, batches of {options.batch}, {options.workers} workers, {options.rounds} rounds; "
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, Pillow {PIL.__version__}, "
        f"Python {platform.python_version()}; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the end."
    )


if __name__ == "__main__":
    main()
