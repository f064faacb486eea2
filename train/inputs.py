"""Inputs of a run: from a source, one's own files or a prepared folder to `Data`."""

import md4keras
from md4keras import tokenizers
from md4keras.data import gaps

from . import data
from .data import Data

_KNOWING = ("bytes", "fit", "word_pieces")  # tokenizers that know all characters of the data
_OWN_TEXT = ("text_files", "own_documents", "pairs")  # sources, by the kind of what is there


def read(recipe, made) -> Data:
    """Reads a recipe's data, or the user's own, as a plan says.

    Args:
        recipe: a `Recipe`.
        made: a `Plan`.
    """
    settings, path = made.settings, made.data
    name = recipe.source if path is None else _kind_of(path, recipe, settings)
    if name == "prepared":
        return _prepared(recipe, made)
    source = md4keras.data.get(name)
    _check_skips(source, made)
    how = {"skip_bad": True} if made.skip_bad else {}
    if source.name == "text_files":  # so that the held-out tenth fills a window
        how["min_characters"] = 10 * settings["sequence_length"]
    elif source.name == "image_folder":
        how |= {"image_shape": tuple(settings["image_shape"]), "levels": settings["levels"]}
    elif source.name == "cifar10":
        how["download"] = True
    splits = source(*(() if path is None else (path,)), **how)
    names = md4keras.data.get(recipe.source).baselines
    if recipe.kind == "image":
        counts = {"images": sum(len(x) for x, _ in splits[:2])}
        facts = {"source": source.name, **counts, **splits.facts}
        return data.of_images(splits, settings, facts, names)
    return _text(splits, source.name, made, names or md4keras.data.pydoc.baselines)


def lines(data: Data) -> list[str]:
    """What was read, as lines for people."""
    shown = md4keras.data.describe(data.facts)
    if data.tokenizer is not None:
        kind = type(data.tokenizer).__name__.removesuffix("Tokenizer").lower()
        each = data.facts.get("characters_per_token", 1.0)
        size = f", of {each:.2f} characters on average" if each > 1 else ""
        shown.append(f"Tokens: {kind}, {data.vocabulary_size} different ones{size}.")
    else:
        shown.append(f"Tokens: {data.vocabulary_size} levels of each channel of a pixel.")
    if "rows_made" in data.facts:
        cut, way = data.facts.get("cut"), data.facts["rows_made"]
        lost = f"; {cut:,} are longer than a row and cut" if cut else ""
        ends = getattr(data.tokenizer, "end_token_id", None) is not None
        if not ends and way != "joined":
            lost += "; the tokenizer has no end of text, so the model will not learn to stop"
        shown.append(f"Rows: {way}{lost}.")
    return shown


def _kind_of(path, recipe, settings: dict) -> str:
    """What the user's own data are: `"prepared"`, or the name of the source that reads them."""
    if md4keras.data.is_prepared(path):
        return "prepared"
    if recipe.own not in _OWN_TEXT:
        return recipe.own
    by_rows = {"windows": "text_files", "pairs": "pairs"}
    if settings["rows"] != "auto":
        return by_rows.get(settings["rows"], "own_documents")
    return "own_documents" if md4keras.data.holds_documents(path) else "text_files"


def _check_skips(source, made) -> None:
    """Refuses what is asked of another kind of source, before anything is read."""
    if made.skip_bad and source.name not in (*_OWN_TEXT, "image_folder"):
        raise ValueError(
            "--skip-bad is for files of your own. Expected --data along with it. Received: the "
            f"source {source.name}. Leave it out."
        )
    if isinstance(source, md4keras.data.PreparedSet) and made.data is None:
        raise ValueError(
            "The recipe's data are in a folder, which it cannot know. Expected --data FOLDER. "
            f"Received: none. Make it: md4keras data prepare {source.name} --out FOLDER; then "
            "--data FOLDER."
        )


def _text(splits, name: str, made, baselines) -> Data:
    """Texts, documents or pairs, with their tokenizer."""
    settings, facts = made.settings, {"source": name}
    way = settings["rows"]
    if name == "pairs":
        make, facts["rows_made"] = data.of_pairs, "pairs"
    elif name == "own_documents":
        make, facts["rows_made"] = data.of_documents, "packed" if way == "auto" else way
    elif way in ("auto", "windows"):
        make, facts["characters"] = data.of_text, sum(map(len, splits[:2]))
    else:
        raise ValueError(
            f"These data are one text, not documents. Expected rows=windows. Received: rows={way} "
            f"of {name}. Leave it out, or name documents of your own with --data."
        )
    facts |= splits.facts
    ends = make is not data.of_text  # where there are several texts, each may end
    tokenizer = made.tokenizer or _tokenizer(settings, splits, ends)
    if ends and made.read is None:
        tokenizer = _ending(tokenizer, made)
    if made.tokenizer or settings["tokenizer"] not in _KNOWING:
        splits = _known(splits, tokenizer, made.replace_unknown)
    if made.tokenizer is None:
        tokenizer = tokenizers.add_spare(tokenizer, settings["spare_tokens"])
    return make(splits, tokenizer, settings, facts, baselines)


