"""HEAD wherever GET is: the same answer, without its body."""

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """An application that answers HEAD as it would answer GET, as far as its headers.

    Parameters
    ----------
    app
        Answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        has_answered = False

        async def listening() -> Any:
            # Nobody waits for more: what would be sent for long ends here.
            return {"type": "http.disconnect"} if has_answered else await receive()

        async def headers(message: Message) -> None:
            nonlocal has_answered
            if has_answered:
                return
            await send(message)
            if message["type"] == "http.response.start":
                has_answered = True
                await send({"type": "http.response.body"})

        await self._app({**scope, "method": "GET"}, listening, headers)
