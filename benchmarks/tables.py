"""Tables as files: the same rows as JSON and as Markdown, with the machine and the versions."""

import datetime
import statistics
from pathlib import Path

from benchmarks.machine import machine, versions
from md4keras.files import write_json, write_whole


class Table:
    """A table in the making. The files are replaced whole at each row, so none is lost.

    Args:
        name: str, of the table and its files.
        description: str, what its rows are.
        command: str, which made it.
        folder: where `name.json` and `name.md` are written.
        layout: function from the rows to Markdown; by default `markdown_table`.
    """

    def __init__(self, name: str, description: str, command: str, folder: Path, layout=None):
        self.folder = Path(folder)
        self.layout = layout or markdown_table
        self.content = {
            "table": name,
            "description": description.strip(),
            "command": command,
            "date": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
            "machine": machine(),
            "versions": versions(),
            "rows": [],
        }

    def add(self, row: dict) -> None:
        """Appends a row and writes both files."""
        self.content["rows"].append(row)
        path = self.folder / self.content["table"]
        write_json(self.content, path.with_suffix(".json"))
        write_whole(path.with_suffix(".md"), self.markdown())

    def markdown(self) -> str:
        """The whole table with its heading, and under it what it was measured on."""
        content = self.content
        measured_on = {"date": content["date"], **content["machine"], **content["versions"]}
        return "\n".join(
            [
                f"# {content['table']}",
                "",
                content["description"],
                "",
                self.layout(content["rows"]),
                "",
                f"`{content['command']}`",
                "",
                ", ".join(f"{name} {value}" for name, value in measured_on.items() if value),
                "",
            ]
        )


def markdown_table(rows: list[dict]) -> str:
    """A Markdown table with a column for each key, in the order in which they first occur."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, ["---"] * len(columns)]
    lines += [[cell(row.get(column)) for column in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value) -> str:
    """A value in three digits; several numbers as their median and range."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        if len(value) == 1:
            return cell(value[0])
        ends = f"{cell(min(value))} to {cell(max(value))}"
        return f"{cell(statistics.median(value))} ({ends})"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
