"""The DiT of text: what it sees, in whole rows and in blocks."""

import keras
import numpy as np
import pytest
from keras import ops

from md4keras import MD4
from md4keras.networks import DiT
from tests.compiled import one_program
from tests.gradients import gradients_of
from tests.networks.test_network import with_random_weights
from tests.reference import array

V, L = 7, 6
SIZES = dict(num_layers=2, num_heads=2, hidden_dim=16, feature_dim=8)


def small(**arguments):
    return with_random_weights(DiT(V, L, **{**SIZES, **arguments}))


def random_tokens(rows=3):
    return np.random.default_rng(1).integers(0, V + 1, (rows, L)).astype("int32")


def test_padded_rows_and_documents_have_the_logits_of_rows_of_their_own():
    network, tokens = small(), random_tokens()
    mask = np.arange(L) < 4
    segments = np.where(mask, 1, 2)

    def layouts(tokens):
        tokens = ops.convert_to_tensor(tokens)
        rows = ops.ones_like(tokens)
        return (
            network({"tokens": tokens, "padding_mask": ops.equal(rows * segments, 1)}),
            network({"tokens": tokens, "segment_ids": rows * segments}),
            network({"tokens": tokens[:, :4]}),
            network({"tokens": tokens[:, 4:]}),
            network({"tokens": tokens}),
        )

    padded, packed, first, second, whole = map(array, one_program(layouts, network)(tokens))
    np.testing.assert_allclose(padded[:, :4], first, atol=1e-5)
    np.testing.assert_allclose(packed[:, :4], first, atol=1e-5)
    np.testing.assert_allclose(packed[:, 4:], second, atol=1e-5)
    assert np.abs(whole[:, :4] - first).max() > 1e-3


BLOCKS = np.array([0, 0, 1, 1, 1, 2])
BEFORE = BLOCKS[:, None] > BLOCKS  # [seeing, seen]
SAME = BLOCKS[:, None] == BLOCKS


def seen_by(network, name, **others):
    """Which positions of an input move the logits of which, bool `[seeing, seen]`."""
    rows = np.tile(random_tokens(1), (L + 1, 1))
    changed = rows.copy()
    changed[np.arange(L), np.arange(L)] = (rows[0] + 1) % V  # the last row stays as it is
    inputs = {"tokens": rows, "blocks": np.tile(BLOCKS, (L + 1, 1)), **others}
    if name == "clean" or "clean" in others:
        inputs["clean"] = rows
    logits = array(one_program(network)({**inputs, name: changed}))
    return (np.abs(logits[:L] - logits[L]).max(axis=-1) > 1e-6).T


def test_a_token_sees_its_block_and_those_before_it():
    np.testing.assert_array_equal(seen_by(small(), "tokens"), SAME | BEFORE)


def test_a_noised_token_sees_its_noised_block_and_the_clean_ones_before_it():
    network = small()
    np.testing.assert_array_equal(seen_by(network, "tokens", clean=None), SAME)
    np.testing.assert_array_equal(seen_by(network, "clean"), BEFORE)


def test_the_last_noised_block_has_the_logits_of_one_stream():
    network = small()
    x, zt = random_tokens() % V, random_tokens()
    joined = np.where(BLOCKS < 2, x, zt)

    def both(*rows):
        x, zt, joined = map(ops.convert_to_tensor, rows)
        blocks = ops.ones_like(x) * BLOCKS
        two = network({"tokens": zt, "clean": x, "blocks": blocks})
        return two, network({"tokens": joined, "blocks": blocks[:1]})

    two, one = map(array, one_program(both, network)(x, zt, joined))
    np.testing.assert_allclose(two[:, 5], one[:, 5], atol=1e-5)
    assert np.abs(two[:, 4] - one[:, 4]).max() > 1e-3


