import pytest

from md4keras.visualization.frontiers import plot_frontier

pytestmark = pytest.mark.one_backend

ROWS = [
    {
        "sampler": sampler,
        "temperature": temperature,
        "num_steps": 16,
        "network_calls": 16.0,
        "unigram_entropy": 4.0 * temperature,
        "generative_perplexity": 30.0 * temperature + (sampler == "event"),
        "generative_perplexity_error": 1.5,
        "samples": 64,
    }
    for temperature in (1.0, 0.5)
    for sampler in ("ancestral", "event")
]


def test_a_line_for_each_sampler(tmp_path):
    pytest.importorskip("matplotlib")
    figure = plot_frontier(ROWS, path=tmp_path / "frontier.png")
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["sampler ancestral", "sampler event"]
    lines = [line for line, _, _ in axes.containers]
    assert [list(line.get_xdata()) for line in lines] == [[2.0, 4.0]] * 2
    assert [list(line.get_ydata()) for line in lines] == [[15.0, 30.0], [16.0, 31.0]]
    assert [text.get_text() for text in axes.texts] == ["0.5", "1", "0.5", "1"]
    assert axes.get_xlabel() == "unigram entropy (bits)"
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")


def test_names_figures_that_are_not_there():
    with pytest.raises(ValueError, match=r"over 'mauve'.*4 rows, of which 4 lack it.*entropy"):
        plot_frontier(ROWS, y="mauve")
    with pytest.raises(ValueError, match="Received: 0 rows"):
        plot_frontier([])
