"""The search for better values of schedule parameters: a study of Optuna for each pipeline, in a journal that survives
being killed."""

import hashlib
import json
import math
import random
import subprocess
import time

import optuna
import variants
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

WORTH_CONFIRMING = 1.012  # a gain that has only been screened
NEAR = 8  # how many times as large or as small as it is a value is tried
RECENT = 6  # trials
SEED = 1


def journal(folder):
    """Where studies are kept. Of one process: the lock of one that was killed would be waited for."""
    file = folder / "journal.log"
    file.with_name("journal.log.lock").unlink(missing_ok=True)
    return JournalStorage(JournalFileBackend(str(file)))


def parameters(build, pipeline, target):
    """What may be tuned of a pipeline: name -> its value in this build, and those to try."""
    command = variants.command_of(build, f"pipelines/{variants.function(pipeline, target)}.o")
    printed = subprocess.check_output([command[0], "--parameters", *command[1:]], cwd=build, text=True)
    found = {}
    for row in json.loads(printed):
        near = [value for value in row["legal"] if row["value"] / NEAR <= value <= row["value"] * NEAR]
        if len(near) > 1:
            found[row["name"]] = {"value": row["value"], "values": near}
    return found


def digest(made):
    return hashlib.sha256(made.read_bytes()).hexdigest()


class Pipeline:
    """The study of one pipeline. Values of its trials are gains over the build at the start, so that they stay
    comparable when something is accepted; 0 is for a variant that failed."""

    def __init__(self, name, share, cases, space, made, storage):
        """`made` is the object that the build has of it."""
        self.name, self.share, self.cases, self.space, self.made = name, share, cases, space, made
        self.accepted, self.gain = {}, 1.0
        sampler = optuna.samplers.TPESampler(seed=SEED, multivariate=True)
        self.study = optuna.create_study(
            storage=storage, sampler=sampler, study_name=name, direction="maximize", load_if_exists=True
        )
        self._distributions = {
            parameter: optuna.distributions.CategoricalDistribution(row["values"]) for parameter, row in space.items()
        }
        for trial in self.study.get_trials(states=[TrialState.RUNNING]):
            self.study.tell(trial.number, state=TrialState.FAIL)  # the search was killed meanwhile
        if not self.tried:
            start = {"params": self.start, "distributions": self._distributions, "value": 1.0}
            self.study.add_trial(optuna.trial.create_trial(**start, user_attrs={"object": digest(made)}))
            self.enqueue_neighbours(self.start)

    @property
    def start(self):
        return {parameter: row["value"] for parameter, row in self.space.items()}

    @property
    def ended(self):
        return self.study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])

    @property
    def tried(self):
        return {tuple(sorted(trial.params.items())) for trial in self.ended}

    @property
    def possible(self):
        return math.prod(len(row["values"]) for row in self.space.values())

    @property
    def idle(self):
        """Trials since the last that was accepted."""
        trials = self.ended
        accepted = [place for place, trial in enumerate(trials) if trial.user_attrs.get("accepted")]
        return len(trials) - max(accepted, default=0)

    @property
    def gains(self):
        """Whether one of the last trials was accepted."""
        return any(trial.user_attrs.get("accepted") for trial in self.ended[-RECENT:])

    def enqueue_neighbours(self, values):
        """The next values of each parameter: tried first, since what gains is seldom far."""
        for parameter, row in self.space.items():
            place = row["values"].index(values[parameter])
            for near in row["values"][max(0, place - 1) : place + 2]:
                self.study.enqueue_trial({**values, parameter: near}, skip_if_exists=True)

    def ask(self):
        """A trial of values that have not been tried; some are left."""
        tried = self.tried
        for _ in range(20):
            trial = self.study.ask(self._distributions)
            if tuple(sorted(trial.params.items())) not in tried:
                return trial
            self.study.tell(trial, state=TrialState.PRUNED)
        generator = random.Random(len(tried))
        while True:
            params = {parameter: generator.choice(row["values"]) for parameter, row in self.space.items()}
            if tuple(sorted(params.items())) not in tried:
                self.study.enqueue_trial(params)
                return self.study.ask(self._distributions)


