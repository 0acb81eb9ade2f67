import anyio
import pytest

from actors.ports import HomeserverUnavailable
from adapter.matrix.together import together

pytestmark = pytest.mark.anyio


async def test_both_are_asked_before_either_has_answered() -> None:
    asked = [anyio.Event(), anyio.Event()]

    async def ask(mine: int) -> int:
        asked[mine].set()
        await asked[1 - mine].wait()
        return mine

    with anyio.fail_after(5):
        assert await together(lambda: ask(0), lambda: ask(1)) == (0, 1)


@pytest.mark.parametrize("failing", [0, 1])
async def test_a_failure_of_one_ends_the_other_and_is_raised_as_it_is(failing: int) -> None:
    ended = anyio.Event()

    async def fail() -> None:
        raise HomeserverUnavailable("gone")

    async def hang() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    requests = [hang, hang]
    requests[failing] = fail
    with pytest.raises(HomeserverUnavailable, match="gone"):
        await together(requests[0], requests[1])
    assert ended.is_set()
