"""The status page in a real browser: what a person sees, hears and can do there."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.async_api import Browser, ViewportSize

from actors.platform_state import PlatformState
from actors.replies.values import Stage
from supervisor.lifecycle import State
from supervisor.status.platform import REMEDIES
from supervisor.status.snapshot import (
    LISTED,
    AtWork,
    Leading,
    Snapshot,
    Streaming,
    WorkersSeen,
    encode,
    rfc3339,
    within_bounds,
)
from supervisor.status.workers import START_ONE
from tests.browser.conftest import Scheme, Visit, unfolded
from tests.browser.scripts import CONTRASTS, FOCUSED, READY
from tests.browser.stage import (
    HOSTILE,
    Puppet,
    by_workers,
    crowded,
    degraded,
    live,
    now_s,
    on_stage,
    platform_in,
    standing_by,
    warm,
    without_worker,
    young,
)

pytestmark = pytest.mark.anyio

PHONE: ViewportSize = {"width": 360, "height": 740}
DESK: ViewportSize = {"width": 1180, "height": 900}


# --- what is seen


async def test_the_state_and_its_reason_are_the_first_thing_to_read(
    visit: Visit, puppet: Puppet
) -> None:
    await visit.open(puppet)
    assert await visit.text("#state") == "live"
    assert await visit.text("#reason") == "0 changes, 1 conflict"
    assert "for 20 min" in await visit.text("#since")
    assert await visit.page.title() == "live · @surfaces:example.org"
    assert await visit.text("#figures") == (
        "Owners\n250\nRooms\n1,252\nQuarantined\n2\nTo handle\n3\nTo send\n1\nUpkeep due\n12"
    )
    assert visit.complaints == []


async def test_a_degraded_bot_says_what_is_missing_and_counts_down(
    visit: Visit, puppet: Puppet
) -> None:
    puppet.says = degraded()
    await visit.open(puppet)
    assert await visit.text("#state") == "degraded"
    assert await visit.text("#reason") == "homeserver lost: connection refused"
    first = await visit.text("#next")
    assert first.startswith("Recovery attempt 4: in 2")
    await visit.page.locator("#next").filter(has_not_text=first).wait_for()


async def test_a_second_process_on_the_account_is_told_above_all(
    visit: Visit, puppet: Puppet
) -> None:
    await visit.open(puppet)
    line = visit.page.locator("#second-instance")
    await line.wait_for(state="hidden")
    puppet.says = replace(puppet.says, second_instance=HOSTILE)
    await line.wait_for(state="visible")
    assert HOSTILE[:12] in await visit.text("#second-instance")
    puppet.says = replace(puppet.says, second_instance=None)
    await line.wait_for(state="hidden")


async def test_why_no_rooms_are_created_is_told_above_all(visit: Visit, puppet: Puppet) -> None:
    await visit.open(puppet)
    line = visit.page.locator("#creates-no-rooms")
    await line.wait_for(state="hidden")
    puppet.says = replace(puppet.says, creates_no_rooms=HOSTILE)
    await line.wait_for(state="visible")
    assert f"No Space and no chat is created: {HOSTILE[:12]}" in await visit.text(
        "#creates-no-rooms"
    )
    puppet.says = replace(puppet.says, creates_no_rooms=None)
    await line.wait_for(state="hidden")


async def test_a_platform_that_is_well_shows_its_work_and_no_worry(
    visit: Visit, puppet: Puppet
) -> None:
    await visit.open(puppet)
    assert await visit.text("#platform-title") == "Platform openai"
    assert "well for 44 min" in await visit.text("#platform-state")
    assert await visit.text("#platform-figures") == (
        "Replies in work\n2\nWaiting\n1\nDone\n1,830\nFirst word, median\n0.6 s\n"
        "Whole reply, median\n7.4 s\nTokens read\n2.41M\nTokens written\n391K"
    )
    assert await visit.text("#platform-ended") == (
        "Besides, 12 stopped, 1 refused, 3 failed, 9 retried."
    )
    assert not await visit.page.locator("#platform-trouble").is_visible()
    assert visit.complaints == []


@pytest.mark.parametrize("state", [PlatformState.UNAVAILABLE, PlatformState.MISCONFIGURED])
async def test_a_platform_that_does_not_answer_is_told_above_all_with_the_remedy(
    state: PlatformState, visit: Visit, puppet: Puppet
) -> None:
    await visit.open(puppet)
    line = visit.page.locator("#platform-trouble")
    puppet.says = platform_in(state, HOSTILE)
    await line.wait_for(state="visible")
    assert f"The platform openai is {state}: {HOSTILE[:12]}" in await visit.text("#platform-what")
    assert await visit.text("#platform-remedy") == REMEDIES[state]
    assert (await visit.text("#platform-state")).startswith(f"{state} for 4 min")
    assert visit.complaints == []
    puppet.says = live()
    await line.wait_for(state="hidden")


async def test_workers_show_what_they_do(visit: Visit, puppet: Puppet) -> None:
    await visit.open(puppet)
    assert not await visit.page.locator("#workers").is_visible()
    puppet.says = by_workers(WorkersSeen(alive=2, in_work=5, waiting=3, oldest_waiting_s=72.0))
    await visit.page.locator("#workers").wait_for(state="visible")
    assert await visit.text("#workers-figures") == (
        "Running\n2\nQuestions in work\n5\nWaiting\n3\nOldest waiting\n1 min 12 s"
    )
    puppet.says = by_workers(WorkersSeen(alive=1, in_work=0, waiting=0))
    await visit.page.locator("#workers-figures").filter(has_text="–").wait_for()
    puppet.says = by_workers(WorkersSeen())
    await visit.page.locator("#workers-figures .unknown").first.wait_for()
    assert await visit.page.locator("#workers-figures .unknown").count() == 4
    assert not await visit.page.locator("#workers-trouble").is_visible()
    assert visit.complaints == []


async def test_a_bot_without_a_worker_says_once_what_to_do(visit: Visit, puppet: Puppet) -> None:
    puppet.says = without_worker()
    await visit.open(puppet)
    assert await visit.text("#workers-what") == "No worker is running."
    assert await visit.text("#workers-remedy") == START_ONE
    assert not await visit.page.locator("#platform-trouble").is_visible()
    assert await visit.text("#workers-figures .attention dd") == "0"
    puppet.says = live()
    await visit.page.locator("#workers-trouble").wait_for(state="hidden")
    assert visit.complaints == []


async def test_a_busy_platform_is_no_alarm_but_says_why_people_wait(
    visit: Visit, puppet: Puppet
) -> None:
    puppet.says = platform_in(PlatformState.BUSY, "busy for 20 s")
    await visit.open(puppet)
    assert await visit.text("#platform .reason") == (
        f"busy for 20 s. {REMEDIES[PlatformState.BUSY]}"
    )
    assert not await visit.page.locator("#platform-trouble").is_visible()


async def test_a_platform_without_replies_has_no_times_and_a_bot_without_platform_no_section(
    visit: Visit, puppet: Puppet
) -> None:
    seen = live().platform
    assert seen is not None
    new = replace(seen, replies=dict.fromkeys(seen.replies, 0), first_token_s=None, reply_s=None)
    puppet.says = replace(live(), platform=new)
    await visit.open(puppet)
    assert "First word, median\n–" in await visit.text("#platform-figures")
    assert not await visit.page.locator("#platform-ended").is_visible()
    puppet.says = replace(live(), platform=None)
    await visit.page.locator("#platform").wait_for(state="hidden")
    assert visit.complaints == []


@pytest.mark.parametrize("state", list(State))
async def test_the_picture_marks_the_state_and_says_it_in_words(
    state: State, visit: Visit, puppet: Puppet
) -> None:
    lifecycle = replace(puppet.says.lifecycle, state=str(state))
    puppet.says = replace(puppet.says, lifecycle=lifecycle)
    await visit.open(puppet)
    marked = visit.page.locator("#lifecycle .node.current")
    assert await marked.evaluate_all("nodes => nodes.map(n => n.dataset.state)") == [str(state)]
    label = await visit.page.locator("#lifecycle").get_attribute("aria-label")
    assert label is not None
    assert f"The bot is in state {state}" in label


async def test_the_timeline_draws_each_stay_in_its_lane(visit: Visit, puppet: Puppet) -> None:
    await visit.open(puppet)
    stays = await visit.page.locator("#timeline .stay").evaluate_all(
        """rects => rects.map(r => ({
             state: r.dataset.state, y: +r.getAttribute("y"),
             from: +r.getAttribute("x"), to: +r.getAttribute("x") + +r.getAttribute("width") }))"""
    )
    assert [stay["state"] for stay in stays] == [
        "login",
        "hydrate",
        "reconcile",
        "live",
        "degraded",
        "hydrate",
        "reconcile",
        "live",
    ]
    lanes = {stay["state"]: stay["y"] for stay in stays}
    assert len(set(lanes.values())) == 5
    assert all(stay["to"] - stay["from"] >= 3 for stay in stays)
    outage, last = stays[4], stays[7]
    assert stays[3]["to"] == pytest.approx(outage["from"], abs=0.5)
    assert last["to"] > max(stay["to"] for stay in stays[:7])
    label = await visit.page.locator("#timeline").get_attribute("aria-label")
    assert label is not None
    assert "degraded 4 min" in label


async def test_another_span_of_time_can_be_chosen(visit: Visit, puppet: Puppet) -> None:
    await visit.open(puppet)
    await visit.page.get_by_role("radio", name="15 min").check()
    assert await visit.page.locator("#timeline .stay").count() == 1
    await visit.page.get_by_role("radio", name="week").check()
    assert await visit.page.locator("#timeline .stay").count() == 8


async def test_the_transitions_are_a_table_with_the_newest_first(
    visit: Visit, puppet: Puppet
) -> None:
    await visit.open(puppet)
    await visit.page.get_by_text("Transitions, newest first").click()
    rows = visit.page.locator("#steps tr")
    assert await rows.count() == 7
    cells = await rows.first.locator("th, td").all_inner_texts()
    assert cells[1:] == ["reconcile", "live", "reconciled\n0 changes, 1 conflict", "0.5 s"]


async def test_a_quarantined_room_is_named_with_its_reason_and_next_probe(
    visit: Visit, puppet: Puppet
) -> None:
    await visit.open(puppet)
    row = visit.page.locator("#quarantined tr").first
    text = await row.inner_text()
    for expected in (
        "Tax questions",
        "C4 · !Jq1wXkP2:example.org",
        "@alice:example.org",
        "the platform answered with something that is no text",
        "probed once",
        "1 min 3",
        "ago",
        "in 1 min 1",
    ):
        assert expected in text


async def test_the_last_reconciliation_is_told_with_its_conflicts(
    visit: Visit, puppet: Puppet
) -> None:
    await visit.open(puppet)
    assert "joined rooms\t1,252" in await visit.text("#reconciled")
    assert "owner ambiguous" in await visit.text("#conflicting")


async def test_a_bot_that_was_just_started_says_what_is_not_known_yet(
    visit: Visit, puppet: Puppet
) -> None:
    puppet.says = young()
    await visit.open(puppet)
    assert await visit.text("#reason") == "opening the files"
    assert "To handle\nunknown" in await visit.text("#figures")
    assert await visit.text("#reconciled-at") == "No reconciliation yet."
    assert not await visit.page.locator("#quarantine").is_visible()
    assert visit.complaints == []


async def test_of_many_rooms_some_are_listed_and_the_rest_is_counted(
    visit: Visit, puppet: Puppet
) -> None:
    puppet.says = replace(puppet.says, rooms={**puppet.says.rooms, "quarantined": 5000})
    await visit.open(puppet)
    assert await visit.text("#quarantine-more") == "and 4,998 more, which are not listed"


async def test_of_very_many_things_fifty_are_listed_and_the_rest_is_counted(
    visit: Visit, puppet: Puppet
) -> None:
    puppet.says = within_bounds(crowded())
    assert len(encode(puppet.says)) < 100_000
    await visit.open(puppet)
    listed = "#conversations", "#steps", "#quarantined", "#conflicting", "#owners"
    counts = [await visit.page.locator(f"{each} tr").count() for each in listed]
    assert counts == [LISTED] * len(listed)
    await visit.page.get_by_text("Transitions, newest first").click()
    for name, more in (
        ("work", "1,150"),
        ("steps", "69"),
        ("quarantine", "3,950"),
        ("conflicts", "2,950"),
    ):
        assert await visit.text(f"#{name}-more") == f"and {more} more, which are not listed"
    assert "10,000 owners have a Space. The first 50" in await visit.text("#owners-line")
    assert visit.complaints == []


async def test_conversations_at_work_show_what_people_see_of_the_answers(
    visit: Visit, puppet: Puppet
) -> None:
    await visit.open(puppet)
    assert await visit.text("#work-total") == "7 conversations"
    assert await visit.text("#work-figures") == (
        "Streaming\n1\nAnswering\n1\nEnding\n1\nAsked\n1\nWaiting\n1\nQueued\n2"
    )
    first = visit.page.locator("#conversations tr").first
    cells = await first.locator("th, td").all_inner_texts()
    assert [cells[0], cells[1], cells[2], cells[4]] == [
        "Thesis\nC2 · !Qm3kXz8:example.org",
        "@alice:example.org",
        "streaming\n1 message behind it",
        "4,310 characters in 2 messages\n4,512 characters said",
    ]
    assert re.fullmatch(r"1 min 1\d s ago", cells[3])
    last = await visit.page.locator("#conversations tr").last.locator("td").all_inner_texts()
    assert last[2:] == ["not known", "nothing yet"]
    assert await visit.text("#pace") == (
        "Growing answers are shown with at most 0.3 live edits a second; 4,210 sent; "
        "left out: 12 busy, 30 limited, 977 no token."
    )
    assert visit.complaints == []


async def test_without_conversations_at_work_there_are_none(visit: Visit, puppet: Puppet) -> None:
    work = AtWork(counts=dict.fromkeys(Stage, 0))
    streaming = Streaming(off="BOT_STREAM=off", per_s=0.3, live_edits={"sent": 0})
    puppet.says = replace(puppet.says, at_work=work, streaming=streaming)
    await visit.open(puppet)
    assert await visit.text("#work-total") == "none"
    assert not await visit.page.locator("#working").is_visible()
    assert await visit.text("#pace") == "Growing answers are not shown: BOT_STREAM=off; 0 sent."
    puppet.says = replace(puppet.says, at_work=None)
    await visit.page.locator("#work").wait_for(state="hidden")


async def test_of_several_processes_it_is_shown_which_one_leads(
    visit: Visit, puppet: Puppet
) -> None:
    await visit.open(puppet)
    assert not await visit.page.locator("#leading").is_visible()
    puppet.says = crowded()
    await visit.wait_for_text("#leading", "Leader: this process leads as")
    assert "process 1 on a\u2069, epoch 7." in await visit.text("#leading")
    puppet.says = standing_by()
    await visit.wait_for_text("#leading", "Standby: \u2068process 1 on a\u2069 leads, epoch 7.")
    assert await visit.text("#state") == "standby"
    puppet.says = replace(standing_by(), leading=Leading(role="standby", epoch=7))
    await visit.wait_for_text("#leading", "Standby: no process leads, epoch 7.")


# --- what happens by itself


async def test_a_change_is_shown_without_a_reload(visit: Visit, puppet: Puppet) -> None:
    await visit.open(puppet)
    puppet.says = degraded()
    await visit.wait_for_text("#state", "degraded")
    assert await visit.page.title() == "degraded · @surfaces:example.org"
    puppet.says = live()
    await visit.wait_for_text("#state", "live")
    assert sum(url.endswith("/") for url in visit.requests) == 1


async def test_a_bot_that_reads_no_further_says_why(visit: Visit, puppet: Puppet) -> None:
    puppet.says = replace(live(), reading_paused="reading pauses: more than 9 messages wait")
    await visit.open(puppet)
    await visit.wait_for_text("#reason", "reading pauses: more than 9 messages wait")
    puppet.says = live()
    await visit.wait_for_text("#reason", "0 changes, 1 conflict")


async def test_a_reader_keeps_their_place_while_other_things_change(
    visit: Visit, puppet: Puppet
) -> None:
    await visit.open(puppet)
    await visit.page.get_by_text("List of owners").click()
    region = visit.page.get_by_role("region", name="Table of owners")
    await region.focus()
    await visit.page.locator("#owners tr").first.evaluate("row => { row.dataset.kept = 'yes' }")
    puppet.says = replace(puppet.says, inbox_waiting=77)
    await visit.wait_for_text("#figures", "77")
    assert await visit.page.locator("#owners tr[data-kept]").count() == 1
    assert await region.evaluate("element => element === document.activeElement")


async def test_a_bot_that_is_gone_is_said_to_be_gone_and_found_again(visit: Visit) -> None:
    async with on_stage() as puppet:
        port = int(puppet.url.rstrip("/").rpartition(":")[2])
        await visit.open(puppet)
        assert not await visit.page.locator("#connection").is_visible()
    await visit.page.locator("#connection").wait_for(state="visible", timeout=15_000)
    assert "The bot has not answered since" in await visit.text("#connection")
    assert await visit.text("#state") == "live"
    async with on_stage(degraded(), port):
        await visit.wait_for_text("#state", "degraded")
        await visit.page.locator("#connection").wait_for(state="hidden", timeout=15_000)


async def test_a_bot_that_was_stopped_says_so_with_its_last_word(visit: Visit) -> None:
    async with on_stage() as puppet:
        await visit.open(puppet)
        lifecycle = replace(puppet.says.lifecycle, state="stopped", reason="SIGTERM")
        puppet.says = replace(puppet.says, lifecycle=lifecycle)
    await visit.wait_for_text("#connection", "The bot has stopped")
    assert (await visit.text("#state"), await visit.text("#reason")) == ("stopped", "SIGTERM")


async def test_of_a_report_only_what_happened_is_told(visit: Visit, puppet: Puppet) -> None:
    report = puppet.says.reconciled
    assert report is not None
    counts = {"joined_rooms": 0, "restored_chat_rows": 0, "removed_rows": 4, "changes": 0}
    puppet.says = replace(puppet.says, reconciled=replace(report, counts=counts))
    await visit.open(puppet)
    names = await visit.page.locator("#reconciled th").all_inner_texts()
    assert names == ["joined rooms", "removed rows", "changes", "skipped rooms", "conflicts"]


async def test_after_a_start_that_found_nothing_changed_nothing_looks_wrong(
    visit: Visit, puppet: Puppet
) -> None:
    puppet.says = warm()
    await visit.open(puppet)
    rooms = await visit.text("#rooms")
    assert "unchanged\t1,250" in rooms
    assert "unchecked\t0" in rooms
    assert "found no changed rooms" in await visit.text("#reconciled-at")
    assert await visit.page.locator("#reconciled tr").count() == 0
    assert "no conflicts in the changed rooms" in await visit.text("#no-conflicts")
    report = warm().reconciled
    assert report is not None
    report = replace(report, counts={"joined_rooms": 3, "changes": 1})
    puppet.says = replace(puppet.says, reconciled=report)
    await visit.wait_for_text("#reconciled", "changed rooms")


# --- what strangers write


async def test_a_hostile_name_is_only_text(visit: Visit, puppet: Puppet) -> None:
    puppet.says = replace(
        puppet.says,
        user_id=HOSTILE,
        lifecycle=replace(puppet.says.lifecycle, state=HOSTILE, reason=HOSTILE, cause=HOSTILE),
        rooms={HOSTILE: 3, **puppet.says.rooms},
        owners=tuple(replace(owner, user_id=HOSTILE) for owner in puppet.says.owners),
    )
    await visit.open(puppet)
    listed = "#quarantined", "#conflicting", "#conversations"
    for selector in ("#reason", "#state", "#user-id", *listed):
        text = await visit.text(selector)
        assert "<img src=x onerror=alert(1)>" in text
        assert "\\u{202e}gnp.exe\\u{0}" in text
        assert "\u202e" not in text
    assert await visit.page.locator("main img, main script, main b").count() == 0
    assert visit.complaints == []


@pytest.mark.parametrize(
    "attempt",
    [
        'document.body.innerHTML = "<img src=x onerror=alert(1)>"',
        'document.createElement("img").setAttribute("onerror", "alert(1)")',
        'document.createElement("script").src = "data:,alert(1)"',
        'document.write("<script>alert(1)</script>")',
    ],
)
async def test_even_our_own_code_could_not_make_markup_of_text(
    attempt: str, visit: Visit, puppet: Puppet
) -> None:
    await visit.open(puppet)
    refused = await visit.page.evaluate(
        f'() => {{ try {{ {attempt}; return "" }} catch (error) {{ return error.name }} }}'
    )
    assert refused == "TypeError"


async def test_nothing_is_asked_of_anybody_else(visit: Visit, puppet: Puppet) -> None:
    await visit.open(puppet)
    assert visit.requests
    assert all(url.startswith(puppet.url) for url in visit.requests)


# --- for everybody


async def test_it_can_be_used_with_the_keyboard_alone(visit: Visit, puppet: Puppet) -> None:
    await visit.open(puppet)
    press = visit.page.keyboard.press
    reached: list[str] = []
    for _ in range(14):
        await press("Tab")
        reached.append(await visit.page.evaluate(FOCUSED))
    assert reached[:4] == [
        "Skip to the state of the bot",
        "Table of conversations",
        "3600",
        "Transitions, newest first",
    ]
    assert reached[4:8] == [
        "Table of quarantined rooms",
        "Table of conflicts",
        "List of owners",
        "status.json",
    ]


async def test_skipping_leads_to_the_state(visit: Visit, puppet: Puppet) -> None:
    await visit.open(puppet)
    await visit.page.keyboard.press("Tab")
    await visit.page.keyboard.press("Enter")
    assert await visit.page.evaluate("document.activeElement.id") == "main"


async def test_the_span_is_chosen_with_the_arrow_keys(visit: Visit, puppet: Puppet) -> None:
    await visit.open(puppet)
    await visit.page.get_by_role("radio", name="hour").focus()
    await visit.page.keyboard.press("ArrowLeft")
    assert await visit.page.get_by_role("radio", name="15 min").is_checked()
    assert await visit.page.locator("#timeline .stay").count() == 1


async def test_a_screen_reader_finds_its_way(visit: Visit, puppet: Puppet) -> None:
    await visit.open(puppet)
    tree = await visit.page.locator("body").aria_snapshot()
    for expected in (
        "- banner",
        "- main",
        "- contentinfo",
        '- heading "Current state" [level=1]',
        '- heading "Lifecycle" [level=2]',
        '- region "Quarantined rooms"',
        '- columnheader "Next probe"',
        '- rowheader "ready"',
        '- group "Time shown"',
        '- radio "1 hour" [checked]',
        '- img "A start leads through standby, then login, then hydrate, then reconcile, then',
    ):
        assert expected in tree, tree
    sentence = visit.page.locator("#sentence")
    assert await sentence.get_attribute("aria-live") == "polite"
    assert await sentence.locator("#since").count() == 0


def busy() -> Snapshot:
    """A bot whose platform is busy."""
    return platform_in(PlatformState.BUSY, "busy for 20 s")


def unavailable() -> Snapshot:
    """A bot whose platform is down."""
    return platform_in(PlatformState.UNAVAILABLE, "Connection refused")


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "says",
    [
        live,
        pytest.param(degraded, marks=pytest.mark.slow),
        pytest.param(young, marks=pytest.mark.slow),
        pytest.param(busy, marks=pytest.mark.slow),
        pytest.param(unavailable, marks=pytest.mark.slow),
        pytest.param(without_worker, marks=pytest.mark.slow),
        pytest.param(crowded, marks=pytest.mark.slow),
        pytest.param(standing_by, marks=pytest.mark.slow),
    ],
)
async def test_everything_can_be_read_in_every_light_and_on_every_width(
    says: Callable[[], Snapshot],
    scheme: Scheme,
    viewport: ViewportSize,
    browser: Browser,
) -> None:
    async with unfolded(browser, says(), viewport, scheme) as page:
        assert await page.evaluate(CONTRASTS) == []
        width, shown = await page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert width == shown
        ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(244, 245, 247)", "dark": "rgb(14, 17, 22)"}[scheme]


async def test_on_a_phone_a_table_is_still_one_to_a_screen_reader(
    browser: Browser, puppet: Puppet
) -> None:
    async with await browser.new_context(viewport=PHONE) as context:
        page = await context.new_page()
        await page.goto(puppet.url)
        await page.locator(READY).wait_for()
        tree = await page.locator("#quarantine").aria_snapshot()
        assert '- columnheader "Next probe"' in tree
        assert '- rowheader "Tax questions C4' in tree
        cell = page.locator("#quarantined td").last
        assert await cell.evaluate("cell => getComputedStyle(cell, '::before').content") == (
            '"Next probe"'
        )


async def test_whoever_wants_no_motion_sees_none(browser: Browser, puppet: Puppet) -> None:
    async with await browser.new_context(reduced_motion="reduce") as context:
        page = await context.new_page()
        await page.goto(puppet.url)
        await page.locator(READY).wait_for()
        assert await page.evaluate("document.getAnimations().length") == 0


async def test_without_javascript_it_says_where_else_to_look(
    browser: Browser, puppet: Puppet
) -> None:
    async with await browser.new_context(java_script_enabled=False) as context:
        page = await context.new_page()
        await page.goto(puppet.url)
        assert "surfaces-bot status" in await page.locator("noscript").inner_text()


async def test_a_clock_that_is_wrong_here_makes_no_wrong_durations(
    browser: Browser, puppet: Puppet
) -> None:
    since = rfc3339(now_s() - 125)
    puppet.says = replace(puppet.says, lifecycle=replace(puppet.says.lifecycle, since=since))
    async with await browser.new_context() as context:
        page = await context.new_page()
        await page.clock.install(time=now_s() - 86_400)
        await page.goto(puppet.url)
        await page.locator(READY).wait_for()
        assert "for 2 min" in await page.locator("#since").inner_text()