def test_nothing_sees_padding_behind_the_blocks():
    network, x, zt = small(), random_tokens() % V, random_tokens()

    def both(*rows):
        x, zt = map(ops.convert_to_tensor, rows)
        blocks = ops.ones_like(x) * BLOCKS
        padded = ops.where(ops.arange(L) < 4, blocks, -1)
        whole = network({"tokens": zt, "clean": x, "blocks": padded})
        short = {"tokens": zt[:, :4], "clean": x[:, :4], "blocks": blocks[:, :4]}
        return whole[:, :4], network(short)

    padded, short = map(array, one_program(both, network)(x, zt))
    np.testing.assert_allclose(padded, short, atol=1e-5)


@pytest.mark.one_backend
def test_inputs_that_do_not_go_together_are_named():
    inputs = {"tokens": random_tokens(), "clean": random_tokens()}
    with pytest.raises(ValueError, match="Received: .*'clean'"):
        small()(inputs)
    inputs["blocks"], inputs["padding_mask"] = inputs["tokens"] * 0, inputs["tokens"] < V
    with pytest.raises(ValueError, match="Received: .*'padding_mask'"):
        small()(inputs)


@pytest.mark.parametrize(
    "blocks", [pytest.param(False, marks=pytest.mark.slow), True], ids=["whole", "blocks"]
)
def test_rematerialisation_changes_no_gradient(blocks):
    found = {}
    for remat in (None, "activations", "full"):
        network = small(remat=remat, num_layers=1)
        inputs = {"tokens": random_tokens()}
        if blocks:
            inputs |= {"clean": random_tokens() % V, "blocks": np.tile(BLOCKS, (3, 1))}

        def loss(inputs, network=network):
            return ops.sum(ops.square(network(inputs, training=True)))

        found[remat] = gradients_of(network, loss, inputs)
    for remat in ("activations", "full"):
        for plain, again in zip(found[None], found[remat], strict=True):
            np.testing.assert_allclose(again, plain, atol=1e-4 * (1 + np.abs(plain).max()))


def test_head_and_loss_over_masked_positions_alone_are_the_definition():
    """The head has a bias, unlike those of other networks."""
    x, zt = random_tokens() % V, random_tokens()
    found = []
    for dense in (False, True):
        model = MD4(small(num_layers=1), "log_linear")
        model.dense_loss = dense
        step = model.draw_step(x)._replace(time=ops.convert_to_tensor(np.full(3, 0.5, "float32")))
        masked = model.masked_rows(step.batch, ops.convert_to_tensor(zt), step.time, True)
        assert (masked is None) == dense

        def objective(zt, model=model, step=step):
            return model.masking_objective(step, zt)[0]

        found.append(gradients_of(model, objective, zt))
    names = [variable.path for variable in model.trainable_variables]
    assert names[-1].endswith("head/projection/bias") and np.abs(found[0][-1]).max() > 1e-3
    for name, lean, dense in zip(names, *found, strict=True):
        scale = np.abs(dense).max()
        np.testing.assert_allclose(lean, dense, atol=1e-4 * scale + 1e-7, err_msg=name)


def test_dropout_is_of_each_position_on_its_own():
    network = DiT(V, L, **SIZES, dropout=0.5)
    block = network.blocks[0]
    assert block.mlp.hidden_dropout.rate == 0.0 and block.attention.attention_dropout_rate == 0.0
    x = np.ones((2, L, 16), "float32")
    dropped = array(block.attention.dropout(x, training=True)) == 0
    assert (dropped != dropped[:, :1]).any() and 0 < dropped.mean() < 1


def test_without_time_the_noise_level_is_zero():
    timed, untimed = small(time_features="t"), small()
    untimed.set_weights(timed.get_weights())
    tokens = random_tokens()
    at_zero = one_program(timed)({"tokens": tokens, "time": np.zeros(3, "float32")})
    np.testing.assert_allclose(
        array(one_program(untimed)({"tokens": tokens})), array(at_zero), atol=1e-6
    )


@pytest.mark.one_backend
def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="Expected a multiple of 6.*hidden_dim=16, num_heads=3"):
        DiT(V, L, **{**SIZES, "num_heads": 3})
    with pytest.raises(ValueError, match="Expected .*Received: hidden_dim=0"):
        DiT(V, L, **{**SIZES, "hidden_dim": 0})
    assert keras.saving.get_registered_name(DiT) == "md4keras>DiT"
