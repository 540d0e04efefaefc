"""The texts of a Space: the page that starts the app, its requirements, its README with front matter, its licenses."""

import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import yaml

import polyhead
from polyhead.errors import PolyheadError, few

SERVING = (
    "torch", "torchvision", "timm", "numpy", "opencv-python-headless", "pillow", "pyyaml", "safetensors", "jaxtyping",
    "jsonargparse[signatures]", "matplotlib",
)  # fmt: skip
"""What a Space needs besides gradio: to load a model, predict, draw and explain. Training needs more."""
MAX_DESCRIPTION = 60
"""Characters of a short description on the Hub."""
HUB_PAGES = re.compile(r"https://huggingface\.co/([\w.-]+/[\w.-]+)/?")
"""The address of a model on the Hub."""


def requirements() -> str:
    """Return ``requirements.txt``: what a Space needs, in the versions that are installed here.

    Raises:
        PolyheadError: if gradio is not installed.
    """
    return "".join(f"{name}=={_version(name)}\n" for name in ("gradio", *SERVING))


def _version(name: str) -> str:
    """Return the installed version of a package, without the remark that tells for which machine it was built."""
    try:
        return version(name.partition("[")[0]).partition("+")[0]
    except PackageNotFoundError as error:
        raise PolyheadError(f"{name} is not installed. Install it with: pip install 'polyhead[app]'") from error


def app(where: str, links: Mapping[str, str]) -> str:
    """Return ``app.py``.

    Args:
        where: the run for ``polyhead.app.page.build``, as a Python expression.
        links: addresses by title.
    """
    return f'''"""Show a model in the browser. Written by Polyhead {polyhead.__version__}."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
os.environ["POLYHEAD_WEIGHTS"] = str(HERE / "weights")

from polyhead.app.page import build
from polyhead.app.serve import launch

demo = build({where}, links={dict(links)!r})

if __name__ == "__main__":
    # On the Hub, which sets SPACE_ID, the page must be reachable from outside of its container.
    host = os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if "SPACE_ID" in os.environ else "127.0.0.1")
    port = os.environ.get("GRADIO_SERVER_PORT")
    launch(demo, host=host, port=int(port) if port else None)
'''


def readme(
    title: str,
    shared: str,
    heads: Mapping[str, Sequence[str]],
    kinds: Iterable[str],
    results: Mapping[str, Any],
    links: Mapping[str, str],
) -> str:
    """Return ``README.md``, whose front matter configures the Space.

    Args:
        title: title of the Space.
        shared: the Hub's identifier of the license of all files, or ``other``.
        heads: class names of each head.
        kinds: the kinds of the heads.
        results: the content of ``results.json``.
        links: addresses by title.
    """
    models = [found[1] for address in links.values() if (found := HUB_PAGES.fullmatch(address))]
    matter: dict[str, Any] = {
        "title": title,
        "emoji": "🔎",
        "colorFrom": "indigo",
        "colorTo": "blue",
        "sdk": "gradio",
        "sdk_version": _version("gradio"),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "app_file": "app.py",
        "license": shared,
        **({"license_name": "several-licenses", "license_link": "LICENSE.md"} if shared == "other" else {}),
        **({"models": models} if models else {}),
        "tags": ["polyhead", *kinds],
        "short_description": _short(f"A network with {_count(heads)}: {', '.join(heads)}"),
    }
    front = yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)
    lines = [f"- **{task}**: {few(names, 20)}{_score(results, task)}" for task, names in heads.items()]
    return (
        f"---\n{front}---\n\n# {title}\n\nA network with {_count(heads)}, shown by Polyhead {polyhead.__version__}:\n\n"
        + "\n".join(lines)
        + "\n\nThe licenses are in [LICENSE.md](LICENSE.md). To start the page on your own machine:\n\n"
        "```\npip install -r requirements.txt\npython app.py\n```\n"
    )


def license_table(rows: Iterable[tuple[str, str]]) -> str:
    """Return ``LICENSE.md``.

    Args:
        rows: file or folder, and its license.
    """
    cells = "".join(f"| `{path}` | {terms.replace('|', ' ')} |\n" for path, terms in rows)
    return (
        "# Licenses\n\nWeights were computed from data and pretrained weights, whose licenses are given. The text of "
        f"Apache-2.0 is in [polyhead/LICENSE](polyhead/LICENSE).\n\n| file | license |\n|---|---|\n{cells}"
    )


def slug(name: str) -> str:
    """Return a name as a folder of a Space: letters, digits, ``_``, ``-`` and inner dots.

    Examples:
        >>> slug("Äpfel & pears v1.2"), slug("..")
        ('pfel-pears-v1.2', 'run')
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "run"


def _count(heads: Mapping[str, Any]) -> str:
    """Return the number of heads in words."""
    return f"{len(heads)} head{'s' * (len(heads) > 1)}"


def _short(text: str) -> str:
    """Return a text that is short enough for a description."""
    return text if len(text) <= MAX_DESCRIPTION else f"{text[: MAX_DESCRIPTION - 1].rstrip(' ,')}…"


def _score(results: Mapping[str, Any], task: str) -> str:
    """Return the score of a head on test, or else on val; an empty text without one."""
    for split in ("test", "val"):
        entry = results.get(split, {}).get("tasks", {}).get(task, {})
        if entry.get("score") is not None:
            return f"; {entry['metric']} {entry['score']:.3f} on {entry['images']} {split} images"
    return ""
