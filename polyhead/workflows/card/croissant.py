"""Describe a data set in Croissant 1.1 (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html).

The description refers to files by their path below the folder of the data set. With ``croissant.json`` and its tables
in that folder, libraries such as mlcroissant load the samples. What nobody knows is left out.
"""

import glob
from collections.abc import Mapping, Sequence
from mimetypes import guess_type
from pathlib import Path, PurePosixPath
from typing import Any

from polyhead.contracts.card import CardFacts
from polyhead.data.catalog import checksum
from polyhead.errors import few
from polyhead.workflows.card.subject import Subject
from polyhead.workflows.card.tables import Inventory

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    **{
        key: f"cr:{key}"
        for key in (
            "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject",
            "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
            "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
            "separator", "source", "subField", "transform",
        )
    },
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
}  # fmt: skip
"""The context of the specification."""
VERSIONS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
SPLIT_TYPES = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
MANY = 5
"""More files than this in one folder with one ending are a FileSet, fewer are each a FileObject with its checksum."""
FORMATS = {"cr:BoundingBox": "XYXY"}
"""How values of a data type are written."""


def croissant(
    subject: Subject,
    facts: CardFacts,
    answers: Mapping[str, str],
    inventory: Inventory,
    tables: Mapping[str, Path],
) -> dict[str, Any]:
    """Return the description of a data set as JSON-LD.

    Args:
        subject: the data set.
        facts: what the card says of it.
        answers: what people or the catalog say, by the keys of :data:`polyhead.workflows.card.questions.QUESTIONS`.
        inventory: its samples and files.
        tables: the files of its tables: ``samples``, and ``annotations`` if there are any.
    """
    about = {
        "license": answers.get("license"),
        "citeAs": answers.get("cite"),
        "datePublished": answers.get("published"),
        "version": answers.get("version"),
        "url": subject.entry.url if subject.entry else None,
        "creator": {"@type": "Organization", "name": answers["creator"]} if "creator" in answers else None,
        "rai:dataCollection": answers.get("source"),
        "rai:dataAnnotationProtocol": answers.get("annotation"),
        "rai:dataUseCases": answers.get("purpose"),
        "rai:dataReleaseMaintenancePlan": answers.get("maintenance"),
        "rai:dataSocialImpact": answers.get("misuse"),
        "rai:dataBiases": [*facts.biases, *_answered(answers, "coverage")],
        "rai:dataLimitations": [*facts.limitations],
        "rai:personalSensitiveInformation": [*facts.privacy, *_answered(answers, "consent")],
    }
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSIONS,
        "name": subject.name,
        "description": f"{len(subject):,} samples for {subject.kind.title} of {few(subject.classes)}",
        **{key: value for key, value in about.items() if value},
        "distribution": _distribution(inventory, tables),
        "recordSet": _record_sets(subject, inventory, tables),
    }


def _answered(answers: Mapping[str, str], key: str) -> list[str]:
    return [answers[key]] if key in answers else []


