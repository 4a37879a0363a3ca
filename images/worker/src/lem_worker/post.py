"""The conversation's two ends, and what may come in while a request is in progress."""

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from lem_worker.answers import Done, Event, HelloOutcome, Outcome, PingOutcome, Progress, ShutdownOutcome
from lem_worker.fault import Code, Fault
from lem_worker.inbox import Bad, Gone, Incoming
from lem_worker.output import Answered, Output
from lem_worker.requests import Cancel, Go, Hello, Ping, RequestLine, Shutdown

# At most ten a second.
PROGRESS_PAUSE_NS = 100_000_000


class Post:
    """Both ends."""

    def __init__(self, inbox: SimpleQueue[Incoming], output: Output, hello: Callable[[], HelloOutcome]) -> None:
        self._inbox = inbox
        self._output = output
        self._hello = hello
        self._last_progress_ns = 0
        self._is_over = False
        self._shutdown: Answered | None = None

    def next(self) -> RequestLine | None:
        """Waits for the next request while nothing is in progress; None when the conversation ends."""
        while not self._is_over:
            incoming = self._inbox.get()
            if isinstance(incoming, Gone):
                self._is_over = True
            elif isinstance(incoming, Bad):
                self.send(Answered(incoming.id), incoming.fault.to_event())
            elif isinstance(incoming.request, Shutdown):
                self._end(Answered.by(incoming))
            elif isinstance(incoming.request, Hello | Ping):
                self._answer(incoming)
            elif not isinstance(incoming.request, Go | Cancel):
                return incoming
            # Go and cancel are late here: what they would steer has ended.
        return None

    def wait_for_go(self, current: Answered) -> None:
        """Waits for `go` for the request in progress."""
        while not self._during(current, self._inbox.get()):
            pass

    def steer(self, current: Answered) -> None:
        """Takes in what came since the last call; raises when the request in progress must stop."""
        while True:
            try:
                incoming = self._inbox.get_nowait()
            except Empty:
                return
            self._during(current, incoming)

    def progress(self, current: Answered, completed_requests: int) -> None:
        """Says how far the request in progress is, but not too often."""
        now_ns = time.monotonic_ns()
        if now_ns - self._last_progress_ns >= PROGRESS_PAUSE_NS:
            self._last_progress_ns = now_ns
            self._output.offer(current, Progress(completed_requests))

    def send(self, to: Answered, event: Event) -> None:
        """Sends an event."""
        self._output.send(to, event)

    def done(self, to: Answered, outcome: Outcome) -> None:
        """Sends the good end of a request."""
        self.send(to, Done(outcome))

    def finish(self) -> None:
        """Ends the conversation: answers shutdown, if that is why, and waits until it is written."""
        if self._shutdown is not None:
            self.done(self._shutdown, ShutdownOutcome())
        self._output.finish()

    def _end(self, shutdown: Answered) -> None:
        self._is_over = True
        self._shutdown = shutdown

    def _answer(self, line: RequestLine) -> None:
        is_ping = isinstance(line.request, Ping)
        self.done(Answered.by(line), PingOutcome(time.monotonic_ns()) if is_ping else self._hello())

    def _during(self, current: Answered, incoming: Incoming) -> bool:
        """One thing that came while a request is in progress; True for its `go`."""
        if isinstance(incoming, Gone):
            self._is_over = True
            raise Fault(Code.CANCELLED, "stdin ended: lemctl is gone")
        if isinstance(incoming, Bad):
            self.send(Answered(incoming.id), incoming.fault.to_event())
            return False
        to = Answered.by(incoming)
        # One that names another attempt comes late.
        is_meant = to.attempt is None or to.attempt == current.attempt
        match incoming.request:
            case Go():
                return is_meant
            case Cancel():
                if is_meant:
                    raise Fault(Code.CANCELLED, "cancelled, as asked")
            case Shutdown():
                self._end(to)
                raise Fault(Code.CANCELLED, "cancelled by shutdown")
            case Hello() | Ping():
                self._answer(incoming)
            case _:
                fault = Fault(
                    Code.BUSY,
                    f"request {current.id} is in progress",
                    "wait for its done or error, or cancel it",
                )
                self.send(to, fault.to_event())
        return False
