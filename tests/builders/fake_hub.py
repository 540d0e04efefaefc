"""A Hugging Face Hub on this machine: what huggingface_hub needs to make, fill and read repositories.

:func:`connect` directs huggingface_hub to it. It follows the Hub's documented rules for names, tokens and front matter,
and stores the files of each repository, so that tests compare bytes.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
SDKS = {"gradio", "docker", "static"}
LICENSES = {
    "apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "gpl-3.0", "unknown",
    "other",
}  # fmt: skip
TEXTUAL = (".py", ".md", ".txt", ".json", ".yaml", ".csv", ".typed", ".gitattributes", "LICENSE")
"""Ends of the names of files that are not stored as large files."""


class Repo:
    """A repository.

    Attributes:
        private: whether only its owner sees it.
        files: content of each file.
        commits: the titles of the commits.
    """

    def __init__(self, private: bool, files: dict[str, bytes]) -> None:
        self.private, self.files, self.commits = private, files, ["initial commit"]

    @property
    def sha(self) -> str:
        return hashlib.sha1(repr((sorted(self.files), self.commits)).encode()).hexdigest()


class FakeHub:
    """The Hub.

    Args:
        tokens: the account of each token.
        readers: tokens that may not write.

    Attributes:
        repos: the repositories, by type (``space``, ``model``) and ``OWNER/NAME``.
        large: content of large files, by SHA-256.
        asked: method and path of each request.
    """

    def __init__(self, tokens: dict[str, str], readers: Collection[str] = ()) -> None:
        self.tokens, self.readers = tokens, readers
        self.repos: dict[tuple[str, str], Repo] = {}
        self.large: dict[str, bytes] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                outer.asked.append(f"{self.command} {self.path}")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = self.chunks()
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                try:
                    status, headers, content = outer.answer(self.command, self.path, token, body)
                except RefusedError as error:
                    status, headers = error.status, {"X-Error-Code": error.code, "X-Error-Message": str(error)}
                    content = json.dumps({"error": str(error)}).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_POST = do_PUT = answer

            def chunks(self) -> bytes:
                found = b""
                while size := int(self.rfile.readline().strip(), 16):
                    found += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return found

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def answer(self, method: str, address: str, token: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and content of the answer to a request."""
        path = unquote(urlsplit(address).path)
        if found := re.fullmatch(r"/(?:(space|dataset)s/)?([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            return self._file(self._readable(token, found[1] or "model", found[2]), found[3])
        return 200, {"Content-Type": "application/json"}, json.dumps(self._reply(method, path, token, body)).encode()

    def _reply(self, method: str, path: str, token: str, body: bytes) -> Any:
        """Return the JSON of an answer."""
        if path == "/api/repos/create":
            return self._create(token, json.loads(body))
        if path == "/api/validate-yaml":
            return {"errors": [{"message": each} for each in faults(json.loads(body))], "warnings": []}
        if found := re.fullmatch(r"/lfs/(\w+)", path):
            assert hashlib.sha256(body).hexdigest() == found[1]
            self.large[found[1]] = body
            return {}
        if found := re.fullmatch(r"/(?:(space|dataset)s/)?([^/]+/[^/]+?)\.git/info/lfs/objects/batch", path):
            self._writable(token, found[1] or "model", found[2])
            return {"objects": [self._upload(each) for each in json.loads(body)["objects"]]}
        if found := re.fullmatch(r"/api/(space|model|dataset)s/([^/]+/[^/]+)(?:/(.*))?", path):
            return self._repo_call(found[1], found[2], found[3] or "", token, body)
        raise RefusedError(404, f"the fake hub has no {method} {path}")

    def _account(self, token: str) -> str:
        if token not in self.tokens:
            raise RefusedError(401, "Invalid credentials in Authorization header")
        return self.tokens[token]

    def _create(self, token: str, given: dict[str, Any]) -> dict[str, Any]:
        account = self._account(token)
        owner, kind = given.get("organization") or account, given.get("type") or "model"
        name = f"{owner}/{given['name']}"
        if owner != account or token in self.readers:
            raise RefusedError(403, f"You don't have the rights to create a {kind} under the namespace {owner}")
        if kind == "space" and given.get("sdk") not in SDKS:
            raise RefusedError(400, f"sdk must be one of {sorted(SDKS)}")
        if (kind, name) in self.repos:
            raise RefusedError(409, "You already created this repo")
        private = given.get("visibility") == "private" or given.get("private") is True
        files = {".gitattributes": b"*.pt filter=lfs\n"} | ({"README.md": b"# new\n"} if kind == "space" else {})
        self.repos[kind, name] = Repo(private, files)
        prefix = "" if kind == "model" else f"{kind}s/"
        return {"url": f"{self.url}/{prefix}{name}", "name": name, "id": name}

    def _readable(self, token: str, kind: str, name: str) -> Repo:
        if token:
            self._account(token)
        repo = self.repos.get((kind, name))
        if repo is None or (repo.private and self.tokens.get(token) != name.partition("/")[0]):
            raise RefusedError(404 if token else 401, "Repository not found", "RepoNotFound")
        return repo

    def _writable(self, token: str, kind: str, name: str) -> Repo:
        repo = self._readable(token, kind, name)
        if self._account(token) != name.partition("/")[0] or token in self.readers:
            raise RefusedError(403, f"Forbidden: pass a token with the right to write to {name}")
        return repo

    def _upload(self, file: dict[str, Any]) -> dict[str, Any]:
        action = {"upload": {"href": f"{self.url}/lfs/{file['oid']}"}}
        return {**file, **({} if file["oid"] in self.large else {"actions": action})}

    def _repo_call(self, kind: str, name: str, call: str, token: str, body: bytes) -> Any:
        verb = call.partition("/")[0]
        if verb == "preupload":
            self._writable(token, kind, name)
            return {"files": [_mode(each["path"]) for each in json.loads(body)["files"]]}
        if verb == "commit":
            return self._commit(self._writable(token, kind, name), kind, name, body)
        repo = self._readable(token, kind, name)
        if verb == "tree":
            return [_entry(path, content) for path, content in sorted(repo.files.items())]
        if verb not in ("", "revision"):
            raise RefusedError(404, f"the fake hub has no call {call!r}")
        siblings = [{"rfilename": path} for path in sorted(repo.files)]
        return {"id": name, "sha": repo.sha, "private": repo.private, "siblings": siblings, "tags": []}

    def _commit(self, repo: Repo, kind: str, name: str, body: bytes) -> dict[str, Any]:
        files = dict(repo.files)
        title = ""
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                title = value["summary"]
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.large[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
            else:
                raise RefusedError(400, f"the fake hub has no operation {entry['key']!r}")
        repo.files = files
        repo.commits.append(title)
        prefix = "" if kind == "model" else f"{kind}s/"
        return {"commitUrl": f"{self.url}/{prefix}{name}/commit/{repo.sha}", "commitOid": repo.sha}

    @staticmethod
    def _file(repo: Repo, path: str) -> tuple[int, dict[str, str], bytes]:
        if path not in repo.files:
            raise RefusedError(404, f"{path} does not exist", "EntryNotFound")
        content = repo.files[path]
        return 200, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": repo.sha}, content


class RefusedError(Exception):
    """A request that the Hub refuses."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        self.status, self.code = status, code
        super().__init__(message)


def faults(given: dict[str, Any]) -> list[str]:
    """Return what the Hub finds wrong with a README, by its reference of the configuration of Spaces."""
    found = re.match(r"---\n(.*?)\n---\n", given["content"], re.DOTALL)
    if found is None:
        return ["there is no front matter"]
    matter = yaml.safe_load(found[1])
    wrong = [key for key in ("colorFrom", "colorTo") if key in matter and matter[key] not in COLORS]
    wrong += ["license"] if matter.get("license", "other") not in LICENSES else []
    wrong += [key for key in ("tags", "models", "datasets") if not _is_texts(matter.get(key, []))]
    if given.get("repoType") == "space":
        wrong += ["sdk"] if matter.get("sdk") not in SDKS else []
        wrong += ["short_description"] if len(matter.get("short_description", "")) > 60 else []
        wrong += ["title"] if not isinstance(matter.get("title"), str) else []
        wrong += ["emoji"] if re.search(r"\w", matter.get("emoji", "")) else []
        wrong += [
            key
            for key, form in {"python_version": r"3\.\d+(\.\d+)?", "sdk_version": r"\d+\.\d+(\.\d+)?"}.items()
            if not re.fullmatch(form, matter.get(key, "3.10"))
        ]
    return [f'"{key}" is not valid' for key in wrong]


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _mode(path: str) -> dict[str, Any]:
    return {"path": path, "uploadMode": "regular" if path.endswith(TEXTUAL) else "lfs", "shouldIgnore": False}


def _entry(path: str, content: bytes) -> dict[str, Any]:
    """Return a file as the listing of a repository has it."""
    oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return {"type": "file", "path": path, "size": len(content), "oid": oid}


def connect(patch: pytest.MonkeyPatch, address: str, token: str | None) -> None:
    """Direct huggingface_hub to another address, without Xet and without the user's own token."""
    patch.setenv("HF_ENDPOINT", address)
    patch.setenv("HF_HUB_DISABLE_XET", "1")
    patch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    patch.delenv("HF_TOKEN", raising=False)
    if token is not None:
        patch.setenv("HF_TOKEN", token)
    from huggingface_hub import constants  # it read the environment when it was imported

    patch.setattr(constants, "ENDPOINT", address)
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    patch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    patch.setattr(constants, "HF_TOKEN_PATH", "/nowhere/token")
    pages = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", pages)
