"""What is in deploy/, used as it says itself: podman runs the image, and systemd the unit."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

import pytest
from anyio.from_thread import BlockingPortal

from demo.synapse import ThrowawaySynapse, free_port
from tests.packaging.booted import PROGRAMS, UNIT, Booted, boot, install_bot
from tests.packaging.debian import make_debian
from tests.packaging.image import BASE, IMAGE, NAME, Podman, usable_podman
from tests.packaging.space import Space, in_time, own_space, wait_until

pytestmark = pytest.mark.slow

PASSWORD: Final = "a password for one test"
ANSWER_LIMIT_S: Final = 60
OWN_USER: Final = "10001"
WRITABLE: Final = ("!", "-type", "l", "-writable")
"""What `find` is asked for. A link may be followed by all, and changed by none."""


@pytest.fixture(scope="module")
def synapse(portal: BlockingPortal) -> Iterator[ThrowawaySynapse]:
    with portal.wrap_async_context_manager(ThrowawaySynapse()) as homeserver:
        yield homeserver


@pytest.fixture(scope="module")
def space(portal: BlockingPortal) -> Iterator[Space]:
    with own_space(portal) as opened:
        yield opened


@pytest.fixture(scope="module")
def debian(space: Space) -> Path:
    """The archive of a small Debian, on which both the image and the unit run."""
    with in_time("a small Debian"):
        return make_debian(space)


@pytest.fixture(scope="module")
def podman(space: Space, debian: Path) -> Podman:
    with in_time("a first container"):
        return usable_podman(space, debian)


@pytest.fixture(scope="module")
def image(podman: Podman) -> Podman:
    """The podman that has the image in its storage."""
    with in_time("the image"):
        podman.build()
    return podman


@pytest.fixture(scope="module")
def machine(space: Space, debian: Path, wheel: Path) -> Booted:
    """A booted Debian into which the bot and its unit were installed."""
    with in_time("a booted Debian"):
        started = boot(space, debian)
        install_bot(started, wheel)
    return started


def settings(homeserver_url: str, user_id: str, password: str, port: int) -> str:
    """A file of settings as deploy/ asks for one."""
    return (
        f"MATRIX_HOMESERVER={homeserver_url}\nMATRIX_USER_ID={user_id}\n"
        f"MATRIX_PASSWORD={password}\nSTATUS_BIND=127.0.0.1:{port}\n"
    )


def shown_command() -> str:
    """The command at the top of the unit which reads the files of its bot."""
    lines = [line.removeprefix("#") for line in UNIT.read_text().splitlines()]
    begin = lines.index("   cd /var/lib/surfaces-bot")
    return "\n".join(lines[begin : lines.index("", begin)])


def answer(port: int, path: str) -> int | None:
    """The status with which a bot on this machine answers; None while there is no answer."""
    with suppress(OSError, HTTPException), closing(HTTPConnection("127.0.0.1", port)) as bot:
        bot.request("GET", path)
        return bot.getresponse().status
    return None


def wait_for_answers(port: int, said: Callable[[], str]) -> None:
    """Wait until the bot says that it is alive, and that it serves people."""
    deadline = time.monotonic() + ANSWER_LIMIT_S
    for path in ("/healthz", "/readyz"):
        while (code := answer(port, path)) != 200:
            assert time.monotonic() < deadline, f"{path} answers {code}:\n{said()}"
            time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Account:
    """An account of a bot: the file with its settings, and the port at which the bot answers."""

    file: Path
    port: int


@pytest.fixture
def account(synapse: ThrowawaySynapse, portal: BlockingPortal, tmp_path: Path) -> Account:
    """A new account."""
    port, file = free_port(), tmp_path / "surfaces-bot.env"
    user_id = portal.call(synapse.register, f"deployed-{port}", PASSWORD)
    file.write_text(settings(synapse.url, user_id, PASSWORD, port))
    return Account(file, port)


@pytest.fixture
def container(image: Podman, account: Account) -> Iterator[Podman]:
    """The podman in which the bot runs, and serves."""
    image.start(account.file)
    try:
        wait_for_answers(account.port, image.said)
        yield image
    finally:
        image.do("rm", "--force", "--volumes", NAME)


def test_a_small_debian_is_made_of_what_this_machine_has(space: Space, debian: Path) -> None:
    for program in ("python3", "systemctl"):
        space.do("tar", "--list", f"--file={debian}", f"./usr/bin/{program}")


def test_podman_runs_it(podman: Podman) -> None:
    podman.do("image", "exists", BASE)


def test_the_image_is_built(image: Podman) -> None:
    image.do("image", "exists", IMAGE)


def test_the_container_serves_and_its_health_check_says_so(container: Podman) -> None:
    container.do("healthcheck", "run", NAME)


def test_the_container_has_a_user_of_its_own_who_writes_nothing_but_the_volume(
    container: Podman,
) -> None:
    assert container.inside("id", "-u") == OWN_USER
    found = container.inside("find", "/", "-xdev", *WRITABLE).splitlines()
    assert [line for line in found if line.startswith("/")] == ["/data"]
    assert "lambda_matrix.db" in container.inside("ls", "/data").split()


def test_the_program_in_the_image_is_not_its_users_to_change(image: Podman) -> None:
    """Not even where the file system is not read-only."""
    assert image.once("find", PROGRAMS, *WRITABLE) == ""


def test_a_container_that_is_told_to_stop_ends_well(container: Podman) -> None:
    container.do("stop", NAME)
    assert container.do("inspect", "--format={{.State.ExitCode}}", NAME) == "0"


@dataclass(frozen=True, slots=True)
class Service:
    """The unit in a machine, and where its bot says how it is."""

    machine: Booted
    port: int
    settings: Path

    def start(self, *how: str) -> None:
        """Have systemd start the bot, and wait until it has."""
        done = self.machine("systemctl", *(how or ("start",)), UNIT.name)
        assert done.returncode == 0, done.stdout + self.journal()

    def shown(self, name: str) -> str:
        """A property that systemd knows of the unit."""
        return self.machine.do("systemctl", "show", "--value", f"--property={name}", UNIT.name)

    def journal(self) -> str:
        return self.machine.do("journalctl", "--no-pager", "--lines=20", f"--unit={UNIT.name}")

    def wait_until_it_serves(self) -> None:
        wait_for_answers(self.port, self.journal)


@pytest.fixture
def service(machine: Booted, account: Account) -> Iterator[Service]:
    """The unit, stopped, with the account of its bot in its settings."""
    machine.put(account.file, "/etc", mode="0600")
    yield Service(machine, account.port, account.file)
    machine.do("systemctl", "stop", UNIT.name)
    machine("systemctl", "reset-failed", UNIT.name)


def test_the_unit_starts_a_bot_that_serves(service: Service) -> None:
    service.start("enable", "--now")
    assert service.shown("ActiveState") == "active"
    assert service.shown("StatusText").startswith("live")
    service.wait_until_it_serves()


def test_the_command_that_the_unit_shows_finds_its_bot(service: Service) -> None:
    service.start()
    said = service.machine.do("sh", "-c", shown_command())
    assert "live" in said


def test_a_bot_that_is_killed_is_started_again(service: Service) -> None:
    service.start()
    killed = service.shown("MainPID")
    service.machine.do("systemctl", "kill", "--kill-who=main", "--signal=KILL", UNIT.name)
    wait_until(
        lambda: service.shown("NRestarts") == "1" and service.shown("ActiveState") == "active",
        "a restart",
        limit_s=ANSWER_LIMIT_S,
    )
    assert service.shown("MainPID") != killed
    service.wait_until_it_serves()


def test_a_bot_that_is_told_to_stop_ends_well(service: Service) -> None:
    service.start()
    service.machine.do("systemctl", "stop", UNIT.name)
    assert service.shown("ActiveState") == "inactive"
    assert (service.shown("Result"), service.shown("ExecMainStatus")) == ("success", "0")


def test_a_bot_whose_credentials_are_refused_is_not_started_again(service: Service) -> None:
    service.settings.write_text(service.settings.read_text().replace(PASSWORD, "another"))
    service.machine.put(service.settings, "/etc", mode="0600")
    assert service.machine("systemctl", "start", UNIT.name).returncode == 1
    assert (service.shown("ActiveState"), service.shown("ExecMainStatus")) == ("failed", "78")
    assert service.shown("NRestarts") == "0"
