"""Every fault that was found, and every promise of the screen, has its test.

The lists are those of November 2026: inputs that ended in a traceback, a hang, an injected line or
the code of a regression, and what a person is to see. A test that goes takes its line with it.
"""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

FAULTS = {
    "1 a closed pipe, a full disk": (
        "cli/test_streams.py::test_a_reader_that_leaves_changes_nothing",
        "cli/test_streams.py::test_output_that_cannot_be_written_is_one_sentence_and_exit_2",
        "cli/test_streams.py::test_where_stderr_is_full_too_the_code_still_says_it",
    ),
    "2 a bug has a code of its own": (
        "cli/test_streams.py::test_a_bug_has_a_code_of_its_own_and_keeps_its_traceback",
        "cli/test_run.py::test_what_no_option_can_be_is_a_usage_error_and_exit_2",
        "cli/test_ab.py::test_a_side_that_cannot_be_had_is_one_sentence",
        "cli/test_ab.py::test_an_interpreter_that_speaks_another_protocol_is_one_sentence",
        "cli/test_input.py::test_a_number_beyond_all_measure_is_one_sentence",
        "cli/test_input.py::test_times_of_0_are_shown_and_explained",
        "render/test_diff.py::test_a_regression_is_red_and_brackets_are_no_markup",
    ),
    "3 texts that steer": (
        "render/test_harmless.py::test_no_text_of_a_report_steers_what_shows_it",
        "render/test_harmless.py::test_a_name_that_a_screen_would_show_otherwise_is_none",
        "render/test_sheet.py::test_no_text_is_markup",
    ),
    "4 reading without a bound": (
        "record/test_medians.py::test_a_pipe_is_refused_and_nobody_waits_for_its_writer",
        "record/test_medians.py::test_a_file_beyond_the_limit_is_refused_unread",
        "record/test_medians.py::test_the_samples_of_one_row_are_in_memory_at_a_time",
        "judge/test_noise.py::test_every_row_of_a_case_is_taken_apart_once",
        "plan/test_yaml_file.py::test_what_is_no_readable_file_is_one_sentence",
    ),
    "5 a byte-order mark": (
        "cli/test_input.py::test_a_byte_order_mark_is_no_content_of_a_report",
        "plan/test_yaml_file.py::test_a_byte_order_mark_is_no_content",
    ),
    "6 details that cannot be written": (
        "session/test_ledger.py::test_details_that_json_cannot_say_become_text",
        "session/test_session.py::test_a_faulty_backend_fails_alone_with_its_stage_and_last_words",
    ),
    "7 nonsense and silence on the line": (
        "workers/test_worker_protocol.py::test_nonsense_is_called_so",
        "workers/test_worker_protocol.py::test_silence_ends_at_the_limit_with_what_was_printed",
    ),
    "8 plug-ins that fork": (
        "session/test_session.py::test_no_process_outlives_the_session",
        "workers/test_nursery.py::test_a_fork_ends_when_its_own_line_is_hung_up_whoever_was_forked_later",
    ),
    "9 availability that exits or hangs": (
        "workers/test_probe.py::test_whatever_a_plug_in_says_is_an_answer",
        "workers/test_probe.py::test_a_plug_in_that_hangs_is_broken_and_the_others_answer",
    ),
    "10 preload that changes torch": (
        "session/test_session.py::test_what_a_plug_in_does_to_its_nursery_reaches_no_other_row",
    ),
    "11 all three streams closed": (
        "cli/test_streams.py::test_without_any_stream_a_run_writes_its_report",
    ),
    "12 a timer that tells nonsense": (
        "measure/test_timing.py::test_a_clock_that_stands_still_is_an_error_and_no_endless_search",
        "session/test_second_clock.py::test_a_sample_that_cannot_be_is_its_rows_failure",
    ),
    "13 counters that a resumed row forgot": (
        "session/test_ledger.py::test_a_row_that_goes_on_keeps_its_counters",
    ),
    "15 too few results": (
        "cli/test_kernel_file.py::test_a_mistake_of_a_first_kernel_is_said_in_its_row",
        "measure/test_verify.py::test_every_output_of_the_truth_must_be_there_and_others_do_not_matter",
    ),
    "16 results over inputs": (
        "operations/test_aliasing.py::test_a_result_over_an_input_is_right_or_refused",
    ),
    "17 checks whose premise does not hold": (
        "operations/test_batchnorm.py::test_where_torch_refuses_to_train_on_one_row_the_others_are_still_judged",
        "operations/test_batchnorm.py::test_a_row_alone_is_not_asked_of_what_needs_a_batch",
        "measure/test_verify.py::test_nothing_agrees_with_nothing",
    ),
    "19 sizes that are NumPy's": ("operations/test_aliasing.py::test_a_size_is_any_integer",),
    "20 one standard": (
        "cli/test_check.py::test_a_peer_beyond_the_ceiling_passes_with_a_caveat_that_says_where",
    ),
    "22 COLUMNS=0": (
        "cli/test_streams.py::test_a_pipe_gets_all_columns_where_nobody_says_how_wide_it_is",
    ),
}

