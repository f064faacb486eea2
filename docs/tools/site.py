"""Hooks of MkDocs: pages of the site that no file in `docs/` is.

The front page is README, the last one CHANGELOG; the reference and the notebooks are made from
`md4keras` and from `docs/notebooks/`.
"""

from pathlib import Path

from mkdocs.structure.files import File

from docs.tools import notebooks, reference

ROOT = Path(__file__).parents[2]
# Files of the checkout that are pages of the site.
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md"}


def on_config(config):
    """Completes the navigation."""
    reference_pages = [{"All names": "reference/index.md"}]
    reference_pages += [{page.title: page.path} for page in reference.PAGES]
    notebook_pages = [
        {notebooks.title(path): f"notebooks/{path.stem}.md"} for path in notebooks.PATHS
    ]
    parts = {"Notebooks": notebook_pages, "Reference": reference_pages}
    config.nav = [
        {name: parts.get(name, place)} for each in config.nav for name, place in each.items()
    ]
    return config


def on_files(files, config):
    """Adds the pages that are made."""
    texts = {place: _from_root((ROOT / name).read_text("utf-8")) for name, place in PAGES.items()}
    texts |= reference.pages()
    for path in notebooks.PATHS:
        texts[f"notebooks/{path.stem}.md"] = notebooks.markdown(path)
    for place, text in texts.items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Leads to README where a page does."""
    up = "../" * page.file.src_uri.count("/")
    return markdown.replace(f"]({up}../README.md", f"]({up}index.md")


def _from_root(text: str) -> str:
    for name, place in PAGES.items():
        text = text.replace(f"]({name}", f"]({place}")
    return text.replace("](docs/", "](").replace(".ipynb)", ".md)")
