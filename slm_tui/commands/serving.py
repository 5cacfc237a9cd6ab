"""`serve`: the dashboard, or the stories of one run, as a web page."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Annotated

import typer

from engine.contract.checkpoints import CheckpointName
from engine.contract.errors import UserError
from slm_tui.commands.common import Checkpoint, complete_run, say, workspace_of

if TYPE_CHECKING:
    from engine.runs.workspace import Workspace
    from slm_tui.web.server import Page

Stories = Annotated[
    str | None,
    typer.Option(
        "--stories",
        metavar="RUN",
        help="Only the page on which one types a prompt and reads a story of this run.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
Expose = Annotated[bool, typer.Option("--expose", help="Let other machines in: whoever reaches the page may use it.")]
PublicUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The page's address where a proxy stands before it.", show_default=False),
]
Visitors = Annotated[int, typer.Option(metavar="N", min=1, help="Visitors at a time; further ones are told to wait.")]


def serve(
    context: typer.Context,
    stories: Stories = None,
    checkpoint: Checkpoint = "best",
    host: Annotated[str, typer.Option(metavar="H", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="P", min=0, max=65535, help="0 is any free one.")] = 8000,
    expose: Expose = False,
    public_url: PublicUrl = None,
    visitors: Visitors = 8,
) -> None:
    """Show the dashboard in a browser.

    Only browsers on this machine reach it, unless --expose says otherwise: whoever reaches the dashboard can run code
    as you. With --stories it is one run's stories instead, and nothing else.
    """
    try:
        from slm_tui.web import server
    except ImportError:
        raise UserError("serve needs textual-serve, which is not installed: pip install 'slm-tui[web]'") from None
    from slm_tui.web.door import Door, is_loopback, public_origin

    public = public_origin(public_url) if public_url else None
    page = _page(workspace_of(context), stories, checkpoint, visitors)
    listening = server.listen(host, port)
    with listening:
        address = listening.getsockname()
        if not expose and (public or not is_loopback(address[0])):
            way = f"--public-url {public}" if public else f"--host {host}"
            raise UserError(f"{way}: {_danger(page)}; --expose says that you want that")

        def announce() -> None:
            if expose and (public or not is_loopback(address[0])):
                say(f"Careful: {_danger(page)}. There is no password, and by itself no encryption.")
            print(f"{page.title}: {public or _url(address)}", flush=True)
            say("Ctrl+C ends it.")

        server.serve(page, Door(public, own_only=not (expose or page.is_public)), listening, announce)


def _page(workspace: Workspace, stories: str | None, checkpoint: CheckpointName, visitors: int) -> Page:
    from slm_tui.commands.which_run import run_with_checkpoint
    from slm_tui.web.server import Page

    if stories is None:
        return Page("slm-tui", ["--workspace", str(workspace.root)], False, visitors)
    run = run_with_checkpoint(workspace, stories, checkpoint)
    arguments = ["--stories", str(run.path.resolve()), "--checkpoint", checkpoint]
    return Page(f"Stories of {run.name}", arguments, True, visitors)


def _danger(page: Page) -> str:
    if page.is_public:
        return "anyone who reaches it can have stories written on this machine, with its processors and its memory"
    return "anyone who reaches it can run code on this machine as you"


def _url(address: tuple[str, int]) -> str:
    host, port = address[:2]
    name = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"
