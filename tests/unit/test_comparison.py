"""The demo's comparison of the database before a loss and after the recovery."""

from demo.comparison import count, differences

ROW = {"chat_id": "C1", "display_name": "Chat 1"}


def test_the_same_rows_in_another_order_do_not_differ() -> None:
    assert differences({"a": ROW, "b": {}}, {"b": {}, "a": dict(ROW)}) == []


def test_a_missing_and_a_new_row_are_named() -> None:
    assert differences({"a": ROW}, {"b": ROW}) == ["a is missing", "b is new"]


def test_each_changed_field_is_named_with_both_values() -> None:
    after = {"a": {"chat_id": "C2", "display_name": "Chat 1", "space_id": "!s"}}
    assert differences({"a": ROW}, after) == [
        "a: chat_id was 'C1' and is 'C2'",
        "a: space_id was None and is '!s'",
    ]


def test_rows_are_counted_by_their_kind() -> None:
    rows = {"chat:@a:b:C1": ROW, "chat:@a:b:C2": ROW, "matrix_user:@a:b": {}}
    assert (count(rows, "chat"), count(rows, "matrix_user"), count(rows, "matrix_room")) == (
        2,
        1,
        0,
    )
