"""A run of before the names changed, with version 2 of the generator file: its files are read for ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from stylelayers.checkpoints import load_generator, load_networks

RUN = Path(__file__).parents[1] / "data" / "run_of_early_names"
CHECKPOINT = RUN / "checkpoints" / "last.ckpt"


def test_early_networks_give_the_same_images_and_logits() -> None:
    with np.load(RUN / "golden.npz") as file:
        golden = {name: torch.from_numpy(file[name]) for name in file}
    z, labels = golden["z"], golden["labels"]
    networks, options = load_networks(CHECKPOINT), {"noise": "const", "truncation_psi": 0.7}
    assert networks.discriminator is not None
    with torch.no_grad():
        images = load_generator(RUN / "generator.safetensors")(z, labels, **options)
        torch.testing.assert_close(images, golden["generator"])
        torch.testing.assert_close(networks.generator(z, labels, **options), golden["checkpoint_generator"])
        torch.testing.assert_close(networks.discriminator(golden["generator"], labels), golden["discriminator"])
    assert networks.generator.class_names == tuple("0123456789")
    assert (networks.generator.z_dim, networks.generator.w_dim) == (4, 4)


def test_early_checkpoints_find_arguments_in_their_run(tmp_path: Path) -> None:
    contents = torch.load(CHECKPOINT, weights_only=True)
    del contents["arguments"]
    (tmp_path / "checkpoints").mkdir()
    torch.save(contents, tmp_path / "checkpoints" / "last.ckpt")
    text = (RUN / "config.yaml").read_text(encoding="utf-8")
    assert "latent_dim: 4" in text
    (tmp_path / "config.yaml").write_text(text.replace("num_labels: 0", "num_labels: 10"), encoding="utf-8")
    assert load_networks(tmp_path / "checkpoints" / "last.ckpt").generator.z_dim == 4
