"""What a search found, as Markdown that also reads well as plain text."""

import statistics

import report
from tuning import trials


def gain(value):
    return f"{value:.3f}x"


def changes(entry, pipelines):
    pipeline = next(each for each in pipelines if each.name == entry["pipeline"])
    return ", ".join(
        f"{name} {pipeline.start[name]} -> {value}"
        for name, value in entry["values"].items()
        if value != pipeline.start[name]
    )


def accepted_table(found, pipelines):
    header = ["accepted", "share", "gain", "at least", "slowest case", "copy", "values that are not those of the start"]
    rows = [
        [
            entry["pipeline"],
            f"{found['workload']['shares'][entry['pipeline']]:.1%}",
            *(gain(entry[name]) for name in ("gain", "low", "slowest", "control")),
            changes(entry, pipelines),
        ]
        for entry in found["accepted"]
    ]
    return report.table(header, rows, text=(0, 6))


def searched_table(pipelines):
    header = ["pipeline", "share", "variants", "tried", "failed", "best of trials", "parameters"]
    rows = [
        [
            each.name,
            f"{each.share:.1%}",
            f"{each.possible:,}",
            f"{len(each.ended)}",
            f"{sum(trial.value == 0 for trial in each.ended)}",
            gain(max(trial.value for trial in each.ended)),
            " ".join(each.space),
        ]
        for each in pipelines
    ]
    return report.table(header, rows, text=(0, 6))


def proof_table(proof):
    rows = [[name, gain(statistics.mean(gains)), gain(trials.lower_bound(gains)[1])] for name, gains in proof.items()]
    return report.table(["AugMix, before / after", "gain", "at least"], rows)


def text(result, pipelines, proved):
    found = result["found"]
    pipelines = list(pipelines)
    workload = found["workload"]
    severities = ", ".join(map(str, workload["severities"]))
    parts = [
        f"# Tuning of {result['target']}, {found['date']}",
        f"{found['processor']}; halmix {workload['halmix']}, Halide {found['halide']}. Sizes {', '.join(workload['sizes'])}, "
        f"severities {severities}, contents {', '.join(workload['contents'])}. {found['spent']} s of a budget of "
        f"{found['budget']:.0f} s, {found['trials']} trials.",
        "Gains are ratios of times, above 1 for what is quicker. `at least` is the lower end of what 95 % of such "
        "comparisons would show, `copy` what a copy of the same program gained meanwhile, and should be 1.",
    ]
    if found["accepted"]:
        parts.append(accepted_table(found, pipelines))
        if not found["proof"]:
            parts.append("Tests fail with these values: nothing was written. Please report it, with this page.")
        else:
            parts.append(proof_table(found["proof"]))
            if not proved:
                parts.append("AugMix as a whole is no quicker: nothing was written.")
    else:
        parts.append("Nothing was found that is quicker.")
    return "\n\n".join([*parts, "## What was tried", searched_table(pipelines)])


def history(pipelines):
    """For the plot: pipeline -> of each trial the gain over the start, and whether it was accepted."""
    return {
        each.name: [[trial.value, bool(trial.user_attrs.get("accepted"))] for trial in each.ended] for each in pipelines
    }