def _distribution(inventory: Inventory, tables: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Return the tables, the sets of input and target files, and the further files."""
    found = [_file(path, f"{name}_table", path.name) for name, path in tables.items()]
    found += [
        _file_set(f"{name}_files", inventory.paths(column), name)
        for name, column in (("input", "file"), ("target", "target"))
        if inventory.paths(column)
    ]
    groups: dict[str, list[str]] = {}
    for name in inventory.others:
        groups.setdefault(_pattern(name), []).append(name)
    for pattern, names in groups.items():
        if len(names) > MANY:
            found.append(_file_set(pattern, names, pattern))
        else:
            found += [_file(inventory.others[name], name, name) for name in names]
    return found


def _file(path: Path, identifier: str, url: str) -> dict[str, Any]:
    """Return a file with its checksum."""
    return {
        "@type": "cr:FileObject",
        "@id": identifier,
        "name": PurePosixPath(url).name,
        "contentUrl": url,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": _mime(url),
        "sha256": checksum(path),
    }


def _file_set(identifier: str, names: Sequence[str], title: str) -> dict[str, Any]:
    """Return a set of files: all with the endings of ``names`` in their folders."""
    patterns = sorted({_pattern(name) for name in names})
    formats = sorted({_mime(name) for name in names})
    return {
        "@type": "cr:FileSet",
        "@id": identifier,
        "name": title,
        "encodingFormat": formats[0] if len(formats) == 1 else formats,
        "includes": patterns[0] if len(patterns) == 1 else patterns,
    }


def _pattern(name: str) -> str:
    """Return the pattern of the files in the same folder with the same ending."""
    path = PurePosixPath(name)
    folder = "" if str(path.parent) == "." else f"{glob.escape(str(path.parent))}/"
    return f"{folder}*{path.suffix}"


def _mime(name: str) -> str:
    """Return the media type of a file."""
    return guess_type(name)[0] or (
        "application/yaml" if name.endswith((".yaml", ".yml")) else "application/octet-stream"
    )


def _record_sets(subject: Subject, inventory: Inventory, tables: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Return the splits, the classes, the samples, the targets in files of their own, and the annotations."""
    splits = [
        {"splits/name": split, "splits/url": SPLIT_TYPES[split]} for split in subject.readers if split in SPLIT_TYPES
    ]
    found = [
        {
            "@type": "cr:RecordSet",
            "@id": "splits",
            "name": "splits",
            "dataType": "cr:Split",
            "key": {"@id": "splits/name"},
            "field": [_field("splits/name", "sc:Text"), _field("splits/url", "sc:URL")],
            "data": splits,
        },
        {
            "@type": "cr:RecordSet",
            "@id": "classes",
            "name": "classes",
            "dataType": "sc:Enumeration",
            "key": {"@id": "classes/name"},
            "field": [_field("classes/name", "sc:Text")],
            "data": [{"classes/name": name} for name in subject.classes],
        },
    ]
    samples = [_field(f"samples/{column}", "sc:Text", _column("samples", column)) for column in ("id", "split")]
    if inventory.paths("file"):
        samples += _content("samples", "input_files", "file", "input", subject.modality.croissant_types)
        samples.append(_field("samples/sha256", "sc:Text", _column("samples", "sha256")))
    found.append(_records("samples", samples, "samples/id"))
    if inventory.paths("target"):
        fields = _content("targets", "target_files", "target", "content", subject.kind.croissant_types)
        found.append(_records("targets", [_field("targets/id", "sc:Text", _column("samples", "id")), *fields]))
    if "annotations" in tables:
        columns = {"sample": ("sc:Text",), **subject.kind.croissant_columns}
        rows = [_field(f"annotations/{name}", types, _column("annotations", name)) for name, types in columns.items()]
        found.append(_records("annotations", rows))
    return found


def _content(records: str, files: str, column: str, name: str, types: Sequence[str]) -> list[dict[str, Any]]:
    """Return the fields of a file's path, by which the files are joined with the table of samples, and its content.

    Files of the set that are no samples have no id. The expression turns the path into a text, as it is in the table.
    """
    place = {"fileSet": {"@id": files}, "extract": {"fileProperty": "fullpath"}, "transform": {"regex": "^(.*)$"}}
    path = {**_field(f"{records}/{column}", "sc:Text", place), "references": _column("samples", column)}
    content = {"fileSet": {"@id": files}, "extract": {"fileProperty": "content"}}
    return [path, *([_field(f"{records}/{name}", types, content)] if types else [])]


def _records(name: str, fields: Sequence[Mapping[str, Any]], key: str | None = None) -> dict[str, Any]:
    keyed = {"key": {"@id": key}} if key else {}
    return {"@type": "cr:RecordSet", "@id": name, "name": name, **keyed, "field": [*fields]}


def _field(identifier: str, types: str | Sequence[str], source: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a field; ``source`` says where its values are."""
    given = [types] if isinstance(types, str) else [*types]
    form = next((FORMATS[each] for each in given if each in FORMATS), None)
    found: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": identifier,
        "name": identifier.rpartition("/")[2],
        "dataType": given[0] if len(given) == 1 else given,
    }
    if source is not None:
        found["source"] = {**source, **({"format": form} if form else {})}
    return found


def _column(table: str, column: str) -> dict[str, Any]:
    """Return the source of a column of a table."""
    return {"fileObject": {"@id": f"{table}_table"}, "extract": {"column": column}}
