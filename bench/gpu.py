"""Images a second of AugMix on a GPU, beside torchvision's, from uint8 (N, C, H, W) to normalised float16; prints a table.

python3 bench/gpu.py [--batch 256] [--size 224] [--rounds 15]
Needs torch and torchvision with CUDA, and halmix. Images and results are in the GPU's memory. "Queued" is ten batches one
after another, then a wait; "one at a time" waits after each. Medians of rounds in which all take turns. torchvision's
AugMix is another algorithm, and draws one sequence of ops for the whole batch.
"""

import argparse
import statistics
import sys
import time

import torch

import halmix

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
QUEUED = 10


def contenders(images):
    """Names and calls; a call is given a number that no other has."""
    out = torch.empty_like(images, dtype=torch.float16)
    named = {"dtype": torch.float16, "mean": MEAN, "std": STD, "indices": range(len(images))}
    calls = {
        "halmix": lambda number: halmix.augmix_batch(images, seed=1, epoch=number, **named),
        "halmix, out=": lambda number: halmix.augmix_batch(images, seed=1, epoch=number, out=out, **named),
        "halmix, three views for JSD": lambda number: halmix.augmix_batch(
            images, seed=1, epoch=number, views=("clean", "aug", "aug"), **named
        ),
    }
    try:
        from torchvision.transforms import v2
    except ImportError:
        print("torchvision is not installed: halmix alone", file=sys.stderr)
        return calls
    transform = v2.Compose([v2.AugMix(), v2.ToDtype(torch.float16, scale=True), v2.Normalize(MEAN, STD)])
    return calls | {"torchvision v2: AugMix, ToDtype, Normalize": lambda number: transform(images)}


def seconds(call, numbers):
    """Of a batch."""
    begin = time.perf_counter()
    for number in numbers:
        call(number)
    torch.cuda.synchronize()
    return (time.perf_counter() - begin) / len(numbers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("bench/gpu.py: torch finds no GPU of CUDA")
    torch.manual_seed(0)
    shape = options.batch, 3, options.size, options.size
    calls = contenders(torch.randint(0, 256, shape, dtype=torch.uint8, device="cuda"))
    queued, single = ({name: [] for name in calls} for _ in range(2))
    for call in calls.values():
        seconds(call, range(3 * QUEUED))  # compiles, and takes memory
    for i in range(options.rounds):
        numbers = range(1000 + QUEUED * i, 1000 + QUEUED * (i + 1))
        for name, call in calls.items():
            queued[name].append(seconds(call, numbers))
            single[name] += [seconds(call, [number]) for number in numbers[:3]]

    print(
        f"{torch.cuda.get_device_name()}, batch {options.batch}, {options.size}x{options.size}, torch {torch.__version__}\n"
    )
    print("| images/s | queued | one at a time | ms a batch, one at a time |\n| --- | ---: | ---: | ---: |")
    for name in calls:
        one = statistics.median(single[name])
        rates = [f"{options.batch / taken:,.0f}" for taken in (statistics.median(queued[name]), one)]
        print(f"| {name} | {rates[0]} | {rates[1]} | {one * 1e3:.2f} |")


if __name__ == "__main__":
    main()
