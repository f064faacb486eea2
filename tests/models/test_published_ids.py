"""The ids of a converted model: in the published numbering the mask may lie anywhere."""

import keras
import numpy as np
import pytest

from md4keras import MD4, GenMD4, load_model, save_model
from md4keras.networks import Transformer


def model_with(published_mask, cls=MD4):
    network = Transformer(5, 4, num_layers=1, num_heads=1, feature_dim=8)
    return cls(network, published_mask=published_mask)


@pytest.mark.one_backend
@pytest.mark.parametrize("published_mask", [None, 0, 3, 5])
def test_the_mask_is_the_last_id_and_the_tokens_keep_their_order(published_mask):
    model = model_with(published_mask)
    published = np.arange(6).reshape(2, 3)
    ours = model.ids_from_published(published)
    assert ours.shape == published.shape and ours.dtype == "int32"
    mask = 5 if published_mask is None else published_mask
    tokens = [i for i in range(6) if i != mask]
    assert ours.ravel()[mask] == model.mask_token
    assert ours.ravel()[tokens].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(model.ids_to_published(ours), published)
    assert model.ids_from_published(mask) == model.mask_token  # a single id, too


@pytest.mark.one_backend
@pytest.mark.parametrize("bad", [[6], [-1], [0.5]])
def test_what_is_no_id_is_refused(bad):
    for convert in (model_with(3).ids_from_published, model_with(3).ids_to_published):
        with pytest.raises(ValueError, match=r"`ids` cannot be used.* \[0, 6\)"):
            convert(bad)


@pytest.mark.one_backend
@pytest.mark.parametrize("bad", [-1, 6, 1.0, True])
def test_what_can_be_no_mask_is_refused(bad):
    with pytest.raises(ValueError, match="`published_mask` cannot be used"):
        model_with(bad)


@pytest.mark.parametrize("cls", [MD4, GenMD4])
def test_the_numbering_is_saved_with_the_model(tmp_path, cls):
    model = model_with(3, cls)
    ids = np.arange(6)
    model.save(tmp_path / "model.keras")
    for again in (
        load_model(save_model(model, tmp_path / "folder")),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        assert again.published_mask == 3
        np.testing.assert_array_equal(again.ids_from_published(ids), model.ids_from_published(ids))
