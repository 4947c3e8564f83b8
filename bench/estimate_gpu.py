"""How long an image takes on a GPU that is not at hand, estimated from the CUDA pipelines of a build: HALMIX_BUILD=build/dev
python3 bench/estimate_gpu.py. Prints a table for docs/performance.md.

A kernel takes as long as the slowest of what its instructions ask for: issue slots, 64-bit floats, the first cache's loads
and stores, the memory's bytes. Loops over a whole image count their body once for each pixel they read."""

import os
import pathlib
import re

PIPELINES = pathlib.Path(os.environ["HALMIX_BUILD"]) / "pipelines"
WIDTH = HEIGHT = 224
CHANNELS = 3
CHAINS = 3
PIXELS = WIDTH * HEIGHT

# An H200: processors, clock in Hz, and per processor and clock what 32 threads do at once: instructions, 64-bit floats,
# loads and stores; memory in bytes a second, of 4.8e12.
PROCESSORS, CLOCK = 132, 1.7e9
RATES = {"instructions": 4 * 32, "f64": 64, "loads": 32}
MEMORY = 3.5e12

# The share of each kind in a default plan: chains of 2 of 13 ops on average, 3 of them. Three ops are tones, two shifts.
OPS_PER_KIND = {"tone": 3, "shift": 2}
OPS_PER_PLAN, OP_COUNT = 3 * 2, 13


def kernels(name):
    """(entry, its lines) of a pipeline's kernels."""
    text = re.search(rb"//[^\0]*?\n\.version [^\0]*\0", (PIPELINES / f"{name}.o").read_bytes())[0].decode("ascii")
    for part in text.split(".visible .entry ")[1:]:
        yield part.split("(")[0], [line.split("//")[0].strip() for line in part.split("\n")]


def executed(lines):
    """Instructions with how often a thread executes each: those of a loop `trips` times the others."""
    places = {line[:-1]: i for i, line in enumerate(lines) if line.endswith(":")}
    loops = []
    for i, line in enumerate(lines):
        branch = re.search(r"\bbra(?:\.uni)?\s+(\$\w+)", line)
        if branch and places.get(branch[1], i) < i:
            loops.append((places[branch[1]], i))
    for i, line in enumerate(lines):
        if line.endswith(";") and not line.startswith("."):
            yield re.sub(r"^@!?%\w+\s+", "", line), any(begin < i <= end for begin, end in loops)


def estimate(name):
    """What each kernel of a pipeline asks for, in all its threads, for one image of a large batch, and the seconds that
    each of these would take alone."""
    for entry, lines in kernels(name):
        per_pixel = "dst" in entry
        threads = PIXELS if per_pixel else 256 * (1 if "contrast_c" in name else CHANNELS)
        trips = CHAINS if per_pixel else PIXELS / 256
        asked = dict.fromkeys(RATES, 0.0)
        for line, in_loop in executed(lines):
            opcode = line.split()[0]
            if opcode.startswith(("ld.param", "ret", "bar")):
                continue
            times = threads * (trips if in_loop else 1)
            asked["instructions"] += times
            asked["f64"] += times * (".f64" in opcode and not opcode.startswith(("ld", "st", "mov", "selp")))
            asked["loads"] += times * opcode.startswith(("ld.global", "st.global", "ld.shared", "st.shared", "atom"))
        images = (1 + CHAINS + 2 if "mix" in name else 2) if per_pixel else 1
        seconds = {what: amount / (RATES[what] * PROCESSORS * CLOCK) for what, amount in asked.items()}
        seconds["memory"] = images * PIXELS * CHANNELS / MEMORY
        yield per_pixel, asked, seconds


def main():
    print("| pipeline | kernel | instructions a pixel | 64-bit floats a pixel | ns an image | decided by |")
    print("| --- | --- | ---: | ---: | ---: | --- |")
    total = 0.0
    kinds = "tone autocontrast equalize contrast color sharpness shift shear_x shear_y affine".split()
    for kind in [*kinds, "mix_f16"]:
        share = 1 if kind == "mix_f16" else OPS_PER_KIND.get(kind, 1) * OPS_PER_PLAN / OP_COUNT
        for per_pixel, asked, seconds in estimate(f"halmix_batch_{kind}_c3__cuda"):
            slowest = max(seconds, key=seconds.get)
            taken = seconds[slowest]
            total += share * taken
            print(
                f"| {kind} | {'result' if per_pixel else 'tables, mean'} | {asked['instructions'] / PIXELS:.0f} | {asked['f64'] / PIXELS:.0f} "
                f"| {taken * 1e9:.0f} | {slowest} |"
            )
    print(f"\nA default plan: {total * 1e9:.0f} ns, {1 / total / 1e6:.2f} million images a second")


if __name__ == "__main__":
    main()