def _prepared(recipe, made) -> Data:
    """A folder that `md4keras data prepare` made."""
    settings = made.settings
    _check_skips(md4keras.data.get(recipe.source), made)
    found = md4keras.data.prepared(made.data)
    kind = "image" if found.kind == "images" else "text"
    if kind != recipe.kind or not {"training", "validation"} <= found.splits.keys():
        raise ValueError(
            f"The recipe cannot use these data. Expected {recipe.kind}s with a training and a "
            f"validation split. Received: --data {made.data} with {found.kind} and the splits "
            f"{sorted(found.splits)}. Choose another recipe or folder, or prepare it anew with "
            "--validation 0.1, of a published set with all its splits."
        )
    if kind == "image":
        check = found.index["shape"], 255, settings, found.facts["source"]
        data.check_images(*check)
        return data.of_prepared(found, None, settings, found.facts, settings["levels"])
    way = settings["rows"]
    if way == "auto":
        way = "joined" if found.kind == "rows" else "packed"
    if way not in md4keras.data.rows.WAYS:
        raise ValueError(
            "Prepared data are rows or documents. Expected rows=auto or one of "
            f"{', '.join(md4keras.data.rows.WAYS)}. Received: rows={way}. Leave it out, or name "
            "the text itself with --data."
        )
    _check_no_tokenizer(recipe, settings["tokenizer"], found)
    tokenizer = made.tokenizer or tokenizers.add_spare(found.tokenizer, settings["spare_tokens"])
    if not tokenizers.differ_in_spare(tokenizer, found.tokenizer):
        raise ValueError(
            "The data were prepared with another tokenizer than the model's. Expected the same. "
            f"Received: --data {made.data} with {found.tokenizer.vocabulary_size} values, a model "
            f"with {tokenizer.vocabulary_size}. Prepare them anew: md4keras data prepare ... "
            "--tokenizer MODEL."
        )
    facts = found.facts | {"rows_made": way}
    return data.of_prepared(found, tokenizer, settings, facts, tokenizer.vocabulary_size)


def _check_no_tokenizer(recipe, setting: str, prepared) -> None:
    """Refuses a tokenizer that was asked for beside that of prepared data."""
    if setting != recipe.complete()["tokenizer"]:
        own = prepared.tokenizer
        raise ValueError(
            "Prepared data have a tokenizer of their own, which a setting does not change. "
            f"Expected no setting `tokenizer`. Received: tokenizer={setting}, --data "
            f"{prepared.folder} with the tokens of a {type(own).__name__} of "
            f"{own.vocabulary_size:,} values. Leave it out, or prepare the data anew: md4keras "
            f"data prepare ... --tokenizer {setting}."
        )


def _tokenizer(settings: dict, splits, ends: bool):
    """The tokenizer of that name, or from that place; `ends` says whether texts may end."""
    name = settings["tokenizer"]
    if name == "fit":
        return tokenizers.fit("".join(_texts(splits)), ends)
    if name == "word_pieces":  # of what is trained on: no piece knows what is held out
        special = (tokenizers.byte_pair.END_TOKEN,) if ends else ()
        texts, size = _texts(splits[:1]), settings["vocabulary_size"]
        return tokenizers.BytePairTokenizer.train(texts, size, special)
    return tokenizers.named(name, ends)


def _ending(tokenizer, made):
    """The tokenizer with an end of text, of which a saved model may know nothing."""
    found = tokenizers.add_end(tokenizer)
    if found is not tokenizer and made.tokenizer is not None:
        print("The saved model knew no end of a text: it gets a token for it, to be learnt.")
    return found


def _texts(splits) -> list[str]:
    """All texts of the first two splits, those of pairs too."""
    found = []
    for split in splits[:2]:
        for each in [split] if isinstance(split, str) else split:
            found += [each] if isinstance(each, str) else each
    return found


def _known(splits, tokenizer, replace: bool):
    """The texts in the characters that a tokenizer knows; others are replaced, or an error."""
    unknown = gaps.check_known("".join(_texts(splits)), tokenizer, replace, keep_gaps=False)
    if not unknown:
        return splits
    print(f"Replaced what the model does not know: {unknown!r}")

    def fitted(part):
        if isinstance(part, str):
            return gaps.fit_to_alphabet(part, tokenizer, keep_gaps=False)
        return type(part)(map(fitted, part))

    return splits._replace(**{name: fitted(getattr(splits, name)) for name in splits._fields[:2]})
