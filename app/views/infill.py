"""Text with gaps, filled in several ways: given characters stay, doubts are coloured."""

import numpy as np
import streamlit as st

from app import progress, sampling, shell
from md4keras.data import gaps, pydoc
from md4keras.evaluation.candidates import candidate_steps
from md4keras.tokenizers import TEXT8_ALPHABET, decode_masked
from md4keras.visualization import marked_text

_MOST_CHARACTERS = 20_000  # of the text areas
_COLUMNS = 3  # alternatives beside each other
_NEUTRAL = "the quick brown fox jumps over the lazy dog and the dog goes on sleeping in the sun "

st.title("Infill text")
saved, model = shell.pick(lambda saved: saved.has_tokenizer, "text model")
tokenizer, length = model.tokenizer, saved.data_shape[0]


def example() -> str:
    """A few words that the model can read, as many as it was trained on."""
    if getattr(tokenizer, "alphabet", None) == TEXT8_ALPHABET:
        text = pydoc().validation
        text = text[text.index(" the ") + 1 :][: length + 1]
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
    return decode_masked(tokenizer, tokens)


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


def shortened(tokens, mask):
    """The first tokens, as many as the model was trained on, and a line about the others."""
    count = len(tokens)
    tokens, mask, left_out = gaps.cut(tokens, mask, tokenizer, length)
    if left_out:
        st.warning(
            f"The text has {count} tokens, and the model was trained on {length} at a time. The "
            f"first {len(tokens)} are used; the last {left_out} characters are left out.",
            icon=":material/content_cut:",
        )
    return tokens, mask


def typed():
    """Tokens and mask of a text with gaps; `None` where it cannot be filled."""
    text = st.text_area(
        "Text with gaps",
        with_gaps(shown),
        key=f"infill_text_{saved.name}",
        max_chars=_MOST_CHARACTERS,
        help="A gap is ____ (an underscore for each token), or [mask 12] for twelve tokens.",
    )
    with shell.messages():
        tokens, mask = shortened(*gaps.parse_gaps(fitted(text, True), tokenizer))
        if mask.any():
            return tokens, mask
        st.error(
            "No gap is left in the part that is used. Move a gap towards the beginning, or "
            "shorten the text before it.",
            icon=":material/error:",
        )
    return None


def clicked():
    """Tokens and mask of a whole text whose words are clicked; `None` as for `typed`."""
    text = st.text_area(
        "Whole text",
        shown,
        key=f"infill_whole_{saved.name}",
        max_chars=_MOST_CHARACTERS,
        help="A text without gaps; its words appear below.",
    )
    if not text.strip():
        st.info("Type some words, to click those that are to be replaced.", icon=":material/info:")
        return None
    with shell.messages():
        tokens = tokenizer.encode(fitted(text, False))
        tokens, _ = shortened(tokens, np.zeros(len(tokens), bool))
        text = tokenizer.decode(tokens)
        words = text.split()
        chosen = st.pills(
            "Words to replace",
            range(len(words)),
            selection_mode="multi",
            default=longest(words),
            format_func=lambda number: shell.plain(words[number]),
            key=f"infill_words_{saved.name}_{hash(text)}",
            help="Click the words that the model is to write anew, in as many characters.",
        )
        if chosen:
            return gaps.mask_words(text, chosen, tokenizer)
        st.info("Click the words that are to be replaced.", icon=":material/touch_app:")
    return None


def all_candidates(rows, mask, label):
    """`candidate_steps` of one row after the other: what is found so far, and the calls."""
    complete = []
    for number, tokens in enumerate(rows):
        for found, calls, most in candidate_steps(model, tokens, mask, labels=label):
            if found is not None:
                complete.append(found)
            yield complete, number * most + calls, len(rows) * most


def finished(run, complete) -> dict:
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
        symbols = marked_text.token_symbols(tokens, tokenizer)
        pages.append(marked_text.marked_html(symbols, backgrounds, titles))
        means.append(float(found.probability.mean()))
    texts = decode_masked(tokenizer, run.tokens)
    return {
        "name": f"{saved.name.replace('/', '_')}_seed{settings['seed']}",
        "pages": pages,
        "means": means,
        "text": "\n\n".join(texts) + "\n",
        "about": f"{saved.name}: {run.describe()}",
    }


def fill(tokens, mask) -> None:
    """Runs the model, and keeps what it gave."""
    with shell.messages():
        rows = np.repeat(tokens[None], count, axis=0)  # [count, length]
        labels = shell.labels_of(saved, label, count)
        run = sampling.run(model.infill_steps(rows, mask, labels, **settings))
        steps = all_candidates(run.tokens, mask, label)
        complete, *_ = progress.follow(steps, "Asking how sure the model is ...", "infill_stop")
        st.session_state["infill_result"] = finished(run, complete)


def show(result: dict) -> None:
    """The alternatives, what their colours mean, and the download."""
    pages = result["pages"]
    for first in range(0, len(pages), _COLUMNS):
        columns = st.columns(min(len(pages), _COLUMNS))
        for column, number in zip(columns, range(first, len(pages)), strict=False):
            with column, st.container(border=True):
                st.html(pages[number])
                st.caption(f"Alternative {number + 1}: {result['means'][number]:.0%} on average")
    levels = (0.0, 0.25, 0.5, 0.75, 1.0)
    st.html(
        marked_text.marked_html(
            [f" {level:.0%} " for level in levels],
            [marked_text.confidence_colour(level) for level in levels],
        )
    )
    st.caption(
        "The colour of a filled token: how likely the model finds it, given all the others. Rest "
        "the pointer on it for the five likeliest. What was given has no colour, and stays."
    )
    st.caption(result["about"])
    shell.download(
        "Text", result["text"], f"{result['name']}.txt", "text/plain", "Every alternative."
    )


left, right = st.columns([1, 2])
with left:
    count = st.slider(
        "Alternatives", 1, 6, 3, key="infill_number", help="How many ways of filling to draw."
    )
    label = shell.labels_control(saved, f"infill_label_{saved.name}", every=False)
    replace = st.toggle(
        "Replace characters the model does not know",
        True,
        key="infill_replace",
        help="By the lower-case letter, or else a space. Off: such characters are refused.",
    )
    settings = sampling.controls(saved, model, "infill")
with right:
    type_gaps, click_words = st.tabs(["Type gaps", "Click words"])
    shown, wanted = example(), None
    with type_gaps:
        ready = typed()
        if st.button(
            "Fill the gaps", type="primary", key="infill_gaps", help="Draws what stands in them."
        ):
            wanted = ready
    with click_words:
        ready = clicked()
        if st.button(
            "Replace the words",
            type="primary",
            key="infill_clicked",
            help="Draws other words in the place of the clicked ones.",
        ):
            wanted = ready
    if wanted is not None:
        fill(*wanted)
    if "infill_result" in st.session_state:
        show(st.session_state["infill_result"])
    else:
        st.info("Mark what is missing, and have it filled.", icon=":material/arrow_upward:")
