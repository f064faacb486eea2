"""Text with gaps, filled in several ways: given characters stay, doubts are coloured."""

import numpy as np
import streamlit as st

from app import frame, progress, results, sampling, shell
from md4keras.data import gaps, pydoc
from md4keras.evaluation.candidates import long_candidate_steps
from md4keras.models import long_infill
from md4keras.tokenizers import TEXT8_ALPHABET, decode_masked, until_end
from md4keras.visualization import marked_text

_MOST = 20_000  # characters in the text areas, and tokens
_AREA = 130  # height of the text areas, in pixels: the button below stays in sight
_NEUTRAL = "the quick brown fox jumps over the lazy dog and the dog goes on sleeping in the sun "

st.title("Infill text")
saved, model = shell.pick(lambda saved: saved.has_tokenizer, "text model")
tokenizer, length = model.tokenizer, saved.data_shape[0]
pieces = getattr(tokenizer, "joins_spaces", False)  # tokens are words and parts of them
one = "piece" if pieces else "letter"


def example() -> str:
    """A few words that the model can read, as many as it was trained on."""
    if getattr(tokenizer, "alphabet", None) == TEXT8_ALPHABET:
        text = pydoc().validation
        text = text[text.index(" the ") + 1 :][: length + 1]
    elif pieces:
        text = _NEUTRAL
        while len(tokenizer.encode(text)) > length and " " in text.rstrip():
            text = text.rstrip().rpartition(" ")[0] + " "
    else:
        text = gaps.fit_to_alphabet(_NEUTRAL, tokenizer)[: length + 1]
    return text.rpartition(" ")[0] or text[:length]


def longest(words: list[str]) -> list[int]:
    """The places of the two longest words."""
    return sorted(sorted(range(len(words)), key=lambda i: -len(words[i]))[:2])


def with_gaps(text: str) -> str:
    """The example with gaps where its longest words were."""
    if not text.strip():
        return f"[mask {length}]"
    tokens, _ = gaps.mask_words(text, longest(text.split()), tokenizer)
    return gaps.write_gaps(tokens, tokenizer)


def fitted(text: str, keep_gaps: bool) -> str:
    """The text in the model's alphabet, and a line that says what was changed for it."""
    if not replace:
        return text
    changes = gaps.replacements(text, tokenizer, keep_gaps)
    if changes:
        named = [
            f"{old!r} by {new!r}" if new else f"{old!r} by nothing" for old, new in changes.items()
        ]
        more = f" and {len(named) - 12} more" if len(named) > 12 else ""
        st.text(f"Replaced, as the model does not know them: {', '.join(named[:12])}{more}.")
    return gaps.fit_to_alphabet(text, tokenizer, keep_gaps)


def tell_windows(mask) -> None:
    """Says how a text is filled that is longer than those the model was trained on."""
    if len(mask) > length:
        number = len(long_infill.windows(mask, length))
        st.caption(
            f"The text has {len(mask):,} tokens, and the model was trained on {length} at a time: "
            f"its gaps are filled in {number} window{'s' * (number != 1)}, from left to right."
        )


def typed():
    """The text with gaps, its tokens and mask; `None` for these where it cannot be filled."""
    text = st.text_area(
        "Text with gaps",
        with_gaps(shown),
        key=f"infill_text_{saved.name}",
        max_chars=_MOST,
        height=_AREA,
        help="A gap is ____ (an underscore for each token), or [mask 12] for twelve tokens."
        + " A token is a word or a part of one, with the space before it." * pieces,
    )
    with shell.messages():
        tokens, mask = gaps.parse_gaps(fitted(text, True), tokenizer, _MOST, shown=text)
        tell_windows(mask)
        return text, (tokens, mask)
    return text, None


def clicked():
    """The whole text and the words to replace, then as for `typed`."""
    text = st.text_area(
        "Whole text",
        shown,
        key=f"infill_whole_{saved.name}",
        max_chars=_MOST,
        height=_AREA,
        help="A text without gaps; its words appear below.",
    )
    if not text.strip():
        st.info("Type some words, to click those that are to be replaced.", icon=":material/info:")
        return (text, ()), None
    with shell.messages():
        meant = tokenizer.decode(tokenizer.encode(fitted(text, False)))
        words = meant.split()
        chosen = st.pills(
            "Words to replace",
            range(len(words)),
            selection_mode="multi",
            default=longest(words),
            format_func=lambda number: frame.plain(words[number]),
            key=f"infill_words_{saved.name}_{hash(meant)}",
            help="Click the words that the model is to write anew, in as many "
            f"{'tokens' if pieces else 'characters'}.",
        )
        if chosen:
            tokens, mask = gaps.mask_words(meant, chosen, tokenizer)
            tell_windows(mask)
            return (text, tuple(sorted(chosen))), (tokens, mask)
        st.info("Click the words that are to be replaced.", icon=":material/touch_app:")
    return (text, ()), None


