"""Every sentence of docs/runtime-semantics.md has a test that proves it."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
TESTS: Final = ROOT / "tests"
NUMBERED: Final = re.compile(r"^(\d+)\. (.*(?:\n {3,}.*)*)", re.MULTILINE)
SENTENCE_END: Final = re.compile(r"\.(?=\s|$)")

# The tests of each guarantee, at least one for each of its sentences and in their order. The
# simulation proves most of them once more, under every kind of trouble at once.
PROOFS: Final = {
    1: (
        "what_a_sync_brings_is_one_transaction",
        "nobody_is_told_before_it_is_written",
        "a_message_that_comes_again_is_ignored",
        "an_odd_part_of_a_sync_costs_that_part_only",
    ),
    2: (
        "a_gap_is_filled_in_order",
        "more_than_a_sync_shows_is_fetched_and_answered_in_order",
        "a_gap_that_cannot_be_read_holds_up_its_own_room_alone",
        "what_is_said_while_a_gap_is_filled_comes_after_it",
    ),
    3: (
        "text_is_answered_by_the_platform_once_and_in_order",
        "messages_wait_in_the_order_of_their_acceptance",
        "rooms_are_answered_side_by_side",
        "commands_of_the_owner_are_handled_while_a_question_is_in_work",
    ),
    4: (
        "a_commit_is_wholly_in_or_wholly_out",
        "a_kill_at_any_instant_loses_no_answer_and_gives_none_twice",
        "a_file_is_shown_once_whenever_the_bot_is_killed",
        "a_stopped_answer_ends_in_place_as_far_as_it_goes",
        "a_kill_at_any_step_leaves_one_message",
        "a_kill_at_any_step_leaves_one_message_for_each_part",
    ),
    5: (
        "a_rate_limited_send_waits_and_keeps_the_order",
        "a_send_whose_answer_was_lost_is_sent_once",
        "a_transaction_is_carried_out_once",
        "a_message_that_is_too_large_is_sent_plain_or_cut",
        "after_a_day_a_reply_is_looked_for_before_it_is_sent_again",
        "with_another_session_a_reply_is_looked_for_before_it_is_sent_again",
        "a_sender_waits_no_longer_once_another_room_was_answered",
        "a_sender_waits_no_longer_once_the_bot_is_live_again",
        "one_room_that_refuses_oddly_keeps_its_reply_and_stops_nobody",
        "a_limited_edit_is_left_out",
        "the_end_waits_for_the_answer_to_a_live_edit",
        "the_end_waits_no_longer_than_so_long",
    ),
    6: (
        "a_platform_that_fails_is_asked_again_under_the_same_key",
        "text_is_answered_by_the_platform_once_and_in_order",
        "the_platform_gets_the_quote_apart_from_the_persons_text",
        "a_quote_that_cannot_be_read_does_not_stop_the_answer",
        "a_question_in_a_thread_is_answered_there_in_every_part",
        "a_message_that_its_thread_does_not_take_is_sent_outside_of_it",
        "a_second_attempt_goes_on_in_the_same_message_and_never_shows_less",
        "the_message_of_a_deleted_question_is_taken_back",
    ),
    7: (
        "what_people_said_or_were_promised_is_not_handled_before_the_bot_is_live",
        "what_was_said_while_the_bot_was_down_is_answered_once",
        "reading_pauses_while_too_much_waits",
        "while_too_much_waits_a_start_reads_once_and_no_further",
    ),
    8: (
        "our_own_messages_are_not_heard",
        "notices_edits_and_empty_texts_are_not_answered",
        "a_message_in_a_room_with_others_makes_nothing",
        "a_guest_is_answered_as_the_setting_says",
        "an_edit_of_the_last_question_is_answered_anew",
        "a_program_that_answers_each_answer_is_paused_and_told_once",
        "what_waits_when_the_bot_leaves_is_dropped",
        "what_waits_is_dropped_when_the_bot_is_out_and_back_before_it_looks",
        "the_way_is_told_once_in_an_hour",
    ),
    9: (
        "a_message_that_failed_five_times_is_dead_and_its_sender_told_once",
        "an_outage_in_the_middle_of_an_answer_loses_nothing",
        "no_failure_is_charged_while_the_check_fails_too",
        "a_database_that_cannot_be_written_is_waited_for",
        "a_file_that_the_homeserver_fails_to_give_does_not_block_its_chat",
    ),
    10: (
        "after_a_loss_of_the_store_old_messages_are_not_answered_again",
        "an_answer_that_was_cut_off_is_finished_in_its_own_message",
        "an_answer_that_was_deleted_is_not_given_again_after_a_loss",
        "older_questions_are_asked_about_once_however_often_files_are_lost",
        "questions_of_the_last_hour_are_answered_in_order",
        "a_new_question_does_not_wait_for_what_was_missed_elsewhere",
        "an_invite_that_waited_for_the_bot_is_answered",
        "a_backup_from_after_the_last_generation_is_betrayed_by_a_missing_event",
        "after_a_restore_of_the_homeserver_every_message_is_answered_once",
        "an_old_database_repeats_nothing_and_undoes_nothing",
        "what_waits_in_an_old_database_is_not_carried_out",
        "a_question_that_waits_in_an_old_copy_is_answered_if_the_room_has_no_answer",
        "a_copy_of_the_same_generation_repeats_nothing_that_has_an_answer",
        "the_end_that_a_late_edit_covers_is_sent_again_once",
    ),
    11: (
        "a_loss_of_the_store_between_two_boots_gives_identical_rows",
        "a_round_is_written_in_one_transaction",
        "recovery_writes_nothing_on_the_server",
        "settings_survive_the_loss_of_every_file",
        "an_upgrade_moves_the_settings_to_the_replacement",
    ),
    12: (
        "any_damaged_cache_ends_in_the_rows_of_a_full_rebuild",
        "rows_that_agree_outweigh_the_name_of_a_legacy_chat",
        "a_second_run_reports_no_changes_and_writes_nothing",
    ),
    13: (
        "a_number_is_in_the_spaces_marker_before_it_is_in_the_row",
        "no_chat_id_is_shared_or_given_out_again",
        "a_kill_and_a_loss_of_the_store_give_no_number_out_twice",
    ),
    14: ("a_chat_whose_space_is_gone_is_left_alone_and_keeps_its_number",),
    15: (
        "a_start_after_a_kill_reads_only_rooms_that_have_changed",
        "a_change_that_comes_during_the_rooms_own_commit_stays_marked",
        "a_row_that_another_program_has_changed_voids_it_for_good",
        "once_a_day_all_rooms_are_read_again",
        "the_bot_walks_through_an_outage_and_back_to_live",
        "a_chat_purged_while_the_bot_is_down_is_not_listed",
    ),
    16: (
        "going_live_writes_what_is_missing_once",
        "what_upkeep_could_not_write_at_first_holds_up_no_new_chat",
    ),
    17: (
        "a_kill_at_any_instant_of_onboarding_makes_no_second_space",
        "a_room_that_was_created_without_an_answer_is_adopted_by_its_nonce",
    ),
    18: (
        "a_room_that_was_created_without_an_answer_is_adopted_by_its_nonce",
        "a_room_that_was_certainly_not_created_is_created_again",
        "a_room_that_comes_during_a_slow_look_is_adopted",
        "a_new_room_that_a_slow_list_of_rooms_lacks_is_not_made_again",
    ),
    19: (
        "two_invites_at_once_make_one_space",
        "an_owner_with_a_room_that_cannot_be_read_gets_no_new_one_before_it_can",
        "an_owner_whose_only_chat_cannot_be_read_gets_no_second_first_chat",
        "a_row_says_whose_an_unreadable_room_is",
        "a_room_without_any_evidence_may_be_anyones",
    ),
    20: (
        "a_rate_limited_creation_is_told_once_and_carried_out",
        "four_of_eight_people_are_served_after_130_seconds",
        "a_restart_keeps_the_order",
        "a_person_who_cannot_be_served_now_holds_up_no_one",
        "the_last_in_the_queue_is_told_its_place_first_and_one_at_a_time",
        "nothing_is_created_and_the_person_is_told_once",
        "another_reason_to_wait_is_told_as_well",
    ),
    21: (
        "the_state_has_changed_before_the_journal_is_written",
        "the_loss_of_the_lead_shows_at_once_while_the_journal_does_not_answer",
        "a_database_that_does_not_answer_delays_no_page_for_long",
        "every_transition_is_journaled_before_the_next_activity",
        "rows_are_written_in_the_order_in_which_they_were_noted",
        "a_journal_that_cannot_be_written_stops_nothing",
    ),
    22: (
        "the_way_back_from_degraded_never_leads_straight_to_live",
        "a_probe_that_fails_stays_degraded",
        "the_bot_stays_degraded_as_long_as_it_may_not_write",
        "nothing_is_written_to_find_out",
        "nothing_is_lost_while_the_account_is_suspended",
        "one_room_that_refuses_oddly_keeps_its_reply_and_stops_nobody",
    ),
    23: (
        "a_homeserver_that_is_not_there_at_the_start_is_waited_for",
        "refused_credentials_stop_the_bot",
        "a_lock_that_somebody_else_has_taken_meanwhile_is_lost_for_good",
        "what_no_activity_may_raise_is_a_bug_and_ends_the_process",
        "a_database_that_is_still_damaged_is_begun_anew_by_starting_again",
        "one_that_is_deleted_while_it_is_written_is_begun_anew",
    ),
    24: (
        "a_401_means_what_whoami_says",
        "a_token_without_a_password_survives_refusals_that_pass",
        "only_one_code_of_a_login_is_about_the_password",
        "a_revoked_session_is_logged_in_again_under_the_same_device",
        "a_session_revoked_again_and_again_is_somebody_elses_and_waited_for",
    ),
    25: (
        "a_homeserver_that_hangs_is_given_up_in_time",
        "stopping_names_who_is_stuck_and_waits_no_longer_than_it_may",
        "leaving_names_a_handler_that_does_not_end_and_waits_no_longer_than_it_may",
        "what_is_left_behind_does_not_keep_the_process",
        "an_answer_that_comes_too_late_is_a_dead_letter",
        "a_late_answer_of_a_round_is_not_heard_by_the_next_round",
        "an_unclear_creation_waits_its_time_whatever_happens_to_the_clock",
        "an_unclear_creation_that_began_in_the_future_began_now",
        "a_clock_set_ahead_deletes_no_settled_message",
        "a_clock_set_ahead_deletes_nothing_while_the_bot_runs",
    ),
    26: (
        "an_actor_handles_one_message_at_a_time",
        "signals_that_wait_coalesce_and_keep_their_place",
    ),
    27: (
        "a_crashed_actor_is_started_anew_and_given_its_message_again",
        "three_crashes_within_a_minute_set_a_room_aside",
        "a_quarantined_room_is_probed_and_a_success_makes_it_ready_to_be_checked",
        "a_platform_that_raises_anything_costs_its_message_alone",
        "the_pauses_of_an_actor_that_never_recovers_grow_to_the_cap_and_stay_there",
        "a_single_success_between_crashes_makes_no_pause_shorter",
        "a_handler_that_raises_the_loops_cancellation_crashes_alone",
        "a_bug_in_a_group_is_a_crash_that_rests_as_long_as_the_group_asks",
        "without_a_bug_the_longest_rest_in_a_group_counts",
    ),
    28: (
        "many_rooms_that_fail_the_same_way_are_reported_and_none_is_charged",
        "while_many_rooms_fail_the_others_are_answered",
    ),
    29: (
        "a_failure_of_the_store_is_charged_to_no_room",
        "waiting_for_the_server_is_no_crash",
        "no_failure_of_the_platform_makes_the_bot_degraded",
        "a_room_that_refuses_with_the_accounts_code_is_not_quarantined",
    ),
    30: (
        "a_kill_loses_nothing_that_was_acknowledged",
        "only_a_promise_waits_for_the_disk",
        "commits_that_come_together_share_one_transaction",
        "a_cancelled_commit_is_wholly_in_or_wholly_out",
    ),
    31: (
        "a_damaged_file_is_moved_aside_and_begun_anew",
        "one_that_is_damaged_while_it_is_written_is_begun_anew",
        "steps_migrate_every_table_that_is_kept_and_rebuild_the_cache",
        "a_kill_at_any_statement_leaves_the_old_version_or_the_new_one_whole",
        "a_later_version_rebuilds_the_cache_and_keeps_what_has_our_columns",
        "a_queue_of_a_later_version_with_other_columns_is_set_aside",
    ),
    32: (
        "an_actor_that_crashes_loses_and_doubles_no_reply",
        "a_quarantine_loses_and_doubles_no_reply",
        "an_actor_that_leaves_memory_meanwhile_gets_the_reply",
        "an_outage_of_the_homeserver_throws_no_answer_away",
        "a_kill_asks_the_question_again_and_answers_it_once",
        "leaving_a_room_ends_its_reply",
        "a_redaction_ends_the_reply_in_work_and_what_waits_is_never_asked",
    ),
    33: (
        "an_answer_is_what_the_platform_says",
        "an_error_of_the_port_has_only_values_that_make_sense",
        "everything_else_is_a_failure_of_the_platform",
        "what_does_not_end_is_left_behind_within_its_bound",
        "a_bot_with_a_platform_that_does_not_end_stops_within_its_bounds",
    ),
    34: (
        "a_platform_that_is_down_is_one_notice_a_room_and_a_queue",
        "a_misconfigured_platform_makes_all_wait_and_is_checked_every_minute",
        "no_failure_is_charged_while_the_check_fails_too",
        "an_outage_of_the_platform_costs_no_message_its_life",
        "a_platform_that_is_too_busy_for_a_check_is_not_down_while_it_answers",
    ),
    35: (
        "a_busy_platform_is_waited_for_as_it_asks",
        "a_context_that_is_too_long_is_cut_twice_at_most_and_ends_no_chat",
        "what_the_platform_refuses_is_said_and_finished",
        "an_earlier_picture_that_is_refused_does_not_spoil_the_conversation",
        "a_lost_conversation_is_asked_again_with_all_of_it",
        "one_owners_chats_leave_places_for_others",
    ),
    36: (
        "a_conversation_outlives_every_local_file",
        "turns_alternate_fit_and_contain_nothing_that_was_deleted",
        "what_is_kept_in_memory_is_what_a_new_process_reads",
        "whole_exchanges_fall_out_from_the_front",
    ),
    37: (
        "one_of_many_that_start_at_once_takes_it",
        "a_process_that_stands_by_leads_only_when_it_is_elected",
        "the_one_that_stands_by_leads_when_the_other_is_silent",
        "one_that_resigns_is_followed_at_once",
        "an_epoch_is_not_given_again_by_a_database_that_lost_it",
    ),
    38: (
        "a_write_under_an_epoch_that_has_ended_changes_nothing",
        "a_process_that_was_paused_writes_nothing_once_it_was_replaced",
        "the_loss_of_the_lead_ends_each_activity_and_a_fresh_run_follows",
        "after_lost_commits_nothing_is_written_until_the_store_is_opened_anew",
        "a_room_that_a_former_lead_asked_for_is_asked_for_again_a_minute_later",
        "a_message_that_is_finished_twice_takes_the_second_transaction_down",
        "the_session_of_the_database_is_that_of_every_process",
    ),
}  # fmt: skip


def guarantees() -> dict[int, str]:
    text = (ROOT / "docs" / "runtime-semantics.md").read_text(encoding="utf-8")
    return {int(number): body for number, body in NUMBERED.findall(text)}


def names_of_tests() -> set[str]:
    return {
        node.name.removeprefix("test_")
        for path in TESTS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_")
    }


def test_the_guarantees_are_numbered_and_each_has_its_tests() -> None:
    assert list(guarantees()) == list(range(1, len(PROOFS) + 1)) == list(PROOFS)


@pytest.mark.parametrize("number", PROOFS)
def test_every_sentence_has_a_test(number: int) -> None:
    sentences = len(SENTENCE_END.findall(guarantees()[number]))
    assert 1 <= sentences <= len(set(PROOFS[number]))


def test_every_test_that_is_named_exists() -> None:
    named = {name for proofs in PROOFS.values() for name in proofs}
    assert named - names_of_tests() == set()
