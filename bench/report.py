"""The table of a run as Markdown that also reads well as plain text: report.py RESULTS.json"""

import json
import math
import pathlib
import sys

STEP_BY_STEP = "halmix, step by step"  # the build of it that fuses nothing

LEGEND = """\
Times are microseconds per image: the median over the rounds, `±` half the distance between the slowest and the quickest
round. `x` is how many times as long as halmix a peer takes, or the build of halmix that fuses nothing: at the medians, and in
brackets at each call's quickest round (what a quiet machine would give); below 1, in bold, halmix is the slower one."""


def number(value):
    """Three significant digits, or all of a large number's."""
    digits = 2 - math.floor(math.log10(value)) if value > 0 else 0
    return f"{value:,.{max(0, digits)}f}"


def spread(row):
    return f"±{50 * (max(row['rounds']) - min(row['rounds'])) / row['median']:.0f}%"


def ratio(row, base):
    at_median, at_quickest = row["median"] / base["median"], row["quickest"] / base["quickest"]
    text = f"{number(at_median)}x ({number(at_quickest)}x)"
    return f"**{text}**" if at_median < 1 else text


def table(header, rows, text=(0,)):
    """Columns of numbers are aligned to the right; `text` are the others' indices."""
    rows = [header, *rows]
    columns = range(len(header))
    widths = [max(2, *(len(row[i]) for row in rows)) for i in columns]

    def line(cells):
        return "| " + " | ".join(cells) + " |"

    def aligned(row):
        return line([row[i].ljust(widths[i]) if i in text else row[i].rjust(widths[i]) for i in columns])

    rule = line(["-" * widths[i] if i in text else "-" * (widths[i] - 1) + ":" for i in columns])
    return "\n".join([aligned(header), rule, *map(aligned, rows[1:])])


def of(results, kind, size):
    """name -> implementation -> measurement"""
    found = {}
    for row in results["measurements"]:
        if (row["kind"], row["size"]) == (kind, size):
            found.setdefault(row["name"], {})[row["implementation"]] = row
    return found


def augmix_table(results, size):
    rows = of(results, "augmix", size)["AugMix"]
    base = rows["halmix"]

    def cells(name, row):
        return [
            name,
            *(number(row["median"]), spread(row), number(row["quickest"]), number(1e6 / row["median"])),
            "" if row is base else ratio(row, base),
            f"{row['faults']:.3g}",
        ]

    header = ["AugMix, one core", "us", "", "quickest", "images/s", "x", "page faults"]
    return (
        table(header, [cells(name, row) for name, row in rows.items()])
        + f"\n\nAllocations of halmix per image: {base['allocations']:.3g}."
    )


def fusing_table(results):
    header = ["step by step / fused", "plans", "lower quartile", "median", "upper quartile"]
    return table(
        header,
        [
            [row["size"], f"{row['plans']}", *(f"{number(quartile)}x" for quartile in row["quartiles"])]
            for row in results["fusing"]
        ],
    )


def threads_table(results, size):
    rows = {int(threads): row["halmix"] for threads, row in of(results, "throughput", size).items()}
    header = ["halmix, threads", "us", "", "images/s", "as many as by one"]
    return table(
        header,
        [
            [
                f"{threads}",
                *(number(row["median"]), spread(row), number(1e6 / row["median"])),
                f"{number(rows[1]['median'] / row['median'])}x",
            ]
            for threads, row in rows.items()
        ],
    )


def chain_table(results, size):
    rows = {**of(results, "chain", size), **of(results, "mix", size)}
    peers = [
        name
        for name in results["implementations"]
        if any(name in row for row in rows.values()) and name not in ("halmix", STEP_BY_STEP)
    ]

    def cells(name, row):
        base = row["halmix"]
        others = [row[peer] for peer in peers if peer in row]
        pipelines = base.get("pipelines", [])
        step_by_step = row.get(STEP_BY_STEP, base)
        fused = pipelines != step_by_step.get("pipelines", [])
        return [
            name,
            f"{number(base['median'])} {spread(base)}",
            ratio(step_by_step, base) if fused else "",
            *(f"{number(row[peer]['median'])} {spread(row[peer])}" if peer in row else "" for peer in peers),
            ratio(min(others, key=lambda other: other["median"]), base) if others else "",
            " ".join(pipelines),
        ]

    header = ["op or chain, one core", "halmix", "x, step by step", *peers, "x, fastest peer", "pipelines"]
    return table(header, [cells(name, row) for name, row in rows.items()], text=(0, len(header) - 1))


def text(results):
    policy = ", ".join(f"{name} {value:g}" for name, value in results["policy"].items())
    versions = {
        name: ", ".join(f"{what} {version}" for what, version in found.items())
        for name, found in results["implementations"].items()
    }
    sizes = dict.fromkeys(row["size"] for row in results["measurements"])
    parts = [
        f"# halmix on {results['target']}, {results['date']}",
        f"{results['processor']}, {results['cores']} cores, load {results['load']:.1f} at the start; halmix "
        f"{results['commit']}. {results['image']} resized; {policy}; {results['rounds']} rounds, one thread on core "
        f"{results['core']} unless said.",
        LEGEND,
        table(["implementation", "versions"], [list(row) for row in versions.items()], text=(0, 1)),
    ]
    if "fusing" in results:
        parts += ["What fusing is worth, over the plans of AugMix on one core:", fusing_table(results)]
    for size in sizes:
        tables = (augmix_table, threads_table, chain_table)
        parts += [f"## {size}", *(make(results, size) for make in tables)]
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(text(json.loads(pathlib.Path(sys.argv[1]).read_text())))
