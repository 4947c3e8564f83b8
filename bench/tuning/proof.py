"""AugMix as a whole before and after: what was found is only kept if that is quicker too."""

import itertools
import statistics

import numpy as np
import run
from tuning import trials

IMAGES = {"32x32": 1000, "224x224": 200, "512x512": 100}  # others: 200
PROCESSES, ROUNDS = 12, 3
TRIMMED = 0.05  # of images at either end, whose times say more of the machine
SEVERITIES = (3, 10)  # of a workload that has more
LOSS = 0.995  # what no size and severity may lose


def measure(bench, before, after, asked):
    """AugMix of both builds, image by image and in turns: (size, severity) -> the gain in each of some processes, the
    mean of its images."""
    severities = [severity for severity in SEVERITIES if severity in asked["severities"]] or asked["severities"]
    found = {}
    content = next(iter(bench.images.weights))
    for _ in range(PROCESSES):
        with bench.start("before", before) as first, bench.start("after", after) as second:
            for name, severity in itertools.product(asked["sizes"], severities):
                members = {
                    **bench.images.request(name, content),
                    "policy": {**run.POLICY, "severity": severity},
                    "warm_up": run.WARM_UP,
                    "images": IMAGES.get(name, 200),
                }
                us = {first: [], second: []}
                for worker in (first, second, second, first) * ROUNDS:
                    us[worker].append(worker.request(bench.core, "augmix", **members)["us"])
                logs = np.sort(np.log(np.min(us[first], axis=0) / np.min(us[second], axis=0)))
                cut = int(TRIMMED * len(logs))
                found.setdefault((name, severity), []).append(float(np.exp(logs[cut : len(logs) - cut].mean())))
    return found


def is_gain(proof):
    """Of all sizes and severities together, with 95 % confidence, and of none a loss."""
    if not proof:
        return False
    _, low = trials.lower_bound([statistics.mean(gains) for gains in zip(*proof.values())])
    return low > 1 and min(map(statistics.mean, proof.values())) >= LOSS
