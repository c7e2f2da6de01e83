"""README, CONTRIBUTING and the other documents name only what exists."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sparsekd.catalog import families
from sparsekd.cli.parser import COMMANDS, LAST, RUNS, parse, parser
from sparsekd.studies.comparisons import variants

ROOT = Path(__file__).parents[1]
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.splitlines()
DOCUMENTS = [ROOT / name for name in TRACKED if name.endswith(".md")]
OTHER_PROGRAMS = {"--address", "--port", "--server", "--browsers", "--kills"}
"""Options of Ray, of Streamlit (--server.address) and of tests on demand."""


def code_lines(path: Path) -> list[str]:
    """Return the lines of a document's shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def commands() -> list[str]:
    """Return every command line of this program in the documents."""
    lines = [line for path in DOCUMENTS for line in code_lines(path)]
    return [line for line in lines if line.startswith(("python -m sparsekd ", "sparsekd "))]


def test_there_are_commands_to_check():
    assert len(commands()) > 20


@pytest.mark.parametrize("line", commands())
def test_a_command_in_a_document_is_one_that_the_program_reads(line: str):
    words = shlex.split(line, comments=True)
    command, _ = parse(words[words.index("sparsekd") + 1 :])
    assert command in (*COMMANDS, *RUNS, *LAST)


def test_every_command_is_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = {command.__name__.strip("_").replace("_", "-") for command in (*COMMANDS, *LAST)}
    assert {name for name in names if f"sparsekd {name}" not in text} == set()


def test_every_option_in_a_document_exists():
    known = {option for child in _parsers() for option in _options(child)}
    for path in DOCUMENTS:
        if path.name == "CHANGELOG.md":
            continue
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", path.read_text(encoding="utf-8")))
        assert named - known - OTHER_PROGRAMS == set(), path.name


def _parsers():  # type: ignore[no-untyped-def]
    waiting = [parser(method) for method in variants.METHODS]
    while waiting:
        one = waiting.pop()
        yield one
        for action in one._actions:
            if isinstance(action.choices, dict):
                waiting += list(action.choices.values())


def _options(one):  # type: ignore[no-untyped-def]
    return [option for action in one._actions for option in action.option_strings]


def test_every_method_of_the_readme_is_in_the_catalogue_and_the_other_way_round():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \|[^|]*\|([^|]*)\|$", text, re.MULTILINE)
    methods = {name for name, _ in rows}
    assert methods == set(variants.COMPARED)
    known = set(variants.all_names())
    for method, cell in rows:
        named = re.findall(r"`(:\w+)`", cell)
        assert {method + name for name in named} <= known | {f"{method}:teacher_2"}


def test_the_readme_lists_the_families_of_the_catalogue():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"starts from any {families.titles()} checkpoint" in " ".join(text.split())


def test_every_path_in_a_document_exists():
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        names = re.findall(r"`((?:[\w.-]+/)*[\w.<>-]*)`", text)
        files = {n for n in names if re.search(r"/|\.(py|md|txt|toml|yml|yaml|cff)$", n)}
        files |= {link for link in re.findall(r"\]\(([^)#:]+)\)", text)}
        missing = {name for name in files if not _exists(name, path)}
        assert missing == set(), path.name


def _exists(name: str, document: Path) -> bool:
    """A path from the root or beside the document; <name> stands for any file."""
    if "<" in name:
        pattern = re.sub(r"<\w+>", "*", name)
        return any(ROOT.glob(pattern))
    places = (ROOT / name, document.parent / name)
    known = ("demo/", "glue/", "folder", "path/", "study.yaml")  # what a user types
    return any(place.exists() for place in places) or name.startswith(known)


def test_no_text_of_the_product_points_to_a_document_that_is_not_in_it():
    """Neither by its file name nor by its name in capitals."""
    known = {path.name for path in DOCUMENTS}
    stems = "|".join(("METHODS", "ARCHITECTURE", "DASHBOARD", "SPEED", "EXAMPLES", "TEACHING"))
    for name in TRACKED:
        if not name.startswith(("sparsekd/", "pages/", "app.py")) or not name.endswith(".py"):
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        assert set(re.findall(r"\b[\w-]+\.md\b", text)) <= known, name
        prose = " ".join(re.findall(r'""".*?"""|#[^\n]*', text, re.DOTALL))
        assert not re.search(rf"\b({stems})\b[: ](?!:)", prose), name


# --- packaging -------------------------------------------------------------------------------

HEADINGS = {"Optional": ("search", "ray"), "Tests and checks": ("dev",)}


def test_requirements_txt_and_pyproject_toml_ask_for_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = {"": set(project["dependencies"])}
    wanted |= {
        title: {line for extra in names for line in extras[extra]}
        for title, names in HEADINGS.items()
    }
    assert _requirements() == wanted


def _requirements() -> dict[str, set[str]]:
    """Return the requirements by heading; those of the product under none."""
    found: dict[str, set[str]] = {"": set()}
    heading = ""
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        title = next((name for name in HEADINGS if line.startswith(f"# {name}")), None)
        if title:
            heading = title
            found[heading] = set()
        elif line and not line.startswith("#"):
            requirement, reason = line.split("#", 1)
            assert reason.strip(), f"{requirement} has no reason"
            found[heading].add(requirement.strip())
    return found


def test_the_package_installs_with_its_command_and_its_data(tmp_path: Path):
    """A wheel holds every module, the report's page, py.typed and the console script."""
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*build, "-w", str(tmp_path), str(_copy(tmp_path / "source"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(wheel)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in TRACKED:
        if name.startswith("sparsekd/"):
            assert name in names
    assert "entry_points.txt" in names


def _copy(target: Path) -> Path:
    for name in TRACKED:
        if name.startswith(("sparsekd/", "pyproject", "README", "LICENSE")):
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes((ROOT / name).read_bytes())
    return target
