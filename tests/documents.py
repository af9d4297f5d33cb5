"""What is in the documents: blocks, commands, overrides, headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.training.tiny import REPOSITORY

README = REPOSITORY / "README.md"
DOCUMENTS = [README, REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """A fenced block: the number of its first line, its language and text, and why it is not run."""

    line: int
    language: str
    text: str
    reason: str

    @property
    def commands(self) -> list[str]:
        """Command lines, continued ones joined, without comments and variables of the environment."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        parts = [part for line in joined.splitlines() for part in re.sub(r"\s+#.*", "", line).split("&&")]
        return [re.sub(r"^(\w+=\S+ )+", "", part.strip()) for part in parts if part.strip()]


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^(?:<!-- not run: (.+) -->\n)?```([^\n]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [Block(text.count("\n", 0, match.start(3)) + 1, match[2], match[3], match[1] or "") for match in found]


def name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def overrides_in(page: Path) -> list[list[str]]:
    """Code that is one or more overrides, such as `loss.r1_gamma=auto`."""
    groups = "data|model|loss|augment|preset|trainer|callbacks|logger|experiment|resume|initialize_from|seed|hydra"
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page.read_text(encoding="utf-8"))
    found = [span.split() for span in spans if re.match(rf"({groups})[\w.]*=", span)]
    return [words for words in found if all("=" in word for word in words)]


def without_blocks(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    """What a code host and the site make of headings: lower case, hyphens for spaces, no other signs."""
    found = re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE)
    headings = [re.sub(r"\]\([^)]*\)", "", heading) for heading in found]
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}
