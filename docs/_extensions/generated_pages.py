"""Pages made from the command line's help texts and from the files of `configs/`."""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from typer.cli import app as typer_command
from typer.testing import CliRunner

CONFIGS = Path(__file__).parents[2] / "configs"
EXAMPLES = re.compile(r"\x08\nExamples:\n((?:  .+\n)+)")
TARGET = re.compile(r"^ *_target_: ([\w.]+)", re.MULTILINE)


class Commands(SphinxDirective):
    """``{commands} MODULE NAME``: usage, arguments, options and examples of each command of a typer application."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        module, name = self.arguments
        made = CliRunner().invoke(typer_command, [module, "utils", "docs", "--name", name])
        if made.exit_code:
            raise ExtensionError(f"typer makes no docs of {module}: {made.output}")
        _, _, text = made.output.partition("\n## ")  # without what the application says of itself
        text = EXAMPLES.sub(lambda found: f"```sh\n{re.sub('^  ', '', found[1], flags=re.MULTILINE)}```\n", text)
        return self.parse_text_to_nodes(f"## {text}", allow_section_headings=True)


class Configurations(SphinxDirective):
    """Every group of `configs/` with its files, and what each of them builds."""

    def run(self) -> list[nodes.Node]:
        files = sorted(CONFIGS.rglob("*.yaml"), key=lambda path: (path.parent != CONFIGS, path))
        text, group = "", Path()
        for file in files:
            self.env.note_dependency(file)
            if file.parent != CONFIGS and file.parent.relative_to(CONFIGS) != group:
                group = file.parent.relative_to(CONFIGS)
                text += f"## {group}\n\n"
            text += self.section(file)
        return self.parse_text_to_nodes(text, allow_section_headings=True)

    def section(self, file: Path) -> str:
        content = file.read_text(encoding="utf-8")
        built = ", ".join(f"`{target}`" for target in dict.fromkeys(TARGET.findall(content)))
        place = file.relative_to(CONFIGS)
        title = "## The whole configuration" if file.parent == CONFIGS else f"### {place.parent}={place.stem}"
        return f"{title}\n\n" + (f"Builds {built}.\n\n" if built else "") + f"```yaml\n{content}```\n\n"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("commands", Commands)
    app.add_directive("configurations", Configurations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
