import pytest

from tests.viz import synthetic


@pytest.fixture(scope="session")
def study():
    return synthetic.study()


@pytest.fixture(scope="session")
def plates(study):
    from circuitkit.viz import plates

    return list(plates(study))
