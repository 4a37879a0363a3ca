"""The extractor on small sources of our own: each shape that the engines use, and what must stay unknown."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from lem_extract import keywords
from lem_extract.documents import entries
from lem_extract.extract import REQUEST_PREFIX, extract
from lem_extract.fields import Classes
from lem_extract.names import Names
from lem_extract.source import FolderFiles, Modules, SourceError
from lem_extract.targets import BACKENDS, ENGINE, REQUEST, Backend, Target

SOURCES = {
    "eng/__init__.py": "",
    "eng/config/__init__.py": "from eng.config.cache import CacheConfig, Mode\n",
    "eng/config/cache.py": '''
        import enum
        from dataclasses import field
        from typing import ClassVar, Literal
        from pydantic import Field
        from eng.config.elsewhere import Others

        CacheType = Literal["auto", "fp8", Others]
        GIB = 1024**3

        class Mode(enum.IntEnum):
            NONE = 0
            FULL = 3

        class Route(enum.Enum):
            FAST = "pkg.fast"
            BOTH = (1, 2)

        class Inner:
            deep: int = 1

        class CacheConfig:
            MANY: ClassVar[int] = 16
            dtype: CacheType = "auto"
            """Type of the cache. More about it,
            over lines."""
            share: float = Field(default=0.92, gt=0, le=1)
            block: int = Field(default=None, ge=1)
            budget: int = 4 * GIB - 1
            mode: Mode = Mode.FULL
            route: Route = Route.BOTH
            names: set[str] = field(default_factory=set)
            pairs: dict[str, int] = Field(default_factory=lambda: {"a": 1})
            inner: Inner = field(default_factory=Inner)
            derived: int = field(default=7, init=False)
            from_world: str = read_the_world()
        ''',
    "eng/config/elsewhere.py": 'from typing import Literal\nOthers = Literal["nvfp4"]\n',
    "eng/args.py": '''
        from dataclasses import dataclass
        from typing import Any, Optional
        from eng.config import CacheConfig, Mode
        import eng.config.cache as cache
        from .config.utils import get_field

        @dataclass
        class Args:
            """Arguments.

            Args:
                plain (int): How many there
                    are. Not this.
            """
            plain: int
            dtype: cache.CacheType = CacheConfig.dtype
            share: float = CacheConfig.share
            block: int | None = CacheConfig.block
            names: set[str] = get_field(CacheConfig, "names")
            inner: cache.Inner = get_field(CacheConfig, "inner")
            mode: Mode = CacheConfig.mode
            open_choice: "cache.CacheType | str | None" = None
            anything: Any = -1.5
            seed: Optional[int] = 0
            _private: int = 1

        class More(Args):
            own: bool = not True
        ''',
    "eng/strict.py": """
        from enum import Enum
        from typing import Annotated, Literal, Optional, TypeAlias, Union
        from pydantic import Field as PydanticField, NonNegativeInt
        from strenum import StrEnum

        def Field(default=..., *, status=None, **kwargs):
            return PydanticField(default, **kwargs)

        class Sampler(StrEnum, metaclass=Mirror):
            auto = "auto"
            fast = "FastSampler"

        class LoadFormat(Enum):
            AUTO = 0
            DUMMY = 1

        Kind: TypeAlias = Annotated[Union[Literal["a"], Literal["b"]], Field(discriminator="k")]

        class BaseArgs(StrictBaseModel):
            model_config = {"extra": "forbid"}
            model: Union[str, Path] = Field(description="Where it is. More.")
            load_format: Literal["auto"] = Field(default="auto")

        class TorchArgs(BaseArgs):
            sampler: Union[str, Sampler] = Field(default=Sampler.auto, status="beta")
            load_format: Union[str, LoadFormat] = Field(default=LoadFormat.AUTO)
            kind: Optional[Kind] = Field(
                default=None, description="Which " "kind.", status="prototype")
            requests: NonNegativeInt = Field(default=0)
            ratio: float = Field(default=0, ge=0, le=1)
            _hidden: Optional[int] = PrivateAttr(default=None)
        """,
    "eng/sampling.py": "class Params:\n    seed: int | None = None\n    top_p: float = 1.0\n",
    "eng/model.py": '''
        class Model:
            @classmethod
            def load(cls, path: str | None, *rest, revision: str = "main", **kwargs):
                """Loads.

                Parameters:
                    dtype (`str` or `torch.dtype`, *optional*, defaults to `"auto"`):
                        Which type.
                    kernels (`bool`, *optional*): Whether fused ones.
                """
                dtype = kwargs.pop("dtype", None)
                kernels = kwargs.pop("kernels", False)
                for name in ["mirror", "old"]:
                    _ = kwargs.pop(name, None)
                other.pop("not_ours", 1)
        ''',
}


@pytest.fixture
def files(tmp_path: Path) -> FolderFiles:
    for name, text in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return FolderFiles(tmp_path)


@pytest.fixture
def entries_of(files: FolderFiles, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    targets = [
        Target("eng.args", "Args", ENGINE),
        Target("eng.args", "More", ENGINE, inherited=False),
        Target("eng.config.cache", "CacheConfig", ENGINE, "cache_config."),
        Target("eng.strict", "TorchArgs", ENGINE, "strict."),
        Target("eng.sampling", "Params", REQUEST),
    ]
    monkeypatch.setitem(BACKENDS, "eng", Backend("eng", "eng", targets))
    found = extract("eng", "1.0", files)
    return {entry["name"]: entry for entry in found["parameters"]}


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("dtype", "auto"),
        ("share", 0.92),
        ("block", None),
        ("names", []),
        ("mode", 3),
        ("anything", -1.5),
        ("own", False),
        ("cache_config.budget", 4 * 1024**3 - 1),
        ("cache_config.route", "BOTH"),
        ("cache_config.pairs", {"a": 1}),
        (f"{REQUEST_PREFIX}seed", None),
        ("top_p", 1.0),
    ],
)
def test_a_default_is_followed_to_its_value(entries_of: dict[str, dict[str, Any]], name: str, default: Any) -> None:
    assert entries_of[name]["default"] == default


def test_what_the_source_does_not_tell_stays_an_expression(entries_of: dict[str, dict[str, Any]]) -> None:
    assert entries_of["cache_config.from_world"]["default_expression"] == "read_the_world()"
    assert entries_of["inner"]["default_expression"] == "Inner()"
    assert "default" not in entries_of["inner"]
    assert entries_of["plain"] | {} == entries_of["plain"]
    assert entries_of["plain"]["required"] is True


def test_types_become_kinds_choices_and_bounds(entries_of: dict[str, dict[str, Any]]) -> None:
    dtype = entries_of["dtype"]
    assert (dtype["kinds"], dtype["choices"]) == (["string"], ["auto", "fp8", "nvfp4"])
    assert "choices" not in entries_of["open_choice"], "a text beside the choices leaves them open"
    assert entries_of["open_choice"]["known"] == ["auto", "fp8", "nvfp4"]
    assert entries_of["open_choice"]["kinds"] == ["string", "null"]
    assert entries_of["share"]["bounds"] == {"gt": 0, "le": 1}, "the bounds of the field that a default points at"
    assert entries_of["block"]["kinds"] == ["integer", "null"]
    assert entries_of["mode"]["choices"] == [0, 3]
    assert entries_of["mode"]["choice_names"] == ["NONE", "FULL"]
    assert entries_of["mode"]["default_member"] == "Mode.FULL"
    assert entries_of["cache_config.route"]["choice_names"] == ["FAST", "BOTH"]
    assert entries_of["inner"]["kinds"] == ["object"]


def test_models_with_a_field_of_their_own_are_read_too(entries_of: dict[str, dict[str, Any]]) -> None:
    def entry(name: str) -> dict[str, Any]:
        return entries_of[f"strict.{name}"]

    assert entry("model")["required"] is True
    assert (entry("sampler")["default"], entry("sampler")["tags"]) == ("auto", ["beta"])
    assert entry("sampler")["known"] == ["auto", "FastSampler", "fast"]
    assert (entry("load_format")["default"], entry("load_format")["default_member"]) == (0, "LoadFormat.AUTO")
    assert entry("kind")["choices"] == ["a", "b"]
    assert entry("kind")["kinds"] == ["string", "null"]
    assert entry("requests")["bounds"] == {"ge": 0}
    assert entry("ratio")["bounds"] == {"ge": 0, "le": 1}
    assert "strict._hidden" not in entries_of


def test_what_is_no_parameter_is_left_out(entries_of: dict[str, dict[str, Any]]) -> None:
    for name in ("_private", "cache_config.derived", "cache_config.MANY", "More.plain"):
        assert name not in entries_of


def test_places_are_told_and_sentences_are_not(entries_of: dict[str, dict[str, Any]]) -> None:
    line = textwrap.dedent(SOURCES["eng/args.py"]).splitlines().index("    plain: int") + 1
    assert entries_of["plain"]["source"] == f"eng/args.py:{line}"
    assert entries_of["dtype"]["status"] == "extracted"
    told = json.dumps(entries_of)
    for sentence in ("How many there", "Type of the cache", "Where it is", "Which kind"):
        assert any(sentence in text.replace('" "', "") for text in SOURCES.values())
        assert sentence not in told


def test_keywords_come_from_the_signature_and_out_of_kwargs(files: FolderFiles) -> None:
    classes = Classes(Names(Modules(files)))
    module = classes.names.modules.get("eng.model")
    assert module is not None
    found = classes.names.find(module, "Model")
    assert found is not None
    function = keywords.method(found, "load")
    assert function is not None
    fields = keywords.parameters(classes, found, function)
    assert list(fields) == ["path", "revision", "dtype", "kernels"]
    assert fields["path"].required
    assert fields["dtype"].admits.kinds == ["string", "any", "null"]
    assert (fields["kernels"].default, fields["kernels"].admits.kinds) == (False, ["boolean"])


def test_a_package_of_another_shape_is_refused(files: FolderFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "eng", Backend("eng", "eng", [Target("eng.args", "Nothing", ENGINE)]))
    with pytest.raises(SourceError, match=r"eng\.args has no class Nothing"):
        extract("eng", "1.0", files)


def test_of_a_docstring_only_types_are_read() -> None:
    listed = entries("Args:\n    a (int): One.\n    b (`list[int]`): Two.")
    assert (listed["a"].type_text, listed["a"].kinds) == ("int", ("integer",))
    assert (listed["b"].type_text, listed["b"].kinds) == ("`list[int]`", ("list",))
