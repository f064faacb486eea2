"""The plan of a preparation: what each rank reads, and the steps that it runs."""

import hashlib
from pathlib import Path

from md4keras.data.document_files import documents
from md4keras.data.folders import files_below, ignored, name_in
from md4keras.data.preparation import hub, pictures, texts
from md4keras.data.preparation.known import Corpus, Images
from md4keras.data.tfds_builders import find_builder

_BYTES = 2**26  # of one's own files that a rank reads, or a single file


def find_parts(name, known, settings, source) -> dict:
    """The parts of the ranks, and where they come from, in JSON values.

    Args:
        name, settings, source: as of `prepare`.
        known: of `known.KNOWN`, or `None` for documents of one's own.
    """
    if isinstance(known, Images):
        home = None if known.builder == "imagenet2012" else "https://www.tensorflow.org"
        builder = find_builder(known.builder, source, known.splits.values(), True, home)
        found = pictures.ranges(builder, known.splits, settings.limit)
        return {"parts": found, "source": {"builder": builder.info.full_name}}
    if isinstance(known, Corpus):
        parts, origin = _of_corpus(known, settings.splits, source)
    else:
        parts, origin = _own(Path(name).expanduser().absolute(), settings)
    if settings.limit is not None:  # of each split
        for split in {part.split for part in parts}:
            mine = [i for i, part in enumerate(parts) if part.split == split]
            for number, place in enumerate(mine):
                share = (settings.limit + number) // len(mine)
                parts[place] = parts[place]._replace(limit=share)
    return {"parts": parts, "source": origin}


def check_source(known, settings, source) -> None:
    """Raises a `ValueError` where a copy of a corpus lacks its files, which takes no time."""
    if isinstance(known, Corpus) and source is not None:
        _of_corpus(known, settings.splits, source)


def text_steps(out: Path, known, settings, tokenizer, parts: list) -> tuple[list, dict]:
    """The steps of documents, and what the index says of them."""
    parts = [
        texts.Part(split, [hub.Place(*place) for place in places], limit)
        for split, places, limit in parts
    ]
    length = settings.sequence_length if settings.rows == "joined" else None
    splits = [part.split for part in parts]
    zero_shot = known.zero_shot if known else None
    steps = [
        texts.ReadDocuments(out, parts, settings.field, zero_shot is not None),
        texts.Detokenize(settings.detokenizer),
        texts.WriteTokens(
            out, splits, tokenizer, length, settings.validation, zero_shot is not None
        ),
    ]
    if settings.detokenizer is None:
        del steps[1]
    facts = {
        "kind": "rows" if length else "documents",
        "dtype": texts.stored_type(tokenizer, length),
        "shape": [length] if length else None,
        "with_labels": False,
        "end_token_id": getattr(tokenizer, "end_token_id", None),
        "padding_id": getattr(tokenizer, "padding_id", None),
        "class_names": None,
        "split": _split(known, settings),
        "zero_shot": zero_shot and zero_shot._asdict(),
    }
    return steps, facts


def image_steps(out: Path, known: Images, source, parts: list) -> tuple[list, dict]:
    """The step of images, and what the index says of them."""
    names = None
    if known.with_labels and parts:
        builder = find_builder(known.builder, source, known.splits.values())
        names = builder.info.features["label"].names
    parts = [pictures.Range(*part) for part in parts]
    step = pictures.WriteImages(out, parts, known.builder, source, known.shape, known.with_labels)
    facts = {
        "kind": "images",
        "dtype": "uint8",
        "shape": list(known.shape),
        "with_labels": known.with_labels,
        "end_token_id": None,
        "padding_id": None,
        "class_names": names,
        "split": known.note,
    }
    return [step], facts


def _split(known, settings) -> str:
    """A sentence on what is held out."""
    if known and (known.splits_itself or known.usual(settings)):
        return known.note
    if not settings.validation:
        return "nothing is held out"
    what = "rows" if settings.rows == "joined" else "documents"
    return f"{settings.validation:.3g} of the {what}, drawn at random, are held out"


def stamp(path: Path) -> str:
    """A digest of the names, sizes and times of all files of one's own."""
    digest = hashlib.sha256()
    for file in files_below(path) if path.is_dir() else [path]:
        state = file.stat()
        digest.update(f"{name_in(path, file)}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def are_there(parts: list) -> bool:
    """Whether the local files of the parts of a plan, as JSON has them, are where they were."""
    if not parts or not isinstance(parts[0][1], list):  # of images
        return True
    paths = [hub.Place(*place).path for _, places, _ in parts for place in places]
    return all(path is None or Path(path).is_file() for path in paths)


def _of_corpus(known: Corpus, splits, source) -> tuple[list, dict]:
    """A part for each file of a corpus on the hub, or in a copy."""
    parts, commit = [], None
    for split in splits or known.files:
        if source is None:
            (pattern, *_), revision = known.patterns(split), commit or known.revision
            places, commit = hub.files_on_hub(known.repository, revision, pattern)
        else:
            folder = Path(source).expanduser().absolute()
            places = hub.files_in_copy(folder, known.patterns(split))
        parts += [texts.Part(split, [place]) for place in places]
    return parts, {"repository": known.repository, "commit": commit}


def _own(path: Path, settings) -> tuple[list, dict]:
    """Parts of one's own files, in their order: several small ones, or one large one."""
    found = documents(path, settings.field, settings.skip_bad)
    parts, room = [], 0
    for file in found.files:
        size = file.stat().st_size
        if not parts or size > room:
            parts.append(texts.Part("training", []))
            room = _BYTES
        parts[-1].places.append(hub.Place(name_in(path, file), path=str(file)))
        room -= size
    others = ignored(path, found.ignored)
    return parts, {"files": len(found.files), "skipped": found.skipped, "ignored": others}
