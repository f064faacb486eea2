"""Reports: their rows and warnings, the page that nothing can run in, and files from elsewhere."""

import dataclasses
import html.parser
import json
import math
import re
import sys

import matplotlib
import numpy as np
import pytest

import md4keras
from md4keras.evaluation import report_page, report_parts
from md4keras.evaluation.nelbo import Curve, Nelbo, Tables
from md4keras.evaluation.report import (
    MOST_BYTES,
    Report,
    check_report_folder,
    read_report,
    report_folder,
    write_report,
)
from md4keras.evaluation.report_plots import positions_plot
from md4keras.evaluation.report_warnings import find_warnings
from md4keras.figures import in_words

pytestmark = pytest.mark.one_backend

NASTY = "<script>alert(1)</script>\"'> <img src=x onerror=alert(1)> $\\frac{$ \u202e\ud800\x1b[2J&"


def nelbo_of(position_nats, position_count, token_nats=(0.5, 2.0), token_count=(30, 10)):
    """Two hundred examples of what they cost, with tables of these values."""
    nats = 40 + np.random.default_rng(0).normal(size=200)
    time = np.array([0.75, 0.25])
    curve = Curve(time, time, np.full(2, 0.5), np.array([3.0, 1.0]), np.array([0.02, 0.01]))
    tables = [np.array(each) for each in (position_nats, position_count, token_nats, token_count)]
    sizes = np.full(200, 20)
    return Nelbo(nats, np.full(200, 0.1), sizes, 2, 0, None, curve, Tables(*tables))


def made(found=None, **others):
    """A report in which nothing is to be warned of."""
    found = found or nelbo_of(np.arange(20.0), np.full(20, 200))
    data = {"name": "texts", "fingerprint": "ab", "files": "cd", "examples": 200}
    data |= {"examples_in_all": 200, "dimensions": 4000, "dimension": "token", "left_out": 0}
    values = {
        "command": "md4keras evaluate runs/model --report",
        "date": "2026-01-02T03:04:05+00:00",
        "seeds": {"masks": 0},
        "versions": {"keras": "3.15.0"},
        "model": {"name": "runs/model", "kind": "MD4", "network": "UNet", "tokenizer": "Tokens"}
        | {"parameters": 7, "weights": "ef"},
        "data": data | {"padding": 0, "training": "held out"},
        "settings": {"num_draws": 2, "timesteps": None, "limit": None},
        "conventions": [{"name": "unit", "text": "Bits for each token."}],
        "figures": report_parts.figures(found, "token", {"word": 0.5}, is_text=True),
        "baselines": [{"name": "unigram", "bits": 9.0}],
        "curve": report_parts.curve(found),
        "tables": report_parts.tables(found, str),
    }
    return Report(**(values | others))


def changed(report, **values):
    """The report with other entries in its dictionaries: `changed(report, data__examples=3)`."""
    for name, value in values.items():
        part, key = name.split("__")
        entry = getattr(report, part) | {key: value}
        report = dataclasses.replace(report, **{part: entry})
    return report


