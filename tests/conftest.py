"""What holds for every test."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest
import structlog
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import settings
from typing_extensions import override
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]
from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

from demo.model_server import LlamaServer, Llmock
from tests.postgres import Cluster, throwaway_cluster

# A slow machine is no defect, and a failing example must be repeatable from the output alone.
settings.register_profile("surfaces", deadline=None, print_blob=True)
# What is built on one machine after another must not fail on one of them by chance.
settings.register_profile("ci", parent=settings.get_profile("surfaces"), derandomize=True)
settings.register_profile("thorough", parent=settings.get_profile("surfaces"), max_examples=2000)
USUAL = "ci" if os.environ.get("CI") else "surfaces"
# What `make test` takes.
settings.register_profile("few", parent=settings.get_profile(USUAL), max_examples=25)
settings.load_profile(USUAL)

# A shell has the programs that it starts in the background ignore Ctrl-C, and those that the tests
# start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Hand out tests one by one, except where a file's tests share what is dear to make."""
    return WholeFiles(config, log)


class WholeFiles(LoadScopeScheduling):  # type: ignore[misc]
    """Gives the tests of some files to one worker, and every other test to the next free one.

    The files with the most tests come first, and single tests last: they fill the gaps.

    A worker that dies costs the one test that it was playing. xdist 3.8 would give all tests of
    that worker to others again, and never end (pytest-dev/pytest-xdist#1378, #1327, #1371).
    """

    @override
    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0] if is_played_as_a_whole(nodeid) else nodeid

    @override
    def remove_node(self, node: WorkerController) -> str | None:
        """Hand the rest of a worker's tests to the others; return the test that ended it."""
        rest = {
            scope: tests
            for scope, tests in self.assigned_work.pop(node).items()
            if not all(tests.values())
        }
        lethal = next(
            (test for tests in rest.values() for test, done in tests.items() if not done), None
        )
        if lethal is not None:
            rest[self._split_scope(lethal)][lethal] = True
        self.workqueue.update(
            {scope: tests for scope, tests in rest.items() if not all(tests.values())}
        )
        for other in self.assigned_work:
            self._reschedule(other)
        return lethal

    @override
    def _assign_work_unit(self, node: WorkerController) -> None:
        """Give a worker its next test. One that has just died keeps it until it is removed."""
        with suppress(OSError):
            super()._assign_work_unit(node)

    @override
    def _reschedule(self, node: WorkerController) -> None:
        """Let a worker have two tests, or know that there are no more: else it plays neither.

        A worker that is still collecting gets its first ones when it is done.
        """
        if node not in self.registered_collections:
            return
        super()._reschedule(node)
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
            super()._reschedule(node)


def is_played_as_a_whole(nodeid: str) -> bool:
    """Whether the tests of this one's file share a homeserver, bots, a model or an environment."""
    folders = ("synapse", "browser", "client", "packaging", "platforms")
    return nodeid.startswith(tuple(f"tests/{folder}/" for folder in folders))


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Whatever a test has done to the logging of the process, the next one finds none of it."""
    root = logging.getLogger()
    level = root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.setLevel(level)
    for name in ("actors", "adapter", "supervisor"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(handler)


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """An event loop in a thread of its own, for what lives longer than one module's tests."""
    with start_blocking_portal() as opened:
        yield opened


@pytest.fixture(scope="session")
def llama(portal: BlockingPortal) -> Iterator[LlamaServer]:
    """A real model behind llama.cpp's server, which all tests share."""
    with portal.wrap_async_context_manager(LlamaServer()) as server:
        yield server


@pytest.fixture(scope="session")
def shared_llmock(portal: BlockingPortal) -> Iterator[Llmock]:
    """The one llmock of all tests; they take `llmock`."""
    with portal.wrap_async_context_manager(Llmock()) as server:
        yield server


@pytest.fixture
def llmock(portal: BlockingPortal, shared_llmock: Llmock) -> Llmock:
    """A server of invented answers and scripted faults, which remembers nothing."""
    portal.call(shared_llmock.reset)
    return shared_llmock


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server that no test stops."""
    with throwaway_cluster() as running:
        yield running


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of one test. A kill loses what has not waited for the disk."""
    with throwaway_cluster(wal_writer_delay="10s") as running:
        yield running
