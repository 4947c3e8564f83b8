"""Draws a run: plot.py RESULTS.json OUT.png"""

import json
import pathlib
import sys

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

import report

# Colours that stay apart for people who do not tell red from green (Okabe and Ito, 2008).
COLORS = {
    "halmix": "#D55E00",
    report.STEP_BY_STEP: "#F0B489",
    "Composer, Pillow": "#0072B2",
    "Composer, Pillow-SIMD": "#56B4E9",
    "OpenCV, tuned": "#009E73",
    "OpenCV, tuned, AVX2": "#8FD0B9",
    "AlbumentationsX": "#CC79A7",
    "torchvision v2": "#E69F00",
    "timm": "#777777",
}
OPS_SIZE = "224x224"

plt.style.use(pathlib.Path(__file__).with_name("plots.mplstyle"))


def draw_augmix(axes, results, size, first):
    """Images per second as bars, the rounds' extremes as a line across their ends."""
    rows = report.of(results, "augmix", size)["AugMix"]
    base = rows["halmix"]
    names = list(rows)[::-1]
    for y, name in enumerate(names):
        row = rows[name]
        speed = 1e6 / row["median"]
        axes.barh(y, speed, height=0.68, color=COLORS[name], alpha=1 if name == "halmix" else 0.85)
        axes.plot([1e6 / max(row["rounds"]), 1e6 / min(row["rounds"])], [y, y], color="black", linewidth=1)
        slower = "" if row is base else f"  (1/{report.number(row['median'] / base['median'])})"
        end = max(speed, 1e6 / min(row["rounds"]))
        axes.annotate(f"{report.number(speed)}{slower}", (end, y), (4, 0), textcoords="offset points", va="center")
    axes.set_title(f"AugMix, {size}")
    axes.set_yticks(range(len(names)), names if first else [""] * len(names))
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1.45e6 / base["median"])
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(3))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.set_xlabel("images per second, one core")


def draw_ops(axes, results, size):
    """A dot for every implementation of every op, on one line."""
    rows = {**report.of(results, "chain", size), **report.of(results, "mix", size)}
    names = list(rows)[::-1]
    for y, name in enumerate(names):
        times = [row["median"] for row in rows[name].values()]
        axes.plot([min(times), max(times)], [y, y], color="#dddddd", linewidth=1.5, zorder=1)
    for implementation in results["implementations"]:
        points = [
            (row[implementation]["median"], y) for y, row in enumerate(map(rows.get, names)) if implementation in row
        ]
        if points:
            halmix = implementation == "halmix"
            axes.scatter(
                *zip(*points),
                s=44 if halmix else 26,
                marker="D" if halmix else "o",
                color=COLORS[implementation],
                label=implementation,
                edgecolors="white",
                linewidths=0.6,
                zorder=3 if halmix else 2,
            )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.4g}"))
    axes.set_yticks(range(len(names)), [name.replace(",", ", ").replace("=", " ") for name in names])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.set_title(f"Ops and chains, {size}")
    axes.set_xlabel("microseconds, one core")
    axes.figure.legend(loc="outside lower center", ncols=6, frameon=False, handletextpad=0.1, columnspacing=1.2)


def main(results_file, plot_file):
    results = json.loads(pathlib.Path(results_file).read_text())
    sizes = list(dict.fromkeys(row["size"] for row in results["measurements"]))
    ops_size = OPS_SIZE if OPS_SIZE in sizes else sizes[0]
    figure = plt.figure(figsize=(max(9.0, 3.0 * len(sizes) + 1.5), 8.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(0.18 * len(results["implementations"]) + 0.9, 5))
    top.suptitle(
        f"halmix on {results['target']} beside its peers: {results['processor']}, {results['date']}",
        fontsize=11,
        fontweight="bold",
    )
    for i, axes in enumerate(top.subplots(1, len(sizes), squeeze=False)[0]):
        draw_augmix(axes, results, sizes[i], i == 0)
    draw_ops(bottom.subplots(), results, ops_size)
    figure.savefig(plot_file, dpi=160)


if __name__ == "__main__":
    main(*sys.argv[1:])