class Search:
    """All studies of a target, what was accepted, and the time that it took."""

    def __init__(self, bench, pipelines, storage):
        self.bench, self.pipelines = bench, {pipeline.name: pipeline for pipeline in pipelines}
        self._log = optuna.create_study(storage=storage, study_name="search", load_if_exists=True)
        self.accepted = self._log.user_attrs.get("accepted", [])
        self.spent = self._log.user_attrs.get("spent", 0.0)
        self._objects = {}
        for entry in self.accepted:
            pipeline = self.pipelines[entry["pipeline"]]
            pipeline.accepted, pipeline.gain = entry["values"], pipeline.gain * entry["gain"]
        for pipeline in self.pipelines.values():
            if pipeline.accepted:
                self.keep(pipeline, self.generate(pipeline, pipeline.accepted))

    @property
    def values(self):
        """pipeline -> the values of it that are not those of the start."""
        found = {}
        for name, pipeline in self.pipelines.items():
            changed = {key: value for key, value in pipeline.accepted.items() if value != pipeline.start[key]}
            if changed:
                found[name] = changed
        return found

    @property
    def trials(self):
        return sum(len(pipeline.ended) for pipeline in self.pipelines.values())

    @property
    def gain(self):
        """By how much what was accepted makes the workload quicker, as its pipelines' shares say."""
        others = 1 - sum(pipeline.share for pipeline in self.pipelines.values())
        return 1 / (others + sum(pipeline.share / pipeline.gain for pipeline in self.pipelines.values()))

    def generate(self, pipeline, values):
        folder = self.bench.directory / "objects" / pipeline.name
        folder.mkdir(parents=True, exist_ok=True)
        return variants.generate(self.bench.build, variants.function(pipeline.name, self.bench.target), values, folder)

    def next_pipeline(self):
        """The one whose next trial promises most, by its share and by what it has gained; None if all were tried."""
        left = [pipeline for pipeline in self.pipelines.values() if len(pipeline.tried) < pipeline.possible]
        return max(left, key=lambda each: each.share * (2 if each.gains else 1) / (1 + each.idle), default=None)

    def run(self, budget, show=lambda search: None):
        """Tries one variant after another for so many seconds, those of former runs included."""
        while self.spent < budget and (pipeline := self.next_pipeline()):
            start = time.monotonic()
            trial = pipeline.ask()
            gain, attributes = self.attempt(pipeline, trial.params)
            for name, value in attributes.items():
                trial.set_user_attr(name, value)
            pipeline.study.tell(trial, gain)
            self.spent += time.monotonic() - start
            self._log.set_user_attr("spent", self.spent)
            show(self)

    def attempt(self, pipeline, values):
        """The gain of a variant over the start, and what else is told of it. Accepts it if that is shown."""
        try:
            made = self.generate(pipeline, values)
            told = {"object": digest(made)}
            for trial in pipeline.ended:
                if trial.user_attrs.get("object") == told["object"]:
                    return trial.value, {**told, "refusal": f"the same object as in trial {trial.number}"}
            program = self.program("candidate", pipeline, made)
            self.bench.check(program, pipeline.cases)
            incumbent = self.program("incumbent", pipeline, self._objects.get(pipeline.name, pipeline.made))
            verdict = self.bench.screen(incumbent, program, pipeline.cases)
            if verdict.gain >= WORTH_CONFIRMING:
                verdict = self.bench.confirm(incumbent, program, pipeline.cases)
                if verdict.accepted:
                    return self.accept(pipeline, values, made, verdict), {**told, "accepted": True}
            return pipeline.gain * verdict.gain, {**told, "refusal": verdict.refusal}
        except variants.Failure as failure:
            return 0.0, {"refusal": str(failure)}

    def program(self, name, pipeline, made):
        """One with what was accepted and this object, in the same places whatever the object is: code is quicker or
        slower by where it lies."""
        return self.bench.program(name, {**self._objects, pipeline.name: made}.values())

    def keep(self, pipeline, made):
        self._objects[pipeline.name] = made.replace(made.with_name("accepted.o"))

    def accept(self, pipeline, values, made, verdict):
        """The gain over the start."""
        pipeline.gain *= verdict.gain
        pipeline.accepted = values
        pipeline.enqueue_neighbours(values)
        self.keep(pipeline, made)
        entry = {"pipeline": pipeline.name, "values": values, "spent": self.spent, **verdict._asdict()}
        self.accepted.append({key: value for key, value in entry.items() if key != "refusal"})
        self._log.set_user_attr("accepted", self.accepted)
        return pipeline.gain
