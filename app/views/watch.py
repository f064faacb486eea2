"""The reverse process step by step: what is revealed when, and where the network is unsure."""

import math

import numpy as np
import streamlit as st

from app import frame, results, samples, sampling, shell
from md4keras.evaluation.candidates import entropy_map
from md4keras.visualization import marked_text, pictures
from md4keras.visualization.trajectories import masked_again, reveal_steps, step_colours

_WIDTH = 640  # pixels of a grid of images, about; it is fitted to its place
_FRAMES = 80  # of a long run when it is played
_MASK_SYMBOL = "·"
_AGAIN_SYMBOL = "×"  # masked again

st.title("Watch")
saved, model = shell.pick()
most_bits = math.log2(saved.vocabulary_size)  # of the entropy of a token


def finished(run, labels) -> dict:
    """A run to look at; `entropy` is filled in as steps are looked at."""
    states = run.states.astype(np.min_scalar_type(model.mask_token))  # [T + 1, n, *data_shape]
    return {
        "states": states,
        "steps": reveal_steps(states, model.mask_token),  # [n, *data_shape]
        "again": masked_again(states, model.mask_token),  # [T + 1, n, *data_shape]
        "labels": labels,
        "about": run.describe(),
        "entropy": {},
    }


def doubts(result: dict, k: int):
    """The entropy map of state `k` in bits, `[n, *data_shape]`; asked for once."""
    if k not in result["entropy"]:
        zt = result["states"][k].astype("int32")
        unsure = (zt == model.mask_token).any()
        bits = np.zeros(zt.shape)
        if unsure:
            rows = 1 << (len(zt) - 1).bit_length()  # a power of two: few sizes are compiled
            labels = None if result["labels"] is None else np.resize(result["labels"], rows)
            with st.spinner("Asking the network ..."):
                bits = entropy_map(model, np.resize(zt, (rows, *zt.shape[1:])), labels=labels)
            bits = bits[: len(zt)]
        result["entropy"][k] = bits.astype("float16")
    return result["entropy"][k].astype("float64")


