"""``python -m haulier --dry-run PROGRAM``: what the first submit of a program would send.

Runs the program as the interpreter would, up to that submit; nothing is sent. Knows no more of submits than that.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from haulier._calls import CallMaker, Options


class _Previewed(SystemExit):
    """The submit was shown, which ends the program."""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m haulier", description="Helps to look at programs that submit.")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        required=True,
        help="run the program up to its first submit, print what that would send, and end; nothing of its code is sent "
        "(what it asks of units before that happens)",
    )
    parser.add_argument("-m", dest="is_module", action="store_true", help="the program is a module, as of python -m")
    parser.add_argument("program", help="a script, or with -m a module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the arguments of the program")
    chosen = parser.parse_args()
    _preview_first_submit()
    sys.argv[:] = [chosen.program, *chosen.arguments]
    if chosen.is_module:
        runpy.run_module(chosen.program, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(chosen.program))
        runpy.run_path(chosen.program, run_name="__main__")
    sys.exit("the program has submitted nothing")


def _preview_first_submit() -> None:
    call, prepare = CallMaker.call, CallMaker.prepare

    def show(
        maker: CallMaker, fn: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> NoReturn:
        CallMaker.call, CallMaker.prepare = call, prepare  # type: ignore[method-assign]
        print(maker.preview(fn, args, kwargs or {}), flush=True)
        raise _Previewed(0)

    def show_call(maker: CallMaker, fn: Any, args: Any, kwargs: Any, options: Options) -> NoReturn:
        show(maker, fn, args, kwargs)

    def show_map(maker: CallMaker, fn: Any, chunked: bool, options: Options) -> NoReturn:
        show(maker, fn)

    CallMaker.call, CallMaker.prepare = show_call, show_map  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    main()
