"""Times of a variant beside what there is and a copy of it, and whether they show that it is quicker."""

import shutil
from typing import NamedTuple

import numpy as np
import variants
from tuning import workload

GAIN, SLOWER, CONTROL = 1.01, 0.98, 0.01  # see judge()
HOPELESS = 0.95  # a gain in one round that is worth no more of them
SCREENING = 5  # rounds that say whether a variant is worth confirming
PROCESSES, ROUNDS = 6, 5  # that confirm it
OPEN = 1.015  # a gain that may be shown by more of them
ODD_SIZES = ("1x1", "2x3", "17x5", "63x31", "200x3", "129x66")

# Student's t, one-sided, 95 %, for so many degrees of freedom.
STUDENT_95 = (
    np.inf,
    6.31,
    2.92,
    2.35,
    2.13,
    2.02,
    1.94,
    1.90,
    1.86,
    1.83,
    1.81,
    1.80,
    1.78,
    1.77,
    1.76,
    1.75,
    1.75,
    1.74,
)


class Verdict(NamedTuple):
    """What a comparison has shown; gains are ratios of times, above 1 for a variant that is quicker."""

    gain: float
    low: float  # the gain, of which 95 % of such comparisons show less than there is
    control: float  # that of a copy of the incumbent
    slowest: float  # the gain of the case that gains least
    slowest_case: str
    refusal: str  # why it is not accepted; empty if it is

    @property
    def accepted(self):
        return not self.refusal


def lower_bound(values):
    """The mean of independent values, and what lies below it in 95 % of such samples."""
    values = np.asarray(values)
    mean = values.mean()
    if len(values) < 2:
        return mean, -np.inf
    return mean, mean - STUDENT_95[len(values) - 1] * values.std(ddof=1) / np.sqrt(len(values))


def judge(times, cases):
    """`times` are of (process, round, case, 3): of the incumbent, of its copy and of the variant, one right after the
    other. A ratio is taken of each such three; processes are what is independent, for where a process lies in memory
    makes it quicker or slower by more than most gains.

    Accepted is what gains GAIN at least, with 95 % confidence, makes no case slower than SLOWER, and was measured while
    the copy stayed within CONTROL of 1."""
    logs = np.log(np.asarray(times, float))
    against = logs[..., :1] - logs[..., 1:]  # of the copy, of the variant
    weights = np.array([case.weight for case in cases])
    weights = weights / weights.sum()
    by_process = (np.median(against, axis=1) * weights[:, None]).sum(axis=1)  # (process, 2)
    control = np.exp(by_process[:, 0].mean())
    gain, low = (float(np.exp(value)) for value in lower_bound(by_process[:, 1]))
    by_case = np.exp(np.median(against[..., 1], axis=(0, 1)))
    slowest = int(by_case.argmin())
    if abs(control - 1) > CONTROL:
        refusal = f"a copy of the incumbent differs as well: {control:.3f}"
    elif low < GAIN:
        refusal = f"the gain is not shown: {gain:.3f}, at least {low:.3f}"
    elif by_case[slowest] < SLOWER:
        refusal = f"slower: {cases[slowest].name}: {by_case[slowest]:.3f}"
    else:
        refusal = ""
    return Verdict(gain, low, float(control), float(by_case[slowest]), cases[slowest].name, refusal)


class Bench:
    """Where variants are tried: a build, a target, a core, and images."""

    limit = 20  # seconds of a request

    def __init__(self, build, target, core, images, directory):
        self.build, self.target, self.core, self.images = build, target, frozenset({core}), images
        self.directory = directory

    def program(self, name, objects):
        """A halmix_bench of its own with these objects of pipelines."""
        folder = self.directory / name
        folder.mkdir(parents=True, exist_ok=True)
        return variants.link(self.build, objects, folder)

    def start(self, name, program):
        return variants.Candidate(name, program, self.target, self.core, self.limit)

    def check(self, program, cases):
        """A Failure if a byte of any case differs from the reference, or in images of odd sizes."""
        with self.start("candidate", program) as candidate:
            small = {case.ops: case for case in cases}
            odd = [case._replace(size=size) for case in small.values() for size in ODD_SIZES]
            for case in (*odd, *cases):
                members = {**self.images.request(case.size, case.content), **case.ops_of_request}
                differing = candidate.request(self.core, "check", fill=[7, 130, 251], **members)["differing"]
                if differing:
                    raise variants.Failure(f"{differing} wrong bytes: {case.name}")

    def times(self, incumbent, candidate, cases, processes, rounds, show=lambda: None):
        """As judge() wants them. The copy is a file of its own, as the candidate is. `show` is called after each of the
        processes."""
        copy = self.directory / "copy_of_incumbent"
        shutil.copy2(incumbent, copy)
        taken = np.empty((processes, rounds, len(cases), 3))
        for process in range(processes):
            programs = {"incumbent": incumbent, "copy": copy, "candidate": candidate}
            # Who starts first has the better memory, now and then.
            started = {name: self.start(name, programs[name]) for name in _turned(list(programs), process)}
            workers = [started[name] for name in programs]
            try:
                for round_number in range(rounds):
                    for place, case in enumerate(cases):
                        for which in _turned([0, 1, 2], round_number + place):
                            us = workload.time(workers[which], self.core, self.images, case)
                            taken[process, round_number, place, which] = us
            finally:
                for worker in workers:
                    worker.end()
            show()
        return taken

    def screen(self, incumbent, candidate, cases):
        """How much quicker it seems."""
        seen = judge(self.times(incumbent, candidate, cases, 1, 1), cases)
        return seen if seen.gain < HOPELESS else judge(self.times(incumbent, candidate, cases, 1, SCREENING), cases)

    def confirm(self, incumbent, candidate, cases):
        """In fresh processes, in twice as many if noise leaves it open, and what is accepted in others once more: what
        is no gain seems one by chance now and then, seldom twice."""

        def measure():
            return self.times(incumbent, candidate, cases, PROCESSES, ROUNDS)

        times = measure()
        verdict = judge(times, cases)
        if not verdict.accepted and verdict.gain >= OPEN and verdict.slowest >= SLOWER:
            times = np.concatenate([times, measure()])
            verdict = judge(times, cases)
        if not verdict.accepted:
            return verdict
        again = measure()
        seen = judge(again, cases)
        if seen.low <= 1:
            return seen._replace(refusal=f"a gain at first, not again: {seen.gain:.3f}, at least {seen.low:.3f}")
        return judge(np.concatenate([times, again]), cases)


def _turned(values, places):
    places %= len(values)
    return values[places:] + values[:places]