class TestParts:
    def test_rows_are_the_estimates_by_every_measure(self):
        found = nelbo_of(np.arange(20.0), np.full(20, 200))
        counts = {"words": np.full(200, 10.0)}
        rows = {r["name"]: r for r in report_parts.figures(found, "token", counts, True)}
        nats = found.nats.sum() / 4000
        expected = {
            "bits per token": nats / math.log(2),
            "nats per token": nats,
            "perplexity per token": math.exp(nats),
            "bits per word": nats / math.log(2) * 2,  # a word has two tokens
            "perplexity per word": math.exp(2 * nats),
        }
        assert {name: row["value"] for name, row in rows.items()} == pytest.approx(expected)
        word, token = rows["bits per word"], rows["bits per token"]
        for name in ("error", "error_of_draws", "interval"):
            assert np.array(word[name]) == pytest.approx(2 * np.array(token[name]))
        assert token["interval"] == list(found.bits_per_dim.interval())
        rows = report_parts.figures(found, "dimension", {}, is_text=False)
        assert [row["unit"] for row in rows] == ["bits", "nats"]

    def test_a_perplexity_that_is_no_number_is_left_out(self):
        found = nelbo_of(np.arange(20.0), np.full(20, 200))
        rows = report_parts.figures(found, "token", {"words": np.full(200, 2e-3)}, True)
        assert rows[-1]["name"] == "bits per word" and math.isfinite(rows[-1]["value"])

    def test_large_tables_are_in_cells_and_what_is_not_scored_is_empty(self):
        count = np.full(1200, 2)
        count[600:] = 0
        nats = np.where(count, np.arange(1200.0), np.nan)
        tables = report_parts.tables(nelbo_of(nats, count), str)
        assert tables["cell"] == [3] and tables["shape"] == [400]
        assert np.array(tables["positions"][:200]) * math.log(2) == pytest.approx(
            np.arange(1, 600, 3), rel=1e-5
        )
        assert set(tables["positions"][200:]) == {None}
        image = np.arange(130 * 2 * 3, dtype=float).reshape(130, 2, 3)
        tables = report_parts.tables(nelbo_of(image, np.ones_like(image, int)), str)
        assert tables["cell"] == [3, 1] and tables["shape"] == [44, 2]
        first = image[:3, 0].mean() / math.log(2)  # three rows of a column, over the channels
        assert tables["positions"][0] == pytest.approx(first, rel=1e-5)
        last = image[129, 1].mean() / math.log(2)
        assert tables["positions"][-1] == pytest.approx(last, rel=1e-5)

    def test_values_of_tokens_are_the_extremes_among_those_that_occur_often(self):
        nats, count = np.arange(40.0)[::-1], np.full(40, 10)
        nats[7], count[7] = 99.0, 9  # dear, but seldom
        nats[8], count[8] = np.nan, 0
        found = nelbo_of(np.ones(3), np.ones(3, int), nats, count)
        tables = report_parts.tables(found, str)
        assert [row["id"] for row in tables["dearest"]] == [*range(7), *range(9, 14)]
        assert [row["id"] for row in tables["cheapest"]] == [*range(39, 27, -1)]


WARNINGS = [
    (dict(data__examples=99), r"99 examples, fewer than 100"),
    (dict(data__examples=1), r"There is 1 example"),
    (dict(row__error=0.058), r"wide: 0.0580 bits, 2.0% "),
    (dict(row__error=0.051, row__value=99.0), r"wide: 0.0510 bits, 0.1% "),
    (dict(row__error=0.02, row__value=0.9), r"wide: 0.0200 bits, 2.2% "),
    (dict(row__error=0.02, row__error_of_draws=0.011), r"of 0.0200 bits.* 0.0110.*than 2 draws"),
    (dict(data__training="other"), "not those of the model's training"),
    (dict(data__training="changed"), "have changed since"),
    (dict(data__training="unknown"), "does not tell the fingerprint"),
    (dict(settings__limit=200, data__examples_in_all=3000), r"first 200 of 3,000 examples alone"),
    (dict(settings__limit=200, data__examples_in_all=None), r"first 200 examples alone"),
    (dict(data__left_out=1234), r"last 1,234 tokens .* left out"),
    (dict(data__padding=55), r"55 positions are padding"),
    (dict(settings__timesteps=1000), r"process of 1,000 steps"),
    (dict(baseline=2.5), r"unigram needs 2.5000 bits, this model 2.8"),
]


@pytest.mark.parametrize("change, words", WARNINGS)
def test_each_weakness_is_told_with_its_number(change, words):
    report = made()
    assert find_warnings(report) == []
    row = dict(report.figures[0])
    row |= {name[5:]: change.pop(name) for name in list(change) if name.startswith("row__")}
    baselines = [{"name": "unigram", "bits": change.pop("baseline", 100.0)}]
    report = dataclasses.replace(report, figures=[row], baselines=baselines)
    (warning,) = find_warnings(changed(report, **change))
    assert re.search(words, warning)