def all_candidates(rows, mask, label):
    """`candidate_steps` of one row after the other: those found so far, and the calls."""
    complete = []
    for number, tokens in enumerate(rows):
        for found, calls, most in long_candidate_steps(model, tokens, mask, label, length):
            if found is not None:
                complete.append(found)
            yield complete, number * most + calls, len(rows) * most


def finished(run, mask, complete) -> dict:
    """A result: what is shown and can be downloaded."""
    pages, means = [], []
    for tokens, found in zip(run.tokens, complete, strict=True):
        backgrounds, titles = [None] * len(tokens), [None] * len(tokens)
        marks = zip(
            found.positions.tolist(),
            found.probability.tolist(),
            marked_text.candidate_titles(found, tokenizer),
            strict=True,
        )
        for position, probability, title in marks:
            backgrounds[position] = marked_text.confidence_colour(min(1.0, probability))
            titles[position] = title
        end = getattr(tokenizer, "end_token_id", None)
        text = until_end(tokenizer, tokens, mask)
        stop = len(text) - (len(text) > 0 and text[-1] == end)
        symbols = marked_text.token_symbols(tokens[:stop], tokenizer)
        pages.append(marked_text.marked_html(symbols, backgrounds[:stop], titles[:stop]))
        means.append(float(found.probability.mean()))
    texts = decode_masked(tokenizer, run.tokens, filled=mask)
    return {
        "name": f"{saved.name.replace('/', '_')}_seed{settings['seed']}",
        "pages": pages,
        "means": means,
        "text": "\n\n".join(texts) + "\n",
        "about": f"{saved.name}: {run.describe()}",
    }


def fill(way: str, text, tokens, mask) -> None:
    """Runs the model, and keeps what it gave."""
    with shell.messages():
        rows = np.repeat(tokens[None], count, axis=0)  # [count, L]
        labels = shell.labels_of(saved, label, count)
        run = sampling.run(long_infill.infill_steps(model, rows, mask, labels, length, settings))
        steps = all_candidates(run.tokens, mask, label)
        complete, *_ = progress.follow(steps, "Asking how sure the model is ...", "infill_stop")
        result = finished(run, mask, complete) | {"way": way}
        results.keep("infill", result, model, text=text, **asked)


def show(result: dict) -> None:
    """What the colours mean, the alternatives, and the download."""
    levels = (0.0, 0.25, 0.5, 0.75, 1.0)
    legend, words = st.columns([2, 3], vertical_alignment="center")
    with legend:
        st.html(
            marked_text.marked_html(
                [f" {level:.0%} " for level in levels],
                [marked_text.confidence_colour(level) for level in levels],
            )
        )
    words.caption(
        "Colour and per cent: how likely the model finds what it filled in, given all the rest. "
        f"Rest the pointer on a {one} for its five likeliest. Without colour: given."
    )
    for number, (page, mean) in enumerate(zip(result["pages"], result["means"], strict=True), 1):
        with st.container(border=True):
            st.html(page)
            st.caption(f"Alternative {number}: filled {one}s are {mean:.0%} likely on average.")
    shell.download(
        "Text", result["text"], f"{result['name']}.txt", "text/plain", "Every alternative."
    )
    st.caption(frame.plain(result["about"]))


middle, side = st.columns([3, 1], gap="medium")
with side:
    count = st.slider(
        "Alternatives", 1, 6, 3, key="infill_number", help="How many ways of filling to draw."
    )
    label = shell.labels_control(saved, f"infill_label_{saved.name}", every=False)
    replace = st.toggle(
        "Adapt characters",
        True,
        key="infill_replace",
        help="Replaces characters that the model does not know by the lower-case letter, or else "
        "a space. Off: such characters are refused.",
    )
    settings = sampling.controls(saved, model, "infill")
asked = {"number": count, "class": label, "settings": settings}
with middle:
    tabs = st.tabs(["Type gaps", "Click words"])
    shown, texts, wanted = example(), {}, None
    for tab, way, mark, name, explanation in (
        (tabs[0], "gaps", typed, "Fill the gaps", "Draws what stands in them."),
        (tabs[1], "clicked", clicked, "Replace the words", "Draws others in their place."),
    ):
        with tab:
            texts[way], ready = mark()
            if (
                st.button(
                    name,
                    type="primary",
                    key=f"infill_{way}",
                    on_click=sampling.new_seed,
                    args=("infill",),
                    help=explanation,
                )
                and ready is not None
            ):
                wanted = (way, texts[way], *ready)
    if wanted is not None:
        fill(*wanted)
    result = results.found("infill", model)
    if result is not None:
        name = {"gaps": "Fill the gaps", "clicked": "Replace the words"}[result["way"]]
        results.mark_if_stale("infill", name, text=texts[result["way"]], **asked)
        show(result)
    else:
        st.info(
            f"Mark what is missing, and have it filled. {sampling.EXPECT}",
            icon=":material/arrow_upward:",
        )