def show_images(result: dict, k: int) -> None:
    """The state, the steps in which its pixels were revealed, and the network's doubts."""
    zt, last = result["states"][k], len(result["states"]) - 1
    height, width, channels = zt.shape[1:]
    columns = samples.columns_of(len(zt))
    look = {"columns": columns, "scale": max(1, _WIDTH // (columns * (width + 1) + 1))}
    look["transparent"] = True
    strip = np.linspace(0.0, 1.0, 60)[None, None].repeat(3, 1)  # [1, 3, 60]
    strip_look = {"columns": 1, "scale": 4, "transparent": True}
    state, revealed, unsure = st.columns([5, 3, 3])
    with state, st.container(key="picture"):
        grid = pictures.image_grid(
            zt.astype("int32"), saved.vocabulary_size, mask_token=model.mask_token, **look
        )
        st.image(grid, caption="The state; what is masked is magenta.", width="stretch")
    with revealed:
        steps = result["steps"].max(-1)  # [n, height, width]: when the pixel was complete
        colours = step_colours(steps, last)
        colours[steps > k] = pictures.MASK_COLOUR
        scale = step_colours((1 + strip * (last - 1)).round().astype(int), last)
        show_map(
            pictures.colour_grid(colours, **look),
            "When pixels were revealed.",
            pictures.colour_grid(scale, **strip_look),
            f"From step 1 to step {last}; magenta: not yet, or not for good.",
        )
    if entropy:
        with unsure:
            bits, most = doubts(result, k).sum(-1), channels * most_bits
            show_map(
                pictures.colour_grid(pictures.shades(bits, most), **look),
                "How unsure the network is of each pixel.",
                pictures.colour_grid(pictures.shades(strip * most, most), **strip_look),
                f"From 0 (or revealed) to {most:.1f} bits.",
            )


def show_map(grid, caption: str, scale, scale_caption: str) -> None:
    """A grid whose colours mean something, and what they mean."""
    st.image(grid, caption=caption, width="stretch")
    st.image(scale, caption=scale_caption, width="stretch")


def show_text(result: dict, k: int) -> None:
    """As `show_images`, with the colours behind the tokens."""
    zt, last = result["states"][k].astype("int32"), len(result["states"]) - 1
    rows = [marked_text.token_symbols(row, model.tokenizer, _MASK_SYMBOL) for row in zt]
    for symbols, again in zip(rows, result["again"][k], strict=True):
        for place in np.flatnonzero(again):
            symbols[place] = _AGAIN_SYMBOL
    left, right = st.columns(2)
    with left:
        st.caption("Coloured by the step in which a token was revealed")
        for symbols, steps in zip(rows, result["steps"], strict=True):
            colours = step_colours(steps, last)  # [length, 3]
            there = (steps <= k).tolist()
            show_marked(
                symbols,
                [
                    marked_text.translucent(c) if t else None
                    for c, t in zip(colours, there, strict=True)
                ],
                [f"step {s}" if t else None for s, t in zip(steps, there, strict=True)],
            )
        some = np.unique(np.linspace(1, last, 5).round().astype(int))
        colours = [marked_text.translucent(colour) for colour in step_colours(some, last)]
        st.html(marked_text.marked_html([f" {step} " for step in some], colours))
        st.caption(
            f"The colours of the steps; {_MASK_SYMBOL} is a mask, {_AGAIN_SYMBOL} one that was "
            "revealed before."
        )
    if entropy:
        with right:
            st.caption("Coloured by how unsure the network is of a masked token")
            for symbols, bits in zip(rows, doubts(result, k).tolist(), strict=True):
                show_marked(
                    symbols,
                    [marked_text.doubt_colour(b, most_bits) if b else None for b in bits],
                    [f"{b:.1f} bits" if b else None for b in bits],
                )
            some = [most_bits * share for share in (0.25, 0.5, 0.75, 1.0)]
            colours = [marked_text.doubt_colour(bits, most_bits) for bits in some]
            st.html(marked_text.marked_html([f" {bits:.1f} " for bits in some], colours))
            st.caption("Bits; tokens without a colour are decided.")


def show_marked(symbols, backgrounds, titles) -> None:
    with st.container(border=True):
        st.html(marked_text.marked_html(symbols, backgrounds, titles))


def show(result: dict, playing: bool) -> None:
    """State `k` with its slider; while playing, each run of this part is a step further."""
    last = len(result["states"]) - 1
    k = min(st.session_state.get("watch_state", last), last)
    if playing and st.session_state["watch_playing"]:
        k = min(k + math.ceil(last / _FRAMES), last)
    st.session_state["watch_state"] = k
    k = st.slider(
        "State after step",
        0,
        last,
        key="watch_state",
        on_change=stop,
        help="0: all is masked. Move it to look at any step.",
    )
    zt = result["states"][k]
    masks = int((zt == model.mask_token).sum())
    again = int(result["again"][k].sum())
    twice = f" ({again:,} masked again)" if again else ""
    st.caption(f"**{masks:,} of {zt.size:,} masks left{twice}.** In all: {result['about']}.")
    with shell.messages():
        if model.tokenizer is not None:
            show_text(result, k)
        elif saved.is_image:
            show_images(result, k)
        else:
            st.dataframe(zt.reshape(len(zt), -1))
            st.caption(f"Tokens, a sample a row; {model.mask_token} is a mask.")
    if playing and (k == last or not st.session_state["watch_playing"]):
        stop()
        st.rerun()  # the whole page: only then does the repetition end


def play() -> None:
    """From where the slider is, or from the beginning where it is at the end."""
    st.session_state["watch_playing"] = True
    last = len(results.found("watch", model)["states"]) - 1
    if st.session_state.get("watch_state", last) >= last:
        st.session_state["watch_state"] = 0


def stop() -> None:
    st.session_state["watch_playing"] = False


bar, middle, side = frame.places()
with bar:
    most = 5 if saved.has_tokenizer else 16
    label = shell.labels_control(saved, f"watch_label_{saved.name}", width=150)
    count = st.slider(
        "Number",
        1,
        most,
        3 if saved.has_tokenizer else 4,
        key=f"watch_number_{most}",
        width=220,
        help="How many samples to draw and watch at once.",
    )
    start = st.button(
        "Run",
        type="primary",
        key="watch_run",
        on_click=sampling.new_seed,
        args=("watch",),
        help="Draws, and keeps every state.",
    )
    player = st.container(width="content")  # filled when there is something to play
with side:
    settings = sampling.controls(saved, model, "watch")
    entropy = st.toggle(
        "Entropy map",
        True,
        key="watch_entropy",
        help="Asks the network at each state that is looked at; off: slow networks play faster.",
    )
asked = {"number": count, "class": label, "settings": settings}
with middle:
    if start:
        labels = shell.labels_of(saved, label, count)
        with shell.messages():
            run = sampling.run(model.sample_steps(count, labels, **settings), keep_states=True)
            results.keep("watch", finished(run, labels), model, **asked)
            st.session_state["watch_state"] = len(run.states) - 1
            stop()
    result = results.found("watch", model)
    if result is None:
        st.info(
            f"Choose how to sample, and press **Run**. {sampling.EXPECT}",
            icon=":material/arrow_upward:",
        )
    else:
        results.mark_if_stale("watch", "Run", **asked)
        playing = st.session_state.get("watch_playing", False)
        with player:
            if playing:
                st.button("Pause", on_click=stop, icon=":material/pause:", help="At this step.")
            else:
                st.button("Play", on_click=play, icon=":material/play_arrow:", help="By steps.")
        st.fragment(show, run_every=0.25 if playing else None)(result, playing)
        st.caption(
            "The entropy is that of the network alone at the time of the state, without "
            "temperature, filters or guidance. A sampler that masks again shows some tokens "
            "before they are revealed for good."
        )
