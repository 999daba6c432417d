"""``augury member``, ``augury key``, ``augury deposit``, ``augury withdraw``, ``augury ledger``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from augury.app.console import Operation, fail, operator_command, print_fields, print_table, say

member_app = typer.Typer(help="Members of the exchange.", no_args_is_help=True)
key_app = typer.Typer(help="API keys of members.", no_args_is_help=True)

MemberArgument = Annotated[str, typer.Argument(help="User id or e-mail address.")]
ScopesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", help="read, write (both: default), or a finer one such as write::trade; repeat."
    ),
]
ProfileOption = Annotated[
    str, typer.Option(help="Answer this key in the shape of legacy, 3.6 or latest.")
]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]
CursorOption = Annotated[str, typer.Option(help="Continue after this cursor.")]


@operator_command(member_app, "add")
def add_member(
    operation: Operation,
    email: Annotated[str, typer.Argument(help="E-mail address, unique on the exchange.")],
    deposit: Annotated[str, typer.Option(help="Opening money in dollars.")] = "0",
    private_key_file: Annotated[
        Path | None,
        typer.Option(help="Make a key pair and write the private key here (PEM, mode 600)."),
    ] = None,
    public_key_file: Annotated[
        Path | None, typer.Option(help="Use this public key (PEM) instead of making one.")
    ] = None,
    tier: Annotated[str, typer.Option(help="Usage tier, which decides the rate limits.")] = "prime",
    precision: Annotated[
        str, typer.Option(help="What cash is rounded to: 0.01 or 0.0001 dollars.")
    ] = "0.01",
    scope: ScopesOption = None,
    profile: ProfileOption = "",
    key_name: Annotated[str, typer.Option(help="Name of the key.")] = "first key",
) -> None:
    """Add a member. A new private key never leaves this machine; only the public one is sent."""
    public_key = _public_key(private_key_file, public_key_file)
    try:
        answer = operation.api.post(
            "members",
            body={
                "email": email,
                "usage_tier": tier,
                "balance_precision": precision,
                "deposit": deposit,
                "public_key": public_key,
                "key_name": key_name,
                "scopes": scope or ["read", "write"],
                "profile": profile,
            },
        )
    except BaseException:
        # Without the member the key opens nothing, and its file would be in the way next time.
        if private_key_file is not None and public_key_file is None:
            private_key_file.unlink(missing_ok=True)
        raise
    ids = {"user_id": answer["user_id"], "api_key_id": answer["api_key_id"]}
    operation.show(ids, lambda: print_fields({**ids, "private key": private_key_file}))


def _public_key(private_key_file: Path | None, public_key_file: Path | None) -> str:
    """Make or read a key before anything is asked of the exchange."""
    from augury.app.tokens import write_secret
    from augury.client import generate_key_pair

    try:
        if public_key_file is not None:
            return public_key_file.read_text(encoding="utf-8")
        if private_key_file is None:
            return ""
        if private_key_file.exists() and private_key_file.stat().st_size:
            fail(f"{private_key_file} exists; a private key is never overwritten")
        pair = generate_key_pair()
        write_secret(private_key_file, pair.private_pem)
        return pair.public_pem
    except (OSError, UnicodeDecodeError) as error:
        fail(str(error))


@operator_command(member_app, "list")
def list_members(
    operation: Operation,
    email: Annotated[str, typer.Option(help="Only the one with this address.")] = "",
    limit: LimitOption = 100,
    cursor: CursorOption = "",
) -> None:
    """Members in order of joining."""
    answer = operation.api.get("members", email=email, limit=limit, cursor=cursor)

    def human() -> None:
        print_table(
            ("user id", "e-mail", "tier", ">cash", ">available", ">open orders", "suspended"),
            [
                (
                    member["user_id"],
                    member["email"],
                    member["usage_tier"],
                    member["cash"],
                    member["available"],
                    member["open_orders"],
                    member["suspended"],
                )
                for member in answer["members"]
            ],
        )
        more(answer)

    operation.show(answer, human)


@operator_command(member_app, "show")
def show_member(operation: Operation, member: MemberArgument) -> None:
    """One member with money, positions and keys."""
    answer = operation.api.get("members", member)
    operation.show(answer, lambda: _print_member(answer))


def _print_member(answer: dict[str, Any]) -> None:
    simple = {name: value for name, value in answer.items() if not isinstance(value, list)}
    print_fields(simple)
    print_table(
        ("subaccount", ">cash", ">reserved", ">available"),
        [list(account.values()) for account in answer["subaccounts"]],
    )
    if answer["positions"]:
        print_table(
            ("subaccount", "market", ">position", ">cost", ">realized", ">fees"),
            [list(position.values()) for position in answer["positions"]],
        )
    if answer["api_keys"]:
        print_table(
            ("api key", "name", "scopes", "profile"),
            [list(key.values())[:4] for key in answer["api_keys"]],
        )


@operator_command(member_app, "suspend")
def suspend_member(operation: Operation, member: MemberArgument) -> None:
    """Take the member's orders out of the books and accept no new ones."""
    answer = operation.api.patch("members", member, body={"suspended": True})
    operation.show(answer, lambda: say(f"{answer['email']} is suspended"))


@operator_command(member_app, "readmit")
def readmit_member(operation: Operation, member: MemberArgument) -> None:
    """Undo a suspension."""
    answer = operation.api.patch("members", member, body={"suspended": False})
    operation.show(answer, lambda: say(f"{answer['email']} may trade"))