SCREEN = {
    "something moves within the first second, everywhere": (
        "cli/test_live.py::test_a_terminal_is_told_what_is_being_done",
        "cli/test_live.py::test_the_innermost_thing_is_what_is_being_done",
    ),
    "rows as they settle, on a terminal with room": (
        "cli/test_live.py::test_rows_are_shown_as_they_settle_where_the_terminal_has_room",
        "cli/test_live.py::test_pairs_are_shown_as_they_settle",
    ),
    "at 80 columns nothing that matters is cut off": (
        "cli/test_live.py::test_what_is_done_and_for_how_long_is_never_cut_off",
    ),
    "the last line is the answer, before the notes": (
        "cli/test_show.py::test_the_answer_stands_between_a_table_and_its_notes",
        "render/test_answer.py::test_as_many_times_as_fast_is_rounded_outward",
        "render/test_answer.py::test_nobody_is_called_fastest_where_nobody_is_shown_slower",
    ),
    "--summary prints only that": (
        "cli/test_show.py::test_the_summary_alone_is_the_lines_that_stand_below_the_tables",
        "cli/test_show.py::test_the_summary_in_markdown_is_a_line_a_case",
    ),
    "a star is shown": (
        "cli/test_show.py::test_the_best_has_a_star_and_the_limit_never",
        "render/test_answer.py::test_a_backend_with_too_few_passes_is_never_beaten_by_the_fastest",
        "judge/test_summary.py",
    ),
    "a row that stopped early says so": (
        "cli/test_show.py::test_a_row_whose_time_ran_out_before_that_of_others_says_so",
        "cli/test_show.py::test_the_head_does_not_claim_the_most_passes_for_all",
    ),
    "a busy machine is said first": (
        "render/test_busy.py::test_the_line_stands_above_the_table_in_every_form",
        "render/test_busy.py::test_a_diff_says_it_of_the_side_that_it_is_about",
    ),
    "notes are grouped": (
        "render/test_notes.py::test_notes_that_differ_in_numbers_alone_are_one_line_with_the_largest",
    ),
    "columns that fit, in order of worth, each on its own": (
        "render/test_sheet.py::test_a_column_is_on_the_screen_where_those_of_more_worth_leave_it_room",
        "render/test_sheet.py::test_what_must_stay_and_has_no_room_stands_below_with_its_names",
    ),
    "--columns and --wide": (
        "cli/test_show.py::test_columns_are_chosen_by_name_and_need_no_room",
        "cli/test_show.py::test_a_column_that_is_none_is_answered_with_the_nearest_before_anything_is_read",
        "render/test_diff.py::test_the_columns_chosen_are_there_at_every_width",
    ),
    "a pipe gets all of them; COLUMNS=0 is unset": (
        "cli/test_streams.py::test_a_pipe_gets_all_columns_where_nobody_says_how_wide_it_is",
    ),
    "names are never wrapped or dropped; a mark is never lost": (
        "render/test_sheet.py::test_no_name_is_wrapped_or_cut_at_any_width",
        "render/test_sheet.py::test_a_pivot_of_many_backends_keeps_the_names_in_front",
        "cli/test_show.py::test_names_are_whole_on_the_narrowest_screen",
        "render/test_diff.py::test_every_name_verdict_and_note_is_on_every_screen",
    ),
    "a star is * where there is no Unicode": (
        "render/test_sheet.py::test_a_terminal_without_unicode_is_shown_none_and_its_columns_stay_in_line",
        "cli/test_streams.py::test_a_terminal_whose_locale_is_c_gets_ascii",
    ),
    "diff: changed rows first, by size; --only-changed": (
        "render/test_diff.py::test_of_many_rows_those_that_changed_can_be_shown_alone_largest_first",
        "render/test_diff.py::test_what_regressed_comes_first",
    ),
    "input: one line, the near name, what to do": (
        "cli/test_input.py::test_what_is_wrong_is_said_with_what_was_probably_meant",
        "cli/test_input.py::test_element_types_have_the_names_that_people_use",
        "cli/test_input.py::test_times_may_have_units",
        "cli/test_input.py::test_a_plain_word_filters_anywhere",
        "cli/test_input.py::test_a_dry_run_says_what_does_not_fit",
        "cli/test_input.py::test_where_nothing_can_run_there_is_a_sentence_and_no_report",
        "cli/test_history.py::test_a_filter_takes_plain_words",
        "cli/test_show.py::test_of_a_folder_and_of_reports_the_newest_is_shown",
        "cli/test_run_resumed.py::test_resuming_elsewhere_is_refused_and_names_what_changed",
    ),
    "completion": (
        "cli/test_start.py::test_the_shell_completes_names",
        "cli/test_show.py::test_columns_are_completed_behind_a_comma",
    ),
    "README and docs are true": (
        "test_docs.py::test_every_command_of_a_page_runs_and_exits_as_the_page_says",
        "test_docs.py::test_the_table_that_the_readme_shows_is_that_of_a_report",
    ),
}


@pytest.mark.parametrize("names", [*FAULTS.values(), *SCREEN.values()], ids=[*FAULTS, *SCREEN])
def test_every_line_has_its_test(names):
    for name in names:
        file, _, test = name.partition("::")
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert not test or test in found, name


def test_no_fault_is_left_out():
    """But mutants (25 to 27), whose tests are `make mutants`, and what an installation shows."""
    numbers = {int(re.match(r"\d+", line)[0]) for line in FAULTS}
    assert set(range(1, 25)) - numbers == ELSEWHERE.keys()


ELSEWHERE = {
    14: "two writers with --force: each writes its file in one step, and it is whole",
    18: "hostile inputs of batchnorm and of the recurrent cells: open",
    21: "a read-only installation without a home: needs another user",
    23: "tests on a loaded machine: the suite beside stress-ng",
    24: "pytest after make bench: the Makefile",
}
"""Faults without a test of their own, and what stands for it."""
