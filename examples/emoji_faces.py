"""Pictures for a first GAN in colour: the emoji of one person, from the package of Microsoft's Fluent emoji.

    npm pack @lobehub/fluent-emoji-3d@1.1.0
    python examples/emoji_faces.py --output data/emoji --package lobehub-fluent-emoji-3d-1.1.0.tgz

The package (16 MB, MIT licence) holds 3,391 WebP files of 256x256 pixels, named after their code points
(``1f469-1f3fd-200d-1f680.webp``). The files of a single person, head and shoulders, are copied, each into the folder of
its skin tone: 930 pictures of 155 subjects in six tones. They are rendered, not photographed; backgrounds are
transparent, which training puts on white.
"""

from __future__ import annotations

import argparse
import tarfile
from pathlib import Path, PurePosixPath

TONES = {0x1F3FB: "light", 0x1F3FC: "medium-light", 0x1F3FD: "medium", 0x1F3FE: "medium-dark", 0x1F3FF: "dark"}
PEOPLE = {0x1F466, 0x1F467, 0x1F468, 0x1F469, 0x1F476, 0x1F9D1}  # boy, girl, man, woman, baby, person
SUBJECTS = PEOPLE.union(  # Santa, police officer, bride, ..., elf: of head and shoulders
    [0x1F385, 0x1F46E, *range(0x1F470, 0x1F476), 0x1F477, 0x1F478, 0x1F47C, 0x1F481, 0x1F482, 0x1F486, 0x1F487],
    [0x1F575, 0x1F645, 0x1F646, 0x1F64B, 0x1F64D, 0x1F64E, 0x1F926, 0x1F930, 0x1F931, *range(0x1F934, 0x1F938)],
    [0x1F9B8, 0x1F9B9, *range(0x1F9D2, 0x1F9D6), 0x1F9D9, 0x1F9DB, 0x1F9DD],
)
LARGER = {0x1F9AF, 0x1F9BC, 0x1F9BD}  # with a cane or in a wheelchair: the whole person, and so a small face


def tone_of(name: str) -> str | None:
    """The skin tone of a file of one person, from its code points; None for any other file.

    >>> tone_of("1f469-1f3fd-200d-1f680"), tone_of("1f680")
    ('medium', None)
    """
    points = [int(point, 16) for point in name.split("-")]
    if points[0] not in SUBJECTS or LARGER & set(points) or sum(point in PEOPLE for point in points) > 1:
        return None
    return next((TONES[point] for point in points if point in TONES), "yellow")


def main(package: Path, output: Path) -> dict[str, int]:
    """Copy the pictures into folders of `output`; the number of each tone's."""
    counts: dict[str, int] = {}
    with tarfile.open(package) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            tone = tone_of(path.stem) if path.suffix == ".webp" else None
            content = archive.extractfile(member) if tone else None
            if tone and content is not None:
                target = output / tone / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())
                counts[tone] = counts.get(tone, 0) + 1
    if not counts:
        raise ValueError(f"emoji_faces: package must hold WebP files named after code points, got {package}")
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True, help="the file that npm pack wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder of the pictures")
    options = parser.parse_args()
    print(main(options.package, options.output))
