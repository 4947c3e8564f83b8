"""Draws a search: plot.py TRIALS.json OUT.png"""

import json
import pathlib
import sys

import matplotlib.pyplot as plt

# Okabe and Ito, 2008: colours that stay apart for people who do not tell red from green.
TRIED, ACCEPTED = "#777777", "#D55E00"
COLUMNS = 3

plt.style.use(pathlib.Path(__file__).parents[1] / "plots.mplstyle")


def draw(axes, name, trials):
    """Gains of its trials one after another; a line along what was accepted."""
    best, line = 1.0, []
    for place, (gain, accepted) in enumerate(trials):
        if accepted:
            best = gain
        line.append(best)
        failed = gain == 0
        y = 0.8 if failed else max(gain, 0.8)
        color, marker = (ACCEPTED, "o") if accepted else (TRIED, "x" if failed else "v" if gain < 0.8 else ".")
        axes.plot(place, y, marker=marker, color=color, markersize=4 if marker == "x" else 6, zorder=2)
    axes.step(range(len(line)), line, color=ACCEPTED, linewidth=1, where="post", zorder=1)
    axes.axhline(1, color="#CCCCCC", linewidth=0.8, zorder=0)
    axes.set_title(f"{name}: {line[-1]:.3f}x")
    axes.set_ylim(0.78, max(1.15, 1.03 * max(gain for gain, _ in trials)))
    axes.xaxis.get_major_locator().set_params(integer=True)


def main():
    pipelines = json.loads(pathlib.Path(sys.argv[1]).read_text())
    rows = -(-len(pipelines) // COLUMNS)
    figure, grid = plt.subplots(rows, COLUMNS, figsize=(3.6 * COLUMNS, 2.2 * rows), squeeze=False, layout="constrained")
    for axes, (name, trials) in zip(grid.flat, pipelines.items()):
        draw(axes, name, trials)
    for axes in grid.flat[len(pipelines) :]:
        axes.axis("off")
    figure.supxlabel("trial; below 0.8 at the edge, x: refused before it was timed")
    figure.supylabel("gain over the start")
    figure.savefig(sys.argv[2], dpi=150)


if __name__ == "__main__":
    main()