@operator_command(member_app, "tier")
def change_tier(
    operation: Operation,
    member: MemberArgument,
    tier: Annotated[str, typer.Argument(help="basic, advanced, premier or prime.")],
) -> None:
    """Change the member's usage tier."""
    answer = operation.api.patch("members", member, body={"usage_tier": tier})
    operation.show(answer, lambda: say(f"{answer['email']} has tier {answer['usage_tier']}"))


# --- keys ------------------------------------------------------------------------------------


@operator_command(key_app, "add")
def add_key(
    operation: Operation,
    member: MemberArgument,
    private_key_file: Annotated[
        Path | None, typer.Option(help="Make a key pair and write the private key here.")
    ] = None,
    public_key_file: Annotated[
        Path | None, typer.Option(help="Use this public key (PEM) instead of making one.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the key.")] = "key",
    scope: ScopesOption = None,
    profile: ProfileOption = "",
    subaccount: Annotated[
        int | None, typer.Option(help="The only subaccount that the key is for.")
    ] = None,
) -> None:
    """Let another key sign for a member."""
    if private_key_file is None and public_key_file is None:
        fail("give --private-key-file to make a key, or --public-key-file to use one", 2)
    public_key = _public_key(private_key_file, public_key_file)
    try:
        answer = operation.api.post(
            "members",
            member,
            "keys",
            body={
                "public_key": public_key,
                "name": name,
                "scopes": scope or ["read", "write"],
                "profile": profile,
                "subaccount": subaccount,
            },
        )
    except BaseException:
        if private_key_file is not None and public_key_file is None:
            private_key_file.unlink(missing_ok=True)
        raise
    operation.show(answer, lambda: print_fields({**answer, "private key": private_key_file}))


@operator_command(key_app, "list")
def list_keys(operation: Operation, member: MemberArgument) -> None:
    """The keys that sign for a member."""
    answer = operation.api.get("members", member, "keys")
    operation.show(
        answer,
        lambda: print_table(
            ("api key", "name", "scopes", "profile"),
            [list(key.values())[:4] for key in answer["api_keys"]],
        ),
    )


@operator_command(key_app, "remove")
def remove_key(
    operation: Operation,
    member: MemberArgument,
    api_key: Annotated[str, typer.Argument(help="Id of the key.")],
) -> None:
    """Withdraw a key; its open streams are closed."""
    answer = operation.api.delete("members", member, "keys", api_key)
    operation.show(answer, lambda: say("removed"))


# --- money -----------------------------------------------------------------------------------

AmountArgument = Annotated[str, typer.Argument(help="Dollars, whole cents.")]
SubaccountOption = Annotated[int, typer.Option(min=0, max=32, help="0 is the primary one.")]
SubtraderOption = Annotated[str, typer.Option(help="Of a clearing member: this customer.")]
ReferenceOption = Annotated[str, typer.Option(help="A note for the ledger.")]


def deposit(
    operation: Operation,
    member: MemberArgument,
    amount: AmountArgument,
    subaccount: SubaccountOption = 0,
    reference: ReferenceOption = "",
    subtrader: SubtraderOption = "",
) -> None:
    """Credit a member."""
    _move(operation, "deposits", member, amount, subaccount, reference, subtrader)


def withdraw(
    operation: Operation,
    member: MemberArgument,
    amount: AmountArgument,
    subaccount: SubaccountOption = 0,
    reference: ReferenceOption = "",
    subtrader: SubtraderOption = "",
) -> None:
    """Debit a member, up to what is not held for resting orders."""
    _move(operation, "withdrawals", member, amount, subaccount, reference, subtrader)


def _move(
    operation: Operation,
    way: str,
    member: str,
    amount: str,
    subaccount: int,
    reference: str,
    subtrader: str,
) -> None:
    body = {
        "amount": amount,
        "subaccount": subaccount,
        "reference": reference,
        "subtrader_id": subtrader,
    }
    answer = operation.api.post("members", member, way, body=body)
    operation.show(answer, lambda: print_fields(answer["subaccount"]))


def ledger(
    operation: Operation,
    member: Annotated[str, typer.Option(help="Only this member's cash.")] = "",
    limit: LimitOption = 50,
    cursor: CursorOption = "",
) -> None:
    """The double-entry books: totals, and the newest lines."""
    answer = operation.api.get("ledger", member=member, limit=limit, cursor=cursor)

    def human() -> None:
        print_table(("account", ">dollars"), list(answer["totals"].items()))
        print_table(
            ("time", "kind", "account", "against", ">dollars", "market", "reference"),
            [
                (
                    line["time"],
                    line["kind"],
                    line["account"],
                    line["counter_account"],
                    line["amount"],
                    line["market_ticker"],
                    line["reference"],
                )
                for line in answer["entries"]
            ],
        )
        more(answer)

    operation.show(answer, human)


def more(answer: dict[str, Any]) -> None:
    """Say how to go on when there is a further page."""
    if answer.get("cursor"):
        say(f"more with --cursor {answer['cursor']}")


def register(application: typer.Typer) -> None:
    application.add_typer(member_app, name="member")
    application.add_typer(key_app, name="key")
    operator_command(application, "deposit")(deposit)
    operator_command(application, "withdraw")(withdraw)
    operator_command(application, "ledger")(ledger)
