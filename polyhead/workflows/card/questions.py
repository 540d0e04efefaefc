"""The questions of a data card that only a person can answer, and the file of the answers."""

from collections.abc import Mapping
from pathlib import Path

from polyhead.data.io.yaml_files import load_yaml
from polyhead.errors import PolyheadError, suggest
from polyhead.run import write_text

QUESTIONS = {
    "source": "Where does the data come from: who collected it, when, where and with which devices?",
    "creator": "Which person or organization created it?",
    "purpose": "What was it collected for, and which uses are intended?",
    "license": "Under which license may it be used and passed on?",
    "cite": "How is it cited?",
    "published": "When was it published (YYYY-MM-DD)?",
    "version": "Which version is it (such as 1.0.0)?",
    "annotation": "Who annotated it, by which rules, and how was that checked?",
    "coverage": "Which places, times, people or conditions are missing that users will meet?",
    "consent": "Can people be identified in it, and did they agree to its use?",
    "misuse": "For which uses is it not suited or not allowed?",
    "maintenance": "Who corrects mistakes in it, and where are they reported?",
}
"""The question of each key of the file of answers."""


def read_answers(path: Path) -> dict[str, str]:
    """Read the answers; those that are empty are left out, and without a file there are none.

    Raises:
        PolyheadError: if the file is not a mapping from known keys to texts.
    """
    content = load_yaml(path) if path.is_file() else {}
    if not isinstance(content, Mapping):
        raise PolyheadError(f"{path}: expected a line 'key: answer' for each question, got something else. Correct it.")
    for key, answer in content.items():
        if key not in QUESTIONS:
            raise PolyheadError(f"{path}: unknown key {key!r}{suggest(str(key), QUESTIONS)}")
        if isinstance(answer, dict | list):
            raise PolyheadError(f"{path}: {key}: expected a text, got {type(answer).__name__}. Put it in quotes.")
    return {key: str(answer).strip() for key, answer in content.items() if answer not in (None, "")}


def write_questions(path: Path, known: Mapping[str, str]) -> None:
    """Write a file with all questions, where it does not exist yet.

    Args:
        path: the file.
        known: answers that the data itself gives, as comments.
    """
    if path.exists():
        return
    lines = ["# Write your answers between the quotes, and run 'polyhead data card' again."]
    for key, question in QUESTIONS.items():
        found = [f"#   found: {' '.join(known[key].split())}"] if key in known else []
        lines += ["", f"# {question}", *found, f'{key}: ""']
    write_text(path, "\n".join(lines) + "\n")