class Page(html.parser.HTMLParser):
    """What a browser makes of a page: its tags, their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = set(), set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {(tag, *attribute) for attribute in attributes}

    def handle_data(self, data):
        self.texts.append(data)


class TestPage:
    def test_no_text_of_the_report_is_markup(self, tmp_path):
        def nasty(value):
            if isinstance(value, dict):
                return {key: nasty(each) for key, each in value.items()}
            if isinstance(value, list):
                return [nasty(each) for each in value]
            return NASTY if isinstance(value, str) else value

        plain = made()
        report = Report(**nasty(dataclasses.asdict(plain)) | {"seeds": {NASTY: 1}})
        report.warnings.append(NASTY)
        pages = [Page(report_page.page(each)) for each in (plain, report)]
        assert pages[1].tags == pages[0].tags | {"ul", "li"}
        assert not {"script", "link", "iframe", "object", "svg", "a", "form"} & pages[1].tags
        names = {name for _, name, _ in pages[1].attributes}
        assert names <= {"alt", "charset", "class", "content", "http-equiv", "lang", "name"} | {
            "src",
            "style",
        }
        sources = [value for _, name, value in pages[1].attributes if name == "src"]
        assert sources and all(each.startswith("data:image/svg+xml;base64,") for each in sources)
        assert pages[1].texts.count(md4keras.files.printable(NASTY)) > 10
        write_report(report, tmp_path)  # lone surrogates too
        assert read_report(tmp_path) == report

    def test_the_whole_report_is_on_it(self):
        report = made(warnings=["Few examples."])
        texts = "".join(Page(report_page.page(report)).texts)
        rows = [each for row in report.figures for each in in_words(row)]
        for words in (*rows, report.command, report.date, "Few examples.", "Bits for each token."):
            assert words in texts
        for fingerprint in ("ab", "cd", "ef", "keras 3.15.0"):
            assert fingerprint in texts

    def test_plots_are_the_same_again_and_leave_settings_alone(self):
        before = dict(matplotlib.rcParams)
        assert report_page.page(made()) == report_page.page(made())
        image = nelbo_of(np.arange(48.0).reshape(4, 4, 3), np.full((4, 4, 3), 200))
        svg = positions_plot(report_parts.tables(image, str))
        assert svg.count(b"<image") >= 1 and b"<script" not in svg
        assert dict(matplotlib.rcParams) == before

    def test_without_tables_there_is_no_map(self):
        pages = [report_page.page(made(**more)) for more in ({}, {"tables": None})]
        assert [page.count("<img") for page in pages] == [2, 1]


class TestFiles:
    def test_a_report_comes_back(self, tmp_path):
        report = made()
        page = write_report(report, tmp_path / "new" / "report")
        assert page.name == "report.html" and read_report(page.parent) == report
        assert page.read_text(encoding="utf-8") == report_page.page(report)
        assert {each.name for each in page.parent.iterdir()} == {"report.html", "report.json"}

    def test_what_could_not_be_read_is_not_written(self, tmp_path):
        for wrong in (made(figures=[]), made(command=3), changed(made(), data__examples=math.nan)):
            with pytest.raises(ValueError, match="damaged|JSON compliant"):
                write_report(wrong, tmp_path)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        "change, words",
        [
            (lambda v: v["figures"][0].update(value="1"), r"figures\[0\].value .* a finite number"),
            (lambda v: v["figures"][1]["interval"].pop(), "figures .* both ends"),
            (lambda v: v["figures"].clear(), "figures"),
            (lambda v: v.update(figures=v["figures"] * 99), "figures .* a list of 100 entries"),
            (lambda v: v.update(more=1), "it .* a dictionary of command"),
            (lambda v: v.pop("curve"), "it .* a dictionary of command"),
            (lambda v: v["data"].update(examples=-1), "data.examples .* whole number from 0"),
            (lambda v: v["data"].update(examples=True), "data.examples"),
            (lambda v: v["data"].update(name="x" * 20_001), "data.name .* not long"),
            (lambda v: v["versions"].update(numpy=["2"]), "versions.numpy"),
            (lambda v: v.update(versions=["2"]), "versions .* a dictionary of 100"),
            (lambda v: v["curve"]["bits"].append(1.0), "curve .* one length"),
            (lambda v: [points.clear() for points in v["curve"].values()], "curve .* a point"),
            (lambda v: v["figures"][0].update(error=-1.0), "error .* at least 0"),
            (lambda v: v["tables"].update(shape=[10**9, 10**9]), "tables .* positions of shape"),
            (lambda v: v["tables"].update(shape=[]), "tables"),
            (lambda v: v["tables"].update(cell=[1, 1]), "tables.cell"),
            (lambda v: v["warnings"].append(None), r"warnings\[0\]"),
            (lambda v: v.update(format=2), "another format. Expected format 1. Received: 2"),
        ],
    )
    def test_values_of_another_form_are_named(self, tmp_path, change, words):
        write_report(made(), tmp_path)
        values = json.loads((tmp_path / "report.json").read_text())
        change(values)
        (tmp_path / "report.json").write_text(json.dumps(values))
        with pytest.raises(ValueError, match=words):
            read_report(tmp_path)

    @pytest.mark.parametrize(
        "content, words",
        [
            (b"[" * 100_000, "recursion"),
            (b'{"format": NaN}', "NaN is no number"),
            (b"9" * 10_000, "digits"),
            (b"\xff", "utf-8"),
            (b"[1]", "another format"),
            (b" " * (MOST_BYTES + 1), "larger than"),
            (b'{"format": 1, "seeds": 1e999}', "damaged"),
        ],
    )
    def test_a_file_that_is_none_is_refused(self, tmp_path, content, words):
        (tmp_path / "report.json").write_bytes(content)
        with pytest.raises(ValueError, match=words):
            read_report(tmp_path)

    def test_infinite_numbers_are_none(self, tmp_path):
        write_report(made(), tmp_path)
        text = (tmp_path / "report.json").read_text().replace('"bits": 9.0', '"bits": 1e999')
        (tmp_path / "report.json").write_text(text)
        with pytest.raises(ValueError, match=r"baselines\[0\].bits .* finite"):
            read_report(tmp_path)

    @pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
    def test_what_never_ends_is_not_read(self, tmp_path):
        (tmp_path / "report.json").symlink_to("/dev/zero")
        with pytest.raises(ValueError, match="no such file"):
            read_report(tmp_path)


class TestPlace:
    def test_each_model_has_a_folder_of_its_own(self, tmp_path):
        assert report_folder(tmp_path / "digits" / "model") == tmp_path / "digits" / "report"
        assert report_folder(tmp_path / "a") == tmp_path / "a_report"

    def test_a_new_folder_in_one_that_exists_is_good(self, tmp_path):
        check_report_folder(tmp_path / "new")
        assert not (tmp_path / "new").exists()
        check_report_folder(tmp_path)

    def test_other_places_are_refused(self, tmp_path):
        (tmp_path / "file").write_text("")
        (tmp_path / "odd" / "report.html").mkdir(parents=True)
        for place, words in (
            ("file", "leads through a file"),
            ("file/in", "leads through a file"),
            ("absent/report", "there is no folder '.*absent'"),
            ("odd", "report.html' is a folder"),
        ):
            with pytest.raises(ValueError, match=words):
                check_report_folder(tmp_path / place)

    def test_a_place_without_permission_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr("os.access", lambda place, mode: False)
        with pytest.raises(PermissionError, match="No permission to write"):
            check_report_folder(tmp_path / "new")

    def test_without_matplotlib_it_is_said_what_to_install(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(ImportError, match=r"pip install md4keras\[eval\]"):
            check_report_folder(tmp_path)
        with pytest.raises(ImportError, match=r"pip install md4keras\[eval\]"):
            write_report(made(), tmp_path)
        assert not list(tmp_path.iterdir())
