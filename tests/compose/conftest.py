"""One deployment for all tests of it, since it takes a minute, and none beside the other tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.compose import Stack


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    config = tmp_path_factory.mktemp("config")
    # The containers' user comes through the directories above, too.
    for parent in (config, *config.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o055)
    deployed = Stack(config)
    try:
        deployed.up()
        yield deployed
    finally:
        deployed.down()
