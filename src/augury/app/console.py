"""What all commands of the command line share: options, output, and how failures are told.

Answers go to standard output, as a table or, with ``--json``, as exactly one JSON document.
Everything else goes to standard error. Exit codes: 1 the exchange refused or something failed,
2 the command line is wrong.
"""

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from augury.app.operator_client import OperatorClient, OperatorRefused, OperatorUnreachable
from augury.app.tokens import TokenError

DEFAULT_URL: Final = "http://127.0.0.1:8080"
DEFAULT_TOKEN_FILE: Final = Path("data/main/operator.token")

UrlOption = Annotated[
    str, typer.Option("--url", envvar="AUGURY_URL", help="Where the exchange answers.")
]
TokenOption = Annotated[
    Path,
    typer.Option(
        "--operator-token-file",
        envvar="AUGURY_OPERATOR_TOKEN_FILE",
        help="File with the operator's token.",
    ),
]
AuthorityOption = Annotated[
    Path | None,
    typer.Option("--ca-file", envvar="AUGURY_CA_FILE", help="Authority to trust for https (PEM)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


class Operation:
    """One invocation of an operator command: the exchange to call, and where answers go."""

    def __init__(self, api: OperatorClient, as_json: bool) -> None:
        self.api = api
        self.as_json = as_json

    def show(self, answer: Any, human: Callable[[], None]) -> None:
        """Print ``answer`` as JSON when that was asked for, else call ``human``."""
        if self.as_json:
            print_json(answer)
        else:
            human()


COMMON: Final = (
    ("url", UrlOption, DEFAULT_URL),
    ("operator_token_file", TokenOption, DEFAULT_TOKEN_FILE),
    ("ca_file", AuthorityOption, None),
    ("as_json", JsonOption, False),
)


def operator_command(
    application: typer.Typer, name: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command that talks to the operator API.

    The function's first parameter receives the ``Operation``; the options that say which exchange
    is meant are added to the others here, so that every command has the same ones.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function).parameters.values())[1:]

        def command(**arguments: Any) -> None:
            common = {parameter: arguments.pop(parameter) for parameter, _, _ in COMMON}
            with failures_told():
                api = OperatorClient.from_token_file(
                    common["url"], common["operator_token_file"], common["ca_file"]
                )
                with api:
                    function(Operation(api, common["as_json"]), **arguments)

        added = [
            inspect.Parameter(
                parameter, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default
            )
            for parameter, kind, default in COMMON
        ]
        parameters = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own] + added
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {item.name: item.annotation for item in parameters}
        command.__doc__ = function.__doc__
        command.__name__ = function.__name__
        application.command(name)(command)
        return function

    return register


@contextlib.contextmanager
def failures_told() -> Iterator[None]:
    """Turn what can go wrong with a call into a sentence and an exit code."""
    try:
        yield
    except OperatorRefused as error:
        fail(error.message)
    except (OperatorUnreachable, TokenError) as error:
        fail(str(error))
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        sys.stderr.close()
        raise typer.Exit(1) from None


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what went wrong and stop."""
    from rich.console import Console

    Console(stderr=True, soft_wrap=True).print("error:", message, markup=False, highlight=False)
    raise typer.Exit(code)


def read_object(file: Path) -> dict[str, Any]:
    """Named fields from a YAML or JSON file. Times stay the text they are written as."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if not tag.endswith(":timestamp")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=Loader)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        fail(f"{file}: {error}")
    if not isinstance(content, dict):
        fail(f"{file}: expected named fields")
    return content


def print_json(answer: Any, *, pretty: bool = False) -> None:
    """One line, so that a script may read it by line as well as whole; or for human eyes."""
    import json

    print(json.dumps(answer, ensure_ascii=False, indent=2 if pretty else None))


def say(text: str) -> None:
    """A sentence on standard output. Text in square brackets stays as it is."""
    from rich.console import Console

    Console(soft_wrap=True).print(text, markup=False, highlight=False)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Columns whose name begins with ``>`` are aligned to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        table.add_column(
            column.removeprefix(">"), justify="right" if right else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = Console()
    # Into a file or pipe nothing is folded: whoever reads that counts columns, not characters.
    console = console if console.is_terminal else Console(width=240)
    console.print(table)


def print_fields(fields: dict[str, Any]) -> None:
    """One name and value per line; what is not there is left out."""
    print_table(
        ("", ""), [(name, value) for name, value in fields.items() if value not in (None, "")]
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    if isinstance(value, dict):
        import msgspec

        return msgspec.json.encode(value).decode()
    return str(value)
