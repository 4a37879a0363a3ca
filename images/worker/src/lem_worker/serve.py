"""The conversation: hello, load, warm-ups, windows, until shutdown or the end of stdin.

It knows the protocol and the engine's interface, and nothing of any engine.
"""

import contextlib
import gc
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lem_worker import gpus, hello, outbox
from lem_worker.answers import (
    QUALITY_SCHEMA_VERSION,
    RECORD_SCHEMA_VERSION,
    AssessOutcome,
    LoadOutcome,
    Mark,
    MarkEvent,
    MarkName,
    MeasureOutcome,
    Outcome,
    QualityRecord,
    Ready,
    Record,
    WarmupOutcome,
)
from lem_worker.diagnose import diagnose
from lem_worker.engines.base import Engine, Facts, Settings, Submission
from lem_worker.fault import Code, Fault
from lem_worker.output import Answered
from lem_worker.post import Post
from lem_worker.requests import (
    MAX_QUALITY_BYTES,
    MAX_RECORD_BYTES,
    Arrival,
    Assess,
    ClosedLoopArrival,
    DummyModel,
    Load,
    LocalModel,
    Measure,
    MeasureFor,
    Model,
    Parameters,
    RandomModel,
    RequestLine,
    Warmup,
    Weights,
    Work,
)
from lem_worker.window import MAX_CONCURRENCY, Ran, Window, in_flight
from lem_worker.workload import Prompts, Workloads, check_arrivals


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are inside the container."""

    workloads: Path = Path("/run/lem/workloads")
    outbox: Path = Path("/outbox")
    model: Path = Path("/model")


@dataclass(frozen=True, slots=True)
class Loaded:
    """An engine that is ready for work."""

    engine: Engine
    facts: Facts
    asked: Load
    workloads: Workloads


@dataclass(frozen=True, slots=True)
class Prepared:
    """Work whose every part has been checked."""

    prompts: Prompts
    settings: Settings
    arrival: Arrival
    requested: Parameters


class Log(Protocol):
    """What the engine and its processes say on stderr."""

    def forget(self) -> None:
        """Begins anew."""

    def tail(self) -> str:
        """The end of what was said since."""


class Conversation:
    """One worker's life."""

    def __init__(self, kind: type[Engine], places: Places, post: Post, said: Log) -> None:
        self._kind = kind
        self._places = places
        self._post = post
        self._said = said
        self._loaded: Loaded | None = None
        self._engine: Engine | None = None
        # The warm-up since the load or the window before: its first beginning and its last end.
        self._warmed: list[Mark] = []
        # Set when the engine is of no use any more.
        self._is_broken = False

    def run(self) -> int:
        """Converses to the end; the process's exit code."""
        try:
            while (line := self._post.next()) is not None:
                self._carry_out(line)
                if self._is_broken and self._loaded is not None:
                    # A dead engine does not come back, and lemctl starts another worker.
                    return 1
            return 0
        finally:
            self._close()
            self._post.finish()

    def _carry_out(self, line: RequestLine) -> None:
        to = Answered.by(line)
        self._said.forget()
        doing = "loading the engine failed" if isinstance(line.request, Load) else "the engine failed"
        try:
            outcome = self._outcome(line, to)
        except Exception as error:
            if isinstance(error, Fault):
                fault = error
            else:
                fault = diagnose(error, self._said.tail(), doing)
                _log(error)
            self._is_broken = self._is_broken or fault.code is Code.ENGINE_DIED
            self._post.send(to, fault.to_event())
        else:
            self._post.done(to, outcome)

    def _outcome(self, line: RequestLine, to: Answered) -> Outcome:
        match line.request:
            case Load() as load:
                return self._load(load, to)
            case Warmup() as work:
                return self._warm_up(work, to)
            case Measure() as measure:
                return self._measure(measure, to)
            case Assess() as assess:
                return self._assess(assess, to)
            case other:
                raise Fault(Code.BAD_REQUEST, f"{type(other).__name__} makes no sense now")

    def _load(self, load: Load, to: Answered) -> LoadOutcome:
        if self._loaded is not None:
            hint = "start another worker: a fresh process is the only unload"
            raise Fault(Code.ALREADY_LOADED, "an engine is loaded in this worker", hint)
        if self._engine is not None:
            raise Fault(Code.NOT_LOADED, "loading failed in this worker", "start another worker")
        start = self._mark(to, "load_start")
        _check_gpus(load.gpus)
        if load.gpus or not os.environ.get("CUDA_VISIBLE_DEVICES"):
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(load.gpus)
        self._engine = self._kind(self._places.model)
        facts = self._engine.load(load, lambda: self._post.steer(to))
        # What came while it loaded: a cancelled load is no load.
        self._post.steer(to)
        end = self._mark(to, "load_end")
        self._loaded = Loaded(self._engine, facts, load, Workloads(self._places.workloads, self._places.model, facts))
        # What loading left behind is never garbage: the collector need not look at it in a window.
        gc.collect()
        gc.freeze()
        return LoadOutcome(
            effective=facts.effective,
            model_parameters=facts.model_parameters,
            vocab_size=facts.vocab_size,
            active_parameters=facts.active_parameters,
            marks=[start, end],
        )

    def _ready(self) -> Loaded:
        if self._loaded is None:
            if self._engine is not None:
                raise Fault(Code.NOT_LOADED, "loading failed in this worker", "start another worker")
            raise Fault(Code.NOT_LOADED, "no engine is loaded", "send `load` first")
        return self._loaded

    def _prepare(self, work: Work) -> Prepared:
        loaded = self._ready()
        settings = loaded.engine.settings(work.parameters)
        arrival = work.arrival
        if isinstance(arrival, ClosedLoopArrival) and not 1 <= arrival.concurrency <= MAX_CONCURRENCY:
            raise Fault(Code.BAD_PARAMETER, f"concurrency is {arrival.concurrency}, expected 1 to {MAX_CONCURRENCY}")
        prompts = loaded.workloads.read(work.workload)
        check_arrivals(prompts, arrival)
        submissions = [
            Submission(place, one.input_ids, one.output_tokens, one.natural) for place, one in enumerate(prompts.ready)
        ]
        loaded.engine.prepare(submissions, settings, in_flight(arrival, settings))
        return Prepared(prompts, settings, arrival, work.parameters)

    def _run(self, to: Answered, work: Prepared, until: MeasureFor | None, start_ns: int) -> Ran:
        engine = self._ready().engine

        def goes_on(completed: int) -> None:
            if until is not None:
                self._post.progress(to, completed)
            self._post.steer(to)

        window = Window(engine, work.prompts.ready, work.settings, work.arrival, work.prompts.arrivals_ns, until)
        return window.run(start_ns, goes_on)

    def _warm_up(self, work: Work, to: Answered) -> WarmupOutcome:
        # As in `_measure`: one that fails is nobody's.
        warmed, self._warmed = self._warmed, []
        prepared = self._prepare(work)
        with self._idle_after():
            start = self._mark(to, "warmup_start")
            ran = self._run(to, prepared, None, start.monotonic_ns)
            end = self._mark(to, "warmup_end", ran.end_ns)
        self._warmed = [*(warmed[:1] or [start]), end]
        return WarmupOutcome(output_tokens=ran.output_tokens, elapsed_ns=ran.end_ns - ran.start_ns)

    def _measure(self, measure: Measure, to: Answered) -> MeasureOutcome:
        # Whatever becomes of this window, the warm-up was for it: the next one's record must not begin with it.
        warmed, self._warmed = self._warmed, []
        attempt = _attempt(to)
        loaded = self._ready()
        work = self._prepare(measure.work)
        self._post.send(to, Ready())
        self._post.wait_for_go(to)
        profile = None
        with self._idle_after():
            if measure.profile:
                loaded.engine.start_profile()
            start = self._mark(to, "measure_start")
            ran = self._run(to, work, measure.measure, start.monotonic_ns)
            end = self._mark(to, "measure_end", ran.end_ns)
            if measure.profile:
                profile = loaded.engine.stop_profile()
        record = Record(
            schema_version=RECORD_SCHEMA_VERSION,
            attempt=attempt,
            backend=self._kind.NAME,
            backend_version=hello.version(self._kind.DISTRIBUTION) or "not installed",
            device=loaded.facts.device,
            weights=weights(loaded.asked.model),
            requested={**loaded.asked.parameters, **work.requested},
            effective={**loaded.facts.effective, **work.settings.effective},
            workload=measure.work.workload,
            arrival=work.arrival,
            marks=[*warmed, start, end],
            token_timing=ran.token_timing,
            requests=ran.requests,
            unfinished=ran.unfinished,
            tokens_sha256=work.prompts.tokens_sha256,
            chat_template_sha256=work.prompts.chat_template_sha256,
            profile=profile,
        )
        written = outbox.write(self._places.outbox, attempt, "record.json", record, MAX_RECORD_BYTES)
        return MeasureOutcome(written.bytes, written.sha256)

    def _assess(self, assess: Assess, to: Answered) -> AssessOutcome:
        attempt = _attempt(to)
        loaded = self._ready()
        prompts = loaded.workloads.read(assess.workload)
        requests = [
            Submission(place, one.input_ids, one.output_tokens, one.natural) for place, one in enumerate(prompts.ready)
        ]
        with self._idle_after():
            outputs = loaded.engine.assess(requests, lambda: self._post.steer(to))
        record = QualityRecord(QUALITY_SCHEMA_VERSION, attempt, assess.workload, outputs)
        written = outbox.write(self._places.outbox, attempt, "quality.json", record, MAX_QUALITY_BYTES)
        return AssessOutcome(written.bytes, written.sha256)

    @contextlib.contextmanager
    def _idle_after(self) -> Iterator[None]:
        """Whatever becomes of the work, the engine has none left afterwards."""
        try:
            yield
        finally:
            try:
                self._ready().engine.abort()
            except Exception as error:
                _log(error)
                self._is_broken = True

    def _mark(self, to: Answered, name: MarkName, at_ns: int | None = None) -> Mark:
        mark = Mark(name, time.monotonic_ns() if at_ns is None else at_ns)
        self._post.send(to, MarkEvent(mark.name, mark.monotonic_ns))
        return mark

    def _close(self) -> None:
        if self._engine is not None:
            try:
                self._engine.close()
            except Exception as error:
                _log(error)


def weights(model: Model) -> Weights:
    """What the weights of a model are: power and quality depend on it."""
    if isinstance(model, RandomModel):
        return "random"
    if isinstance(model, DummyModel):
        return "dummy"
    return model.weights if isinstance(model, LocalModel) else "real"


def _attempt(to: Answered) -> str:
    if to.attempt is None or not re.fullmatch(r"(?![.-])[A-Za-z0-9._=-]{1,200}", to.attempt):
        raise Fault(Code.BAD_REQUEST, "this needs an attempt that can name a folder")
    return to.attempt


def _check_gpus(asked: list[str]) -> None:
    seen = gpus.visible()
    missing = [gpu for gpu in asked if gpu not in seen]
    if missing:
        raise Fault(
            Code.GPU_UNAVAILABLE,
            f"{', '.join(missing)} asked for, but this container sees {', '.join(seen) or 'none'}",
            "the GPUs of the Compose file's service must be those of the campaign",
        )


def _log(error: BaseException) -> None:
    traceback.print_exception(error, file=sys.stderr)
