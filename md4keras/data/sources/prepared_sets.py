"""Data sets that are too large for memory: prepared once, then read from their folder."""

from md4keras.data.folders import printable
from md4keras.data.prepared_folder import Prepared, prepared
from md4keras.data.source import Source


class PreparedSet(Source):
    """A data set in a folder that `md4keras data prepare NAME --out FOLDER` made."""

    def __init__(self, name: str, kind: str, licence: str, home: str):
        self.name, self.kind, self.licence, self.home = name, kind, licence, home

    def __call__(self, path) -> Prepared:
        """The prepared data set.

        Args:
            path: of its folder.

        Raises:
            ValueError: if it is not there, damaged, or another one.
        """
        found = prepared(path)
        if found.index["name"] != self.name:
            raise ValueError(
                f"Another data set is in this folder. Expected {self.name}. Received: "
                f"path={printable(path)!r} with {found.index['name']}. Name the folder that "
                f"`md4keras data prepare {self.name}` made; md4keras.data.prepared opens any."
            )
        return found


_HUB = "https://huggingface.co/datasets"
_IMAGENET = "research alone, by registration"
openwebtext = PreparedSet(
    "openwebtext", "text", "CC0; the texts' own", f"{_HUB}/Skylion007/openwebtext"
)
fineweb_edu = PreparedSet("fineweb_edu", "text", "ODC-By 1.0", f"{_HUB}/HuggingFaceFW/fineweb-edu")
lm1b = PreparedSet("lm1b", "text", "none stated", f"{_HUB}/billion-word-benchmark/lm1b")
lambada = PreparedSet("lambada", "text", "MIT", f"{_HUB}/EleutherAI/lambada_openai")
_WIKITEXT = ("text", "CC BY-SA 3.0, GFDL", f"{_HUB}/Salesforce/wikitext")
wikitext2 = PreparedSet("wikitext2", *_WIKITEXT)
wikitext103 = PreparedSet("wikitext103", *_WIKITEXT)
ptb = PreparedSet(
    "ptb", "text", "the LDC's, for non-members", f"{_HUB}/ptb-text-only/ptb_text_only"
)
ag_news = PreparedSet("ag_news", "text", "none stated", f"{_HUB}/fancyzhx/ag_news")
_PAPERS = ("text", "none stated", f"{_HUB}/armanc/scientific_papers")
pubmed = PreparedSet("pubmed", *_PAPERS)
arxiv = PreparedSet("arxiv", *_PAPERS)
mnist = PreparedSet("mnist", "image", "none stated", "http://yann.lecun.com/exdb/mnist")
imagenet64 = PreparedSet("imagenet64", "image", _IMAGENET, "https://image-net.org")
imagenet64_classes = PreparedSet("imagenet64_classes", "image", _IMAGENET, "https://image-net.org")
