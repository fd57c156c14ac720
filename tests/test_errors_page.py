"""The page of messages in the docs says what the package says."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_errors", DOCS / "make_errors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_messages_is_up_to_date(script):
    assert script.render() == script.PAGE.read_text()


def test_messages_are_short_and_leak_no_private_names(script):
    mistakes = [mistake for chapter in script.MISTAKES.values() for mistake, _ in chapter]
    assert len(mistakes) >= 25
    for mistake in mistakes:
        message = script.message_of(mistake)
        assert len(message) < 300, message
        assert "BaseDistillation" not in message
        assert "sklearn_distill." not in message
