"""Optuna's study: opened, shared by several processes, and taken up again where one was stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import time
import uuid
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxreg._messages.brief import brief
from jaxreg.tune._storage import storage_of

NAME = "jaxreg.tune"
"""Of the study in a storage, and of what is noted on it."""
PROCESS, BATCH, SIZE = "process", "batch", "size"
"""Of a trial: who trains it, beside which others, and how many these are."""
LONGEST = 10  # times the longest trial so far: so long a trial of another host may take
PATIENCE = 60.0  # seconds after which a trial that nobody has begun is left aside


@dataclasses.dataclass(frozen=True)
class Study:
    """A study of Optuna with a budget.

    Attributes:
      optuna: the `optuna.Study`.
      distributions: what is searched, as Optuna has it.
      budget: how many trials are to end, in all processes together.
      beside_best: whether trials are given up that are clearly worse than the best, rather than by
        a pruner of Optuna.
    """

    optuna: Any
    distributions: dict[str, Any]
    budget: int
    beside_best: bool = False

    def ask(self, batch: int) -> list[Any]:
        """Trials to train next: those of a batch that a process left behind, or new ones.

        A batch is finished before the next is drawn: so that is drawn from the same trials as if
        nobody had stopped.
        """
        counted = self._counted()
        limit = _limit(counted)
        left_behind = [t for t in counted if _is_left_behind(t, limit)]
        if not left_behind:
            count = min(batch, self.budget - len(counted))
            return self._new(count, {BATCH: uuid.uuid4().hex, SIZE: count})
        known = _of_batch(left_behind[0])
        own = [trial for trial in left_behind if _of_batch(trial) == known]
        begun = sum(_of_batch(trial) == known for trial in counted)
        taken = [self._taken_up(trial) for trial in own[:batch]]
        return taken + self._new((known[SIZE] or 0) - begun, known)

    def _new(self, count: int, known: dict[str, Any]) -> list[Any]:
        """Trials of a batch; from the first moment it is on record whose they are."""
        import optuna

        asked, attributes = [], {**known, PROCESS: process()}
        for _ in range(count):
            running = _states().RUNNING
            self.optuna.add_trial(optuna.create_trial(state=running, user_attrs=attributes))
            own = [t for t in self._counted() if t.user_attrs == attributes and not t.params]
            asked.append(self._drawn(own[-1]))
        return [trial for trial in asked if self._is_in_budget(trial)]

    def _drawn(self, trial: Any) -> Any:
        """A trial with its point."""
        import optuna

        found = optuna.Trial(self.optuna, trial._trial_id)
        for name, of in self.distributions.items():
            found.suggest_float(name, of.low, of.high, log=of.log)
        return found

    def _is_in_budget(self, trial: Any) -> bool:
        """Whether it is; another process may have asked for the last ones at the same time."""
        if sum(t.number < trial.number for t in self._counted()) < self.budget:
            return True
        self.optuna.tell(trial, state=_states().FAIL)
        return False

    def tell(self, trial: Any, note: dict[str, Any], score: float | None) -> None:
        """Ends a trial: with a score, or without one where it diverged or was given up."""
        import optuna

        state = _states().PRUNED if score is None else _states().COMPLETE
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):  # another was faster
            trial.set_user_attr(NAME, note)
            self.optuna.tell(trial, score, state=state, skip_if_finished=True)

    def hopeless(
        self, trials: list[Any], notes: dict[int, Any], means: dict[int, float], step: int
    ) -> list[Any]:
        """Trials to give up; a pruner of Optuna sees the mean so far as the value of a step."""
        import optuna

        for trial in trials:
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError), _unwarned():
                trial.report(means[trial.number], step)
        if not self.beside_best:
            return [trial for trial in trials if trial.should_prune()]
        batches = {trial.user_attrs.get(BATCH) for trial in trials} - {None}
        others = (t for t in self.ended if t.user_attrs.get(BATCH) not in batches)
        whole = [trial for trial in others if trial.state.name == "COMPLETE"]
        best = min(whole, key=lambda trial: trial.value, default=None)
        return [t for t in trials if best and _is_worse(notes[t.number], best.user_attrs[NAME])]

    def _taken_up(self, trial: Any) -> Any:
        found = self._drawn(trial)
        found.set_user_attr(PROCESS, process())
        return found

    def _counted(self) -> list[Any]:
        """Trials that have ended or will."""
        trials = self.optuna.get_trials(deepcopy=False)
        return [trial for trial in trials if _counts(trial, self.distributions)]

    @property
    def ended(self) -> list[Any]:
        """Trials with a verdict, in the order of their numbers."""
        return [t for t in self._counted() if t.state.name in ("COMPLETE", "PRUNED")]

    @property
    def running(self) -> int:
        """How many trials others are about."""
        return sum(t.state.name == "RUNNING" for t in self._counted())


def _is_worse(note: Any, best: Any) -> bool:
    """By more than two standard errors of its mean, on the folds so far."""
    scores = np.array(note["scores"])
    excess = scores - np.array(best["scores"][: len(scores)])
    errors = np.nan_to_num(np.array(note["errors"], float))
    return bool(excess.mean() > 2 * np.sqrt(np.sum(errors**2)) / len(scores))


def _counts(trial: Any, distributions: Any) -> bool:
    """Whether it has a point, or is being given one."""
    whole = set(distributions) <= set(trial.params)
    if trial.state.name == "RUNNING" and BATCH in trial.user_attrs:
        return True  # whoever takes it up draws the same point
    if trial.state.name == "RUNNING" and not (whole and PROCESS in trial.user_attrs):
        return not _is_gone(trial) and _age(trial) < PATIENCE
    return trial.state.name != "FAIL" and whole


def _age(trial: Any) -> float:
    return time.time() - trial.datetime_start.timestamp()


def _of_batch(trial: Any) -> dict[str, Any]:
    return {name: trial.user_attrs.get(name) for name in (BATCH, SIZE)}


def process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _limit(trials: list[Any]) -> float:
    """Seconds after which a trial of another host counts as left behind: far more than any took."""
    took = [(t.datetime_complete - t.datetime_start).total_seconds() for t in trials if _ended(t)]
    return PATIENCE + LONGEST * max(took) if took else float("inf")


def _ended(trial: Any) -> bool:
    return trial.datetime_complete is not None


def _is_left_behind(trial: Any, limit: float) -> bool:
    """Whether the process that trained it is gone, or takes far too long."""
    known = trial.params or BATCH in trial.user_attrs
    if trial.state.name != "RUNNING" or not known or PROCESS not in trial.user_attrs:
        return False
    return _is_gone(trial) or _age(trial) > limit


def _is_gone(trial: Any) -> bool:
    """Whether the process that began it has ended, as far as is known, or is this one."""
    owner = trial.user_attrs.get(PROCESS, "")
    host, _, number = owner.rpartition(":")
    ended = host == socket.gethostname() and not _is_alive(int(number))
    return owner == process() or ended


def _is_alive(number: int) -> bool:
    if os.name != "posix":  # elsewhere signal 0 would end it
        return True
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _states() -> Any:
    import optuna

    return optuna.trial.TrialState


def require_optuna(owner: str) -> None:
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise ImportError(
            f'{owner}: expected optuna, which is not installed; run pip install "jaxreg[tune]"'
        ) from None


def opened(owner: str, storage: Any, purpose: dict[str, Any], pruner: Any) -> Any:
    """The study of a storage, new or gone on with.

    Args:
      owner: the function that is called, for messages.
      storage: None for memory, a path of a journal, a URL of a database, or Optuna's own.
      purpose: what a study is about, as JSON; one that is about something else is refused.
      pruner: of Optuna.

    Raises:
      ValueError: if it cannot be opened, is something else, or about something else.
    """
    import optuna

    place = storage_of(owner, storage)
    try:
        with _quiet():
            if place is not None and NAME in optuna.get_all_study_names(place):
                study = optuna.load_study(study_name=NAME, storage=place, pruner=pruner)
            else:
                study = optuna.create_study(
                    study_name=NAME, storage=place, pruner=pruner, load_if_exists=True
                )
        kept, trials = study.user_attrs.get(NAME), study.get_trials(deepcopy=False)
    except Exception as error:  # of Optuna or the storage, whichever it is
        raise _unreadable(owner, storage, f"{type(error).__name__}: {error}") from error
    if kept is None:
        if trials:
            raise ValueError(
                f"{owner}: storage: {storage} holds a study named {NAME!r} that was made "
                f"otherwise; it is left as it is: name another"
            )
        study.set_user_attr(NAME, purpose)
    elif not isinstance(kept, dict):
        raise _unreadable(owner, storage, f"its purpose is {brief(kept)}")
    elif different := [name for name in purpose if kept.get(name) != purpose[name]]:
        raise ValueError(
            f"{owner}: storage: the study in {storage} is about another "
            f"{' and another '.join(different)}: {_first_difference(kept, purpose, different)}; "
            f"it is left as it is: name another storage"
        )
    for trial in trials:
        if not _is_sound(trial):
            raise _unreadable(owner, storage, f"trial {trial.number} is not as it was written")
    return study


def _unreadable(owner: str, storage: Any, reason: str) -> ValueError:
    return ValueError(
        f"{owner}: storage: expected a study of Optuna that is whole, but {storage} is damaged: "
        f"{reason}; it is left as it is: name another, or remove it"
    )


def _is_sound(trial: Any) -> bool:
    """Whether what an ended trial notes is what `Study.tell` wrote."""
    host, colon, number = str(trial.user_attrs.get(PROCESS, "host:1")).rpartition(":")
    if not (host and colon and number.isdecimal()):
        return False
    if trial.state.name not in ("COMPLETE", "PRUNED") or not trial.params:
        return True
    note, numbers = trial.user_attrs.get(NAME), (float, int, type(None))
    if not isinstance(note, dict):
        return False
    lists = [note.get(name) for name in ("scores", "errors")]
    whole = all(isinstance(x, list) and all(isinstance(v, numbers) for v in x) for x in lists)
    return whole and trial.datetime_complete is not None


def _first_difference(kept: Any, purpose: Any, different: list[str]) -> str:
    name = different[0]
    return f"{kept.get(name)!r} there, {purpose[name]!r} here"


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    """Without the warning that a trial which is taken up again has reported this step before."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*already reported")
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the line that tells of a new study."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
