"""The complete example of docs/configuration.md: what its readers copy is what the tests load."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "configuration.md"


def example_text() -> str:
    """The site file of the document."""
    found = re.search(
        r"<!-- example: loaded by a test -->\n```yaml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL
    )
    assert found is not None, "docs/configuration.md lost its example"
    return found[1]


def changed(old: str, new: str) -> str:
    """The example with one place changed."""
    text = example_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the example"
    return text.replace(old, new)
