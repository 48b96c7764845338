"""kustomize-set-image does what Kargo does: the same data of the first document, and errors for the same inputs."""

from __future__ import annotations

import posixpath
from typing import Any

import pytest
import yaml
from facts import Loader, case_id, cases
from pydantic import ValidationError

from freightway.edits.config import KustomizeSetImageConfig
from freightway.edits.errors import EditError
from freightway.edits.images import images_from_config, images_from_freight
from freightway.edits.kustomization import find_kustomization, set_image_message, set_images


def run(case: dict[str, Any]) -> tuple[str, str, str]:
    config = KustomizeSetImageConfig.model_validate(case["config"])
    folder = posixpath.normpath(posixpath.join("/", config.path)).lstrip("/")
    here = [posixpath.basename(name) for name in case["files"] if posixpath.dirname(name) == folder]
    file = posixpath.join(folder, find_kustomization(here, config.path))
    if config.images:
        images = images_from_config([image.model_dump(by_alias=True) for image in config.images])
    else:
        images = images_from_freight(
            case.get("freight", []),
            case.get("freightRequests", []),
            case.get("warehouses", {}),
            project="demo",
        )
    result = set_images(case["files"][file], images)
    return file, result.text, set_image_message(config.path, result.images)


def first(text: str) -> Any:
    return next(yaml.load_all(text, Loader))


@pytest.mark.parametrize("case", cases("kustomize-set-image"), ids=case_id)
def test_kustomize_set_image(case: dict[str, Any]) -> None:
    if case["expect"].get("error"):
        with pytest.raises((EditError, ValidationError)):
            run(case)
        return
    file, text, message = run(case)
    assert first(text) == first(case["expect"]["value"].get(file, case["files"][file]))
    assert message == case["expect"].get("commitMessage", "")
    before = case["files"][file]
    assert text.partition("\n---\n")[2] == before.partition("\n---\n")[2]
