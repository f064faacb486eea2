"""Cases that take longest, whose quick neighbours test the same in another case."""

SLOW_CASES = {
    "test_markov.py::test_the_bound_approaches_the_entropy_of_the_source[2-300]",
    "test_row_data.py::test_data_of_every_kind_are_trained_on_alike[beside]",
    "test_row_data.py::test_data_of_every_kind_are_trained_on_alike[tf_data]",
    "test_row_figures.py::test_a_row_with_nothing_to_score_counts_nothing[continuous]",
    "test_row_figures.py::test_a_score_is_that_of_the_text_alone[continuous]",
    "test_row_figures.py::test_prompts_of_five_lengths_are_filled_as_each_alone[event]",
    "test_rows.py::test_figures_are_means_by_weight[general-shape1]",
    "test_rows.py::test_weights_count_the_nats_of_rows_and_of_positions[discrete]",
    "test_rows.py::test_weights_count_the_nats_of_rows_and_of_positions[general]",
    "test_samplers.py::test_infilling_keeps_what_is_given_with_every_sampler[MD4]",
    "test_three_ways.py::test_what_is_evaluated_of_a_padded_row_is_that_of_the_row[continuous]",
    "test_training.py::test_a_batch_of_open_size_trains",
    "test_training.py::test_lean_and_dense_steps_agree[MD4-adaln-activations]",
    "test_training.py::test_lean_and_dense_steps_agree"
    "[MD4-adaln_zero, no attention dropout-activations]",
    "test_training.py::test_mixed_precision_agrees_with_the_definition",
    "test_training.py::test_recomputation_draws_nothing_of_its_own[None]",
    "test_training.py::test_recomputation_draws_nothing_of_its_own[activations]",
    "test_training.py::test_the_step_of_fit_follows_the_gradient_of_compute_loss[GenMD4]",
    "test_training.py::test_the_way_of_accelerators_agrees_too[GenMD4]",
    "test_whole_steps.py::test_fit_on_a_data_set_that_fails_leaves_the_steps_before[2]",
}
